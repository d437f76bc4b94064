"""The tables together: what is excused has a reason, and there is little of it."""

from importlib import import_module
from pathlib import Path

from .mechanism import Excused, Thing

HERE = Path(__file__).parent
MOST_EXCUSES = 10


def things() -> list[Thing]:
    names = [path.stem for path in sorted(HERE.glob("test_*.py")) if path.stem != "test_tables"]
    package = __name__.rpartition(".")[0]
    return [thing for name in names for thing in getattr(import_module(f"{package}.{name}"), "THINGS", ())]


def test_few_arguments_are_excused_and_each_with_a_reason() -> None:
    excuses = {
        f"{thing.name}.{argument}": row.why
        for thing in things()
        for argument, row in thing.table.items()
        if isinstance(row, Excused)
    }
    assert all(len(why.split()) > 5 for why in excuses.values()), excuses
    assert len(excuses) <= MOST_EXCUSES, f"mend an argument instead of excusing it: {sorted(excuses)}"
