"""Frozen dataclasses as JSON and back. What does not fit is named by its place: ``recipe.phases[0].steps``."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from e2c_control.errors import InputError, Unfit
from e2c_control.fields import are_items, below, conform, is_mapping

JSON: TypeAlias = "dict[str, JSON] | list[JSON] | str | float | None"
"""What a document can hold; its whole numbers and switches are floats to Python's types."""

T = TypeVar("T")


def to_json(value: object) -> JSON:
    """Return a dataclass as JSON, with all it is made of and its ``type``; NumPy's numbers become Python's."""
    if is_dataclass(value) and not isinstance(value, type):
        named = {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
        return {"type": type(value).__name__, **named}
    if is_mapping(value):
        return {str(key): to_json(item) for key, item in value.items()}
    if are_items(value):
        return [to_json(item) for item in value]
    if _of_numpy(value):
        return value.tolist()
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} has no place in a config")


def _of_numpy(value: object) -> TypeGuard[NDArray[np.generic] | np.generic]:
    return isinstance(value, np.ndarray | np.generic)


@overload
def from_json(kind: type[T], value: object, place: str = "") -> T: ...
@overload
def from_json(kind: object, value: object, place: str = "") -> Any: ...
def from_json(kind: object, value: object, place: str = "") -> object:
    """Read what `to_json` wrote, by the annotation ``kind`` with its constraints (`e2c_control.fields`).

    Args:
        kind: a dataclass, or what one may be made of.
        value: JSON.
        place: where the value stands in its document, to name it by.

    Raises:
        ValueError: they do not fit; it names the place, in a clause without a remedy.
    """
    try:
        return conform(kind, value, place, from_file=True)
    except Unfit as error:
        raise ValueError(error.in_file) from error
    except InputError as error:
        raise ValueError(str(error).removesuffix(".")) from error


def fields_from(kinds: Mapping[str, object], content: object, place: str = "") -> dict[str, Any]:
    """Check the content of a JSON object with these fields, each by its annotation; others stay as they are.

    Raises:
        ValueError: it is no object, a field is missing, or one does not fit; it names the place.
    """
    given = from_json(dict[str, object], content, place)
    missing = [name for name in kinds if name not in given]
    if missing:
        raise ValueError(f"{place or 'it'} lacks {', '.join(missing)}")
    return {**given, **{name: from_json(kind, given[name], below(place, name)) for name, kind in kinds.items()}}
