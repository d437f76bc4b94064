"""The contract of every argument: whatever a caller passes is used or refused, and never dropped in silence.

A `Thing` is something that takes arguments, with a table that has a row for each of them. A row names two values and
what must differ between them: a weight, a plan, a file, a printed line. `contract` makes three tests of a list of
things: the table has a row for every argument of the signature and no other, two runs alike are alike, and every row
holds. Who adds an argument adds a row: a failure says where.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import numpy as np
import pytest
import torch

from e2c_control.errors import InputError

Seen = Mapping[str, Any]
"""What a run shows, each part by a name: what tables call by it."""

CHANCE = re.compile(r"second|elapsed|^time/|created|time$|commit|versions|machine|/cpu|wall")
"""Names of numbers that no two runs have in common."""

USUAL = object()
"""Left out: the argument has its default, or what the thing's runs have in common."""


@dataclass(frozen=True)
class Row:
    """Two values of an argument between which something must differ.

    Attributes:
        differs: the part of what a run shows that must differ, or "refused" where only one of them is taken.
        other: the second value.
        first: the first value, unless it is the usual one.
        beside: other arguments that both runs have.
    """

    differs: str
    other: Any
    first: Any = USUAL
    beside: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Refused:
    """A value that must be refused by a sentence with these words, where no second value could be taken."""

    value: Any
    words: str
    beside: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Excused:
    """An argument that changes nothing, and why that is right. There are at most ten in all tables."""

    why: str


@dataclass(frozen=True, eq=False)
class Thing:
    """Something that takes arguments.

    Attributes:
        name: of it.
        takes: names of its arguments, or a callable or dataclass that has them.
        run: gets an empty folder and arguments by name; returns what must not depend on chance.
        table: a row, or several, for each argument.
        slow: whether its runs take long, so that they wait for `make slow`; the table is always looked at.
    """

    name: str
    takes: Iterable[str] | Callable[..., Any]
    run: Callable[..., Seen]
    table: Mapping[str, Row | Refused | Excused | Sequence[Row | Refused]]
    slow: bool = False
    _seen: dict[str, Seen] = field(default_factory=dict[str, Seen])

    @property
    def arguments(self) -> list[str]:
        """Names of all arguments."""
        if not callable(self.takes):
            return [*self.takes]
        if is_dataclass(self.takes):
            return [argument.name for argument in fields(self.takes) if argument.init]
        if getattr(self.takes, "__init__", None) is torch.nn.Module.__init__:
            return []
        parameters = inspect.signature(self.takes).parameters.values()
        return [p.name for p in parameters if p.name not in ("self", "cls") and not p.name.startswith("_")]

    def see(self, folders: pytest.TempPathFactory, arguments: Mapping[str, Any]) -> Seen:
        """What a run with these arguments shows; each is run once."""
        given = {name: value for name, value in arguments.items() if value is not USUAL}
        key = repr(sorted(given.items(), key=lambda item: item[0]))
        if key not in self._seen:
            self._seen[key] = self.run(folders.mktemp("contract"), **given)
        return self._seen[key]

    def part(self, name: str, folders: pytest.TempPathFactory, arguments: Mapping[str, Any]) -> Any:
        """A part of what a run shows; of "refused" the sentence, or none."""
        if name != "refused":
            return self.see(folders, arguments)[name]
        try:
            self.see(folders, arguments)
        except InputError as error:
            return str(error)
        return None

    def check(self, argument: str, row: Row | Refused, folders: pytest.TempPathFactory) -> None:
        """Fail unless the row holds."""
        if isinstance(row, Refused):
            with pytest.raises(InputError, match=row.words):
                self.run(folders.mktemp("contract"), **{**row.beside, argument: row.value})
            return
        first, other = (
            self.part(row.differs, folders, {**row.beside, argument: value}) for value in (row.first, row.other)
        )
        assert first != other, (
            f"{self.name} drops `{argument}`: its {row.differs} is the same for {row.first!r} and {row.other!r}."
        )


def contract(things: Sequence[Thing]) -> tuple[Callable[..., None], Callable[..., None], Callable[..., None]]:
    """The tests of a list of things: of their tables, of two runs alike, and of every row."""
    rows = [
        pytest.param(thing, argument, row, id=f"{thing.name}-{argument}{f'-{i}' * (i > 0)}", marks=_marks(thing))
        for thing in things
        for argument, given in thing.table.items()
        for i, row in enumerate(_several(given))
        if not isinstance(row, Excused)
    ]

    @pytest.mark.parametrize("thing", things, ids=[thing.name for thing in things])
    def every_argument_has_a_row(thing: Thing) -> None:
        missing = [name for name in thing.arguments if name not in thing.table]
        unknown = [name for name in thing.table if name not in thing.arguments]
        place = inspect.getsourcefile(thing.run)
        assert not missing, (
            f"{thing.name} takes {', '.join(missing)}, of which nothing shows that it is used: add a row to the table "
            f"of {thing.name} in tests/contract (see {place}) with two values and what differs between them."
        )
        assert not unknown, f"{thing.name} does not take {', '.join(unknown)}: remove its row from tests/contract."

    @pytest.mark.parametrize("thing", [pytest.param(thing, id=thing.name, marks=_marks(thing)) for thing in things])
    def what_is_run_twice_is_alike(thing: Thing, tmp_path_factory: pytest.TempPathFactory) -> None:
        first, again = thing.see(tmp_path_factory, {}), thing.run(tmp_path_factory.mktemp("contract"))
        looked_at = {row.differs for rows in thing.table.values() for row in _several(rows) if isinstance(row, Row)}
        differing = sorted(name for name in looked_at - {"refused"} if first[name] != again[name])
        assert not differing, f"{thing.name} shows another {', '.join(differing)} every time: rows would prove nothing."

    @pytest.mark.parametrize(("thing", "argument", "row"), rows)
    def every_argument_counts(
        thing: Thing, argument: str, row: Row | Refused, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        thing.check(argument, row, tmp_path_factory)

    return every_argument_has_a_row, what_is_run_twice_is_alike, every_argument_counts


def _several(given: Any) -> Sequence[Row | Refused | Excused]:
    return given if isinstance(given, Sequence) else (given,)


def _marks(thing: Thing) -> list[pytest.MarkDecorator]:
    return [pytest.mark.slow] if thing.slow else []


def print_of(value: Any) -> str:
    """A short text that two values share only if they are equal to the bit: of arrays, weights, files, and mappings."""
    return hashlib.sha256(_text(value).encode()).hexdigest()[:16]


def _text(value: Any) -> str:
    if isinstance(value, torch.nn.Module):
        return _text(value.state_dict())
    if isinstance(value, torch.Tensor):
        return _text(value.detach().cpu().numpy())
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}{hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()}"
    if isinstance(value, Mapping):
        return json.dumps({str(key): _text(item) for key, item in value.items()}, sort_keys=True)
    if isinstance(value, list | tuple):
        return json.dumps([_text(item) for item in value])
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    return repr(value)
