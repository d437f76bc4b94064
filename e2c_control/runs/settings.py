"""Single settings of a config by their paths: ``phases.unfold.steps``, ``embedding.latent_dim``."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import TypeVar

from e2c_control.errors import InputError, near_miss
from e2c_control.runs.typed_json import JSON, from_json, to_json

Config = TypeVar("Config")

_NAMES = ("name", "term")
"""Fields by which one of several is told from the others."""


def settings(config: object) -> dict[str, JSON]:
    """Return all settings of a dataclass by their paths, as JSON."""
    found: dict[str, JSON] = {}
    _collect(to_json(config), "", found)
    return found


def change(config: Config, changes: Sequence[str]) -> Config:
    """Return a dataclass with settings changed.

    Args:
        config: with its present settings.
        changes: ``path=value``, each value a Python literal, or text. Of several parts one goes by its name, as in
            ``phases.unfold.terms.curvature.weight=3``, or by its number from 0 on.

    Raises:
        InputError: there is no such setting, or it cannot have that value.
    """
    tree = to_json(config)
    for text in changes:
        path, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"{text!r} is no setting: write it as path=value, such as phases.unfold.steps=400.")
        _put(tree, path, _literal(value), settings(config))
    try:
        return from_json(type(config), tree)
    except ValueError as error:
        raise InputError(f"The settings cannot be used ({error}): change {' or '.join(changes)}.") from error


def _collect(value: JSON, path: str, found: dict[str, JSON]) -> None:
    parts = _named(value)
    if parts is None:
        found[path] = value
    for name, item in (parts or {}).items():
        _collect(item, f"{path}.{name}".lstrip("."), found)


def _named(value: JSON) -> dict[str, JSON] | None:
    """Return the parts of a dataclass, a mapping, or several dataclasses, by name; None for a single value."""
    if isinstance(value, dict):
        return {name: item for name, item in value.items() if name not in ("type", *_NAMES)}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        items = enumerate(item for item in value if isinstance(item, dict))
        return {str(next((item[key] for key in _NAMES if key in item), i)): item for i, item in items}
    return None


def _put(tree: JSON, path: str, value: JSON, known: Iterable[str]) -> None:
    """Put a value where the path leads; a mapping, such as of options, takes new names."""
    *folders, last = path.split(".")
    for name in folders:
        parts = _named(tree) or {}
        if name.isdecimal() and int(name) < len(parts):
            name = list(parts)[int(name)]
        if name not in parts:
            raise _unknown(path, name, parts, known)
        tree = parts[name]
    parts = _named(tree) or {}
    if not isinstance(tree, dict) or (last not in parts and "type" in tree):
        raise _unknown(path, last, parts, known)
    tree[last] = value


def _unknown(path: str, name: str, parts: Iterable[str], known: Iterable[str]) -> InputError:
    hint = near_miss(path, known) or near_miss(name, parts)
    listed = ", ".join(parts)
    return InputError(f"There is no setting {path!r}{hint}: in place of {name!r} choose {listed or 'nothing'}.")


def _literal(text: str) -> JSON:
    try:
        return to_json(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError):
        return text
