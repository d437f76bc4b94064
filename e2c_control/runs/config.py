"""``config.json``: a frozen dataclass as JSON and back, with what made it."""

import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from e2c_control.errors import InputError
from e2c_control.runs.atomic import replace_text
from e2c_control.runs.versions import package_versions, source_commit

FORMAT = "e2c-control config"
VERSION = 1

Config = TypeVar("Config")


def write_config(path: Path, config: Any) -> None:
    """Write the dataclass ``config`` with the versions, the commit and the time."""
    text = {
        "format": FORMAT,
        "version": VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": source_commit(),
        "versions": package_versions(),
        "config": to_json(config),
    }
    replace_text(path, json.dumps(text, indent=2) + "\n")


def read_config(path: Path, kind: type[Config]) -> Config:
    """Read a dataclass of the type ``kind``.

    Raises:
        InputError: the file is missing, damaged, or was written for another format or other fields.
    """
    if not path.is_file():
        raise InputError(f"There is no {path}: check the path of the run.")
    try:
        text = json.loads(path.read_text(encoding="utf-8"))
        name, version, content = text["format"], text["version"], text["config"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged: start the run again.") from error
    if (name, version) != (FORMAT, VERSION):
        raise InputError(
            f"{path} has format {name!r} version {version}, this version of e2c-control reads {FORMAT!r} version "
            f"{VERSION}: start the run again or install the version that wrote it."
        )
    try:
        return cast(Config, from_json(kind, content))
    except ValueError as error:
        raise InputError(
            f"{path} was written for another version of e2c-control ({error}): start the run again or install that "
            "version."
        ) from error


def to_json(value: Any) -> Any:
    """A dataclass, and what it is made of, as JSON; a dataclass notes its ``type``."""
    if is_dataclass(value) and not isinstance(value, type):
        named = {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
        return {"type": type(value).__name__, **named}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in cast(Mapping[Any, Any], value).items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in cast(list[Any], value)]
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} has no place in a config")


def from_json(kind: Any, value: Any) -> Any:
    """The inverse of `to_json` for the type annotation ``kind``; ValueError where they do not fit."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _first_fit(get_args(kind), value)
    if origin is Literal:
        return _expect(value in get_args(kind), value, kind)
    if origin is tuple:
        return _tuple_from(get_args(kind), value)
    if origin is list:
        return [from_json(get_args(kind)[0], item) for item in _expect(isinstance(value, list), value, kind)]
    if origin is not None and issubclass(origin, Mapping):
        of = get_args(kind)[1]
        return {key: from_json(of, item) for key, item in _expect(isinstance(value, dict), value, kind).items()}
    if is_dataclass(kind):
        return _dataclass_from(cast(type[Any], kind), value)
    return _scalar_from(kind, value)


def _dataclass_from(kind: type[Any], value: Any) -> Any:
    given: dict[str, Any] = dict(_expect(isinstance(value, dict), value, kind))
    _expect(given.pop("type", None) == kind.__name__, value, kind)
    hints = get_type_hints(kind)
    known = {field.name: field for field in fields(kind)}
    missing = [
        name
        for name, field in known.items()
        if name not in given and field.default is MISSING and field.default_factory is MISSING
    ]
    if missing or set(given) - set(known):
        raise ValueError(f"{kind.__name__} lacks {missing} and has unknown {sorted(set(given) - set(known))}")
    return kind(**{name: from_json(hints[name], item) for name, item in given.items()})


def _tuple_from(items: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    _expect(isinstance(value, list), value, tuple)
    if len(items) == 2 and items[1] is Ellipsis:
        return tuple(from_json(items[0], item) for item in value)
    _expect(len(items) == len(value), value, tuple)
    return tuple(from_json(of, item) for of, item in zip(items, value, strict=True))


def _first_fit(kinds: tuple[Any, ...], value: Any) -> Any:
    reasons: list[str] = []
    for kind in kinds:
        try:
            return from_json(kind, value)
        except ValueError as error:
            reasons.append(str(error))
    raise ValueError("; ".join(reasons))


def _scalar_from(kind: Any, value: Any) -> Any:
    if kind is Any or (value is None and kind in (None, type(None))):
        return value
    if kind is float:
        return float(_expect(isinstance(value, int | float) and not isinstance(value, bool), value, kind))
    if kind is Path:
        return Path(_expect(isinstance(value, str), value, kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind[_expect(value in kind.__members__, value, kind)]
    return _expect(type(value) is kind, value, kind)


def _expect(fits: bool, value: Any, kind: Any) -> Any:
    if not fits:
        raise ValueError(f"{value!r} is not {getattr(kind, '__name__', kind)}")
    return value
