"""Frozen dataclasses as JSON and back. What does not fit is named by its place: ``recipe.phases[0].steps``."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from pathlib import Path
from reprlib import repr as short
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

from e2c_control.errors import InputError
from e2c_control.runs.limits import FINITE, Impossible, check_limits, check_number


def to_json(value: Any) -> Any:
    """A dataclass, and what it is made of, as JSON; a dataclass notes its ``type``, NumPy's numbers become Python's."""
    if is_dataclass(value) and not isinstance(value, type):
        named = {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
        return {"type": type(value).__name__, **named}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in cast(Mapping[Any, Any], value).items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in cast(list[Any], value)]
    if isinstance(value, np.generic | np.ndarray):
        return cast(Any, value).tolist()
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} has no place in a config")


def from_json(kind: Any, value: Any, place: str = "") -> Any:
    """The inverse of `to_json` for the type annotation ``kind``.

    Args:
        kind: a dataclass, or what one may be made of.
        value: JSON.
        place: where the value stands in its document, to name it by.

    Raises:
        ValueError: they do not fit, or, as `Impossible`, a field cannot have such a value; it names the place.
    """
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _first_fit(kind, value, place)
    if origin is Literal:
        return _expect(value in get_args(kind), kind, value, place)
    if origin is tuple:
        return _tuple_from(kind, value, place)
    if origin is list:
        items = _expect(isinstance(value, list), kind, value, place)
        return [from_json(get_args(kind)[0], item, f"{place}[{i}]") for i, item in enumerate(items)]
    if origin is not None and issubclass(origin, Mapping):
        items = _expect(isinstance(value, dict), kind, value, place).items()
        return {key: from_json(get_args(kind)[1], item, _below(place, key)) for key, item in items}
    if is_dataclass(kind):
        return _dataclass_from(cast(type[Any], kind), value, place)
    return _scalar_from(kind, value, place)


def fields_from(kinds: Mapping[str, Any], content: Any, place: str = "") -> dict[str, Any]:
    """The content of a JSON object with these fields checked, each by its annotation; others stay as they are.

    Raises:
        ValueError: it is no object, a field is missing, or one does not fit; it names the place.
    """
    given = _expect(isinstance(content, dict), Mapping, content, place)
    missing = [name for name in kinds if name not in given]
    if missing:
        raise ValueError(f"{place or 'it'} lacks {', '.join(missing)}")
    return {**given, **{name: from_json(kind, given[name], _below(place, name)) for name, kind in kinds.items()}}


def _dataclass_from(kind: type[Any], value: Any, place: str) -> Any:
    given: dict[str, Any] = dict(_expect(isinstance(value, dict), kind, value, place))
    _expect(given.pop("type", None) == kind.__name__, kind, value, place)
    hints = get_type_hints(kind)
    known = {field.name: field for field in fields(kind)}
    missing = [
        name
        for name, field in known.items()
        if name not in given and field.default is MISSING and field.default_factory is MISSING
    ]
    if missing or set(given) - set(known):
        raise ValueError(f"{place or kind.__name__} lacks {missing} and has unknown {sorted(set(given) - set(known))}")
    made: dict[str, Any] = {}
    for name, item in given.items():
        made[name] = from_json(hints[name], item, _below(place, name))
        check_limits(kind.__name__, name, made[name], _below(place, name))
    try:
        return kind(**made)
    except InputError as error:
        raise ValueError(f"{place or kind.__name__}: {str(error).removesuffix('.')}") from error


def _tuple_from(kind: Any, value: Any, place: str) -> tuple[Any, ...]:
    of, items = get_args(kind), _expect(isinstance(value, list), kind, value, place)
    if len(of) == 2 and of[1] is Ellipsis:
        of = (of[0],) * len(items)
    _expect(len(of) == len(items), kind, value, place)
    pairs = zip(of, items, strict=True)
    return tuple(from_json(item_kind, item, f"{place}[{i}]") for i, (item_kind, item) in enumerate(pairs))


def _first_fit(kind: Any, value: Any, place: str) -> Any:
    for one in get_args(kind):
        try:
            return from_json(one, value, place)
        except ValueError as error:
            # A dataclass says by its type which one it means: then its own reason is the one to give.
            if isinstance(value, dict) and is_dataclass(one) and value.get("type") == cast(type, one).__name__:
                raise
            if isinstance(error, Impossible):
                raise
    return _expect(False, kind, value, place)


def _scalar_from(kind: Any, value: Any, place: str) -> Any:
    if kind is Any or (value is None and kind in (None, type(None))):
        return value
    if kind is float:
        number = _expect(isinstance(value, int | float) and not isinstance(value, bool), kind, value, place)
        check_number(FINITE, number, place)
        return float(number)
    if kind is Path:
        return Path(_expect(isinstance(value, str), kind, value, place))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind[_expect(isinstance(value, str) and value in kind.__members__, kind, value, place)]
    return _expect(type(value) is kind, kind, value, place)


def _below(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _expect(fits: bool, kind: Any, value: Any, place: str) -> Any:
    if not fits:
        wanted = kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind)
        raise ValueError(f"{place or 'its content'} is {short(value)}, not {wanted.replace('typing.', '')}")
    return value
