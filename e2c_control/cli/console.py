"""How commands talk: what was made, where it is, what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from e2c_control import InputError
from e2c_control.fields import Bounds, Through
from e2c_control.tables import table

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from e2c_control.runs.folder import RunFolder

T = TypeVar("T", bound="DataclassInstance")

MOST_PROBLEMS = 10_000
Problems = Annotated[int, Bounds(1, MOST_PROBLEMS)]


def folder_name(option: str, name: str) -> str:
    """Return the name of a folder to be made in another one, or raise InputError."""
    if name in ("", "..") or Path(name).name != name or "\\" in name:
        raise InputError(f"{option} {name!r} is no name of a folder: leave out '/', '\\' and '..'.")
    return name


FolderName = Annotated[str, Through(folder_name)]


def say(label: str, text: object = "") -> None:
    """Print a line with a label in front, at once even where the output is a file."""
    print(f"{label:<9} {text}".rstrip(), flush=True)


def suggest(*commands: str) -> None:
    """Print what to do next."""
    for i, command in enumerate(commands):
        say("Next" if i == 0 else "or", command)


def filled(kind: type[T], options: object, **others: object) -> T:
    """Make a dataclass of the options that have the names of its fields, and of others."""
    names = [field.name for field in fields(kind) if hasattr(options, field.name)]
    return kind(**{name: getattr(options, name) for name in names} | others)


def show_measured(run: RunFolder, heading: str, unit: str, shown: Mapping[str, str], needed: str) -> None:
    """Print the last row of a run's curves as a table, with what is good in words.

    Args:
        run: folder.
        heading: of the table.
        unit: of its steps: "step 300".
        shown: texts for tags.
        needed: tag without which a row does not count.
    """
    from e2c_control.runs.logger import last_measured
    from e2c_control.runs.tags import judged, verdict

    last = last_measured(run.metrics, needed)
    if last:
        lines = [(heading, f"{unit} {last['step']}", "", "what is good")]
        lines += [
            (text, f"{last[tag]:.3f}", judged(tag, last[tag]), verdict(tag))
            for tag, text in shown.items()
            if tag in last
        ]
        print(table(lines, words=2), flush=True)
        say("Pictures", run.plots)


def tell_map(folder: Path, *, good: bool = False) -> None:
    """Say in a sentence what a run's last measures tell of its map: where it failed them, or in any case."""
    from e2c_control.runs.folder import RunFolder
    from e2c_control.runs.logger import last_measured
    from e2c_control.runs.tags import map_verdict

    found = map_verdict(last_measured(RunFolder(folder).metrics))
    if found is not None and (good or found.word != "good"):
        say("Map", found.text)


def nothing_here(options: object, *names: str, instead: str = "") -> None:
    """Refuse the options that mean nothing in the environment of a run, and say what does instead."""
    for name in names:
        if getattr(options, name) is not None:
            remedy = f"leave it out, or {instead}" if instead else "leave it out"
            raise InputError(f"--{name.replace('_', '-')} means nothing in this environment: {remedy}.")
