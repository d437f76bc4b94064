"""Pages about what can be chosen by name: a list, or one of them in its own words, with its settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from importlib import import_module
from inspect import Parameter, getdoc, signature
from typing import Any

from e2c_control.cli.console import say


def show_list(command: str, things: Iterable[str], about: Callable[[str], str]) -> None:
    """Print the names with the first line of what is said about each, and how to read the rest."""
    lines = {name: about(name).partition("\n")[0].removeprefix(f"{name}: ") for name in things}
    width = max(map(len, lines))
    for name, line in lines.items():
        print(f"{name:{width}}  {line}")
    print()
    say("More", f"e2c {command} NAME")


def text_of(thing: object) -> str:
    """Return what a function says of itself, or a class below its module, which names the method and its source."""
    texts = [getdoc(import_module(thing.__module__)) if isinstance(thing, type) else None, getdoc(thing)]
    return "\n\n".join(text for text in texts if text)


def show_settings(title: str, values: Mapping[str, object]) -> None:
    """Print settings with what they are unless set, if there are any."""
    lines = [f"  {name:{max(map(len, values))}}  {value}" for name, value in values.items()]
    print("\n".join(["", title, *lines] if lines else []))


def defaults_of(function: Any) -> dict[str, Any]:
    """Return the options of a class or function that have a default."""
    known = {name: one.default for name, one in signature(function).parameters.items()}
    options = fields(function) if is_dataclass(function) else ()
    made = {field.name: field.default_factory() for field in options if field.default_factory is not MISSING}
    return {name: made.get(name, default) for name, default in known.items() if default is not Parameter.empty}
