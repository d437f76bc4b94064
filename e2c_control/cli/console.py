"""How commands talk: what was made, where it is, what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar, cast

from e2c_control.errors import InputError, whole
from e2c_control.tables import table

if TYPE_CHECKING:
    from e2c_control.runs.folder import RunFolder

T = TypeVar("T")

LARGEST_SEED = 2**32 - 1
"""What NumPy's legacy generator takes, which the published lists of problems are drawn from."""

MOST_PROBLEMS = 10_000


def say(label: str, text: object = "") -> None:
    """A line with a label in front, at once even where the output is a file."""
    print(f"{label:<9} {text}".rstrip(), flush=True)


def suggest(*commands: str) -> None:
    """What to do next."""
    for i, command in enumerate(commands):
        say("Next" if i == 0 else "or", command)


def filled(kind: type[T], options: object, **others: Any) -> T:
    """Make a dataclass of the options that have the names of its fields, and of others."""
    names = [field.name for field in fields(cast(Any, kind)) if hasattr(options, field.name)]
    return kind(**{name: getattr(options, name) for name in names} | others)


def show_measured(run: RunFolder, heading: str, unit: str, shown: Mapping[str, str], needed: str = "") -> None:
    """Print the last row of a run's curves as a table.

    Args:
        run: folder.
        heading: of the table.
        unit: of its steps: "step 300".
        shown: texts for tags.
        needed: tag without which a row does not count.
    """
    from e2c_control.runs.logger import read_metrics

    rows = [row for row in read_metrics(run.metrics) if not needed or needed in row]
    if rows:
        lines = [(heading, f"{unit} {rows[-1]['step']}")]
        lines += [(text, f"{rows[-1][tag]:.3f}") for tag, text in shown.items() if rows[-1].get(tag) is not None]
        print(table(lines), flush=True)
        say("Pictures", run.plots)


def nothing_here(options: object, *names: str) -> None:
    """Refuse the options that mean nothing in the environment of a run."""
    for name in names:
        if getattr(options, name) is not None:
            raise InputError(f"--{name.replace('_', '-')} means nothing in this environment: leave it out.")


def check_seed(seed: int) -> None:
    """Refuse a seed that some generator would refuse later."""
    whole("--seed", seed, least=0, most=LARGEST_SEED)
