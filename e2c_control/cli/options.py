"""The one door of options: a command's dataclass is filled from words, and explained by its own docstring."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import field, fields, is_dataclass, make_dataclass
from functools import cache
from inspect import cleandoc
from typing import Annotated, Any, TypeVar, cast, get_type_hints

import tyro

from e2c_control import InputError
from e2c_control.fields import conform, hints_of

Command = TypeVar("Command")


def parse_options(kind: type[Command], name: str, options: Sequence[str]) -> Command:
    """Fill a command's fields from its options, or explain them and exit."""
    _check_given(kind, [option.partition("=")[0].replace("_", "-") for option in options if option.startswith("--")])
    description, _, _ = cleandoc(kind.__doc__ or "").partition("\n\nAttributes:")
    markers: tuple[Any, ...] = (tyro.conf.DisallowNone, tyro.conf.FlagCreatePairsOff)
    return _own(kind, tyro.cli(_shown(kind), prog=f"e2c {name}", description=description, args=options, config=markers))


def explanations(kind: type[Any]) -> dict[str, str]:
    """Return what the docstrings of a class and its bases say of each attribute."""
    found: dict[str, str] = {}
    for part in reversed(kind.__mro__):
        _, _, attributes = cleandoc(part.__doc__ or "").partition("\nAttributes:\n")
        listed, _, _ = attributes.partition("\n\n")
        for entry in re.split(r"^    (?=\w)", listed, flags=re.MULTILINE)[1:]:
            name, _, text = entry.partition(":")
            found[name] = " ".join(text.split())
    return found


@cache
def _shown(kind: type[Any]) -> type[Any]:
    """Return a dataclass with the same fields, as tyro is to explain them: its own first, no default called None."""
    hints, texts = get_type_hints(kind, include_extras=True), explanations(kind)
    made: list[Any] = []
    for option in sorted(fields(kind), key=lambda option: option.name not in vars(kind)["__annotations__"]):
        hint, default = hints[option.name], option.default
        if is_dataclass(hint):
            group = _shown(cast(type[Any], hint))
            made.append((option.name, Annotated[group, tyro.conf.arg(name="")], field(default_factory=group)))
            continue
        hidden = "" if default in (None, ()) else None
        explained = tyro.conf.arg(help=texts.get(option.name), help_behavior_hint=hidden)
        made.append((option.name, Annotated[hint, explained], field(default=default)))
    return make_dataclass(kind.__name__, made, frozen=True, kw_only=True, namespace={"__doc__": kind.__doc__})


def _own(kind: type[Command], parsed: Any) -> Command:
    """Return the command that was parsed, with its groups of options, each value as its field may have it."""
    values: dict[str, Any] = {}
    for name, hint in hints_of(kind).items():
        given = getattr(parsed, name)
        option = f"--{name.replace('_', '-')}"
        values[name] = _own(cast(Any, hint), given) if is_dataclass(hint) else conform(hint, given, option)
    return kind(**values)


def _check_given(kind: type[Any], given: list[str]) -> None:
    """Refuse options that would be dropped: one given twice, of which the last would hold, or beside a config."""
    for option in given:
        if given.count(option) > 1:
            raise InputError(
                f"{option} is given {given.count(option)} times: give it once, with all that belongs to it."
            )
    for lead in ("--resume", "--config"):
        beside: tuple[str, ...] = getattr(kind, f"BESIDE_{lead[2:].upper()}", ())
        left = [option for option in given if option not in (lead, "--help", *beside)]
        if lead in given and left:
            raise InputError(f"{left[0]} means nothing beside {lead}, which goes on by its own options: leave it out.")
