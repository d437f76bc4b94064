"""What the fields of a dataclass may hold, said once by their annotations: ``steps: Count``, ``share: Share``.

One function reads them, `conform`, whoever gives the value: a Python caller (`check`, called in ``__post_init__``), the
command line, or a file (`e2c_control.runs.typed_json`). Rules between fields stay in ``__post_init__``.
"""

import inspect
import types
from collections.abc import Callable, Iterable, Mapping, Set
from contextlib import suppress
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from functools import cache, wraps
from os import PathLike
from pathlib import Path
from reprlib import repr as short
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    ParamSpec,
    Protocol,
    TypeGuard,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)

import numpy as np
from numpy.typing import NDArray

from e2c_control.errors import LARGEST_COUNT, InputError, Unfit, flag, listed, near_miss, number, only_options, whole

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Item = TypeVar("Item")
Given = ParamSpec("Given")


@dataclass(frozen=True)
class Bounds:
    """Numbers from `least` to `most`, or `above` and `below` others; the infinities only where they mean something."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None
    infinite: bool = False

    def check(self, kind: type, place: str, value: object) -> float:
        """Return the value as an int or a float, if it is within the bounds, or raise InputError."""
        least, most = self.least, self.most
        if kind is int:
            return whole(place, value, None if least is None else int(least), None if most is None else int(most))
        return number(place, value, least=least, most=most, above=self.above, below=self.below, infinite=self.infinite)


class Names(Protocol):
    """What names things, as a `Registry` does."""

    def name_of(self, wanted: Any, /) -> str: ...


@dataclass(frozen=True, eq=False)
class Named:
    """A name in a `Registry`, "module:Name", or the object itself, of which the name is kept."""

    registry: Names


@dataclass(frozen=True)
class Through:
    """A value that ``function(place, value)`` returns, which raises InputError for one that cannot be used."""

    function: Callable[[str, Any], object]


class NotEmpty:
    """At least one item."""


Count = Annotated[int, Bounds(1, LARGEST_COUNT)]
CountOrZero = Annotated[int, Bounds(0, LARGEST_COUNT)]
Seed = Annotated[int, Bounds(0, 2**63 - 1)]
"""What any generator takes."""
ListSeed = Annotated[int, Bounds(0, 2**32 - 1)]
"""A seed that NumPy's legacy generator takes as well, which the published lists of problems are drawn from."""
Positive = Annotated[float, Bounds(above=0)]
NotNegative = Annotated[float, Bounds(0)]
NotNegativeOrInfinite = Annotated[float, Bounds(0, infinite=True)]
Share = Annotated[float, Bounds(0, 1)]
ShareAboveZero = Annotated[float, Bounds(above=0, most=1)]
ShareBelowOne = Annotated[float, Bounds(0, below=1)]
Several = Annotated[tuple[Item, ...], NotEmpty()]
"""At least one."""

FrameStack = Annotated[int, Bounds(1, 1_000)]
"""Frames in an observation, all of which are in memory."""
ImageSize = Annotated[int, Bounds(1, 4_096)]
"""Pixels on a side."""
Threads = Annotated[int, Bounds(1, 1024)]
"""No more than any machine has cores for, and few enough to start: OpenMP ends the process that asks for too many."""
PlanLength = Annotated[int, Bounds(1, 2_000)]
"""Steps in a plan, which are all in memory at once."""
MOST_AT_ONCE = 10_000
"""Of what is in memory at once, or done before anything else can be."""
AtOnceOrZero = Annotated[int, Bounds(0, MOST_AT_ONCE)]
AtOnce = Annotated[int, Bounds(1, MOST_AT_ONCE)]
TwoOrMoreAtOnce = Annotated[int, Bounds(2, MOST_AT_ONCE)]


LOOKS = ("image_size", "grayscale")
"""What is asked of an environment when it is made, and often of what an environment is given to."""


def is_mapping(value: object) -> TypeGuard[Mapping[object, object]]:
    """Return whether a value is a mapping, of whatever."""
    return isinstance(value, Mapping)


def is_named(value: object) -> TypeGuard[Mapping[str, object]]:
    """Return whether a value is a mapping by name, as a JSON object is."""
    return is_mapping(value) and all(isinstance(name, str) for name in value)


def are_items(value: object) -> TypeGuard[list[object] | tuple[object, ...]]:
    """Return whether a value is a list or a tuple, of whatever."""
    return isinstance(value, list | tuple)


def is_array(value: object) -> TypeGuard[NDArray[np.generic]]:
    """Return whether a value is an array, of whatever."""
    return isinstance(value, np.ndarray)


def check(options: "DataclassInstance", name_of: Callable[[str], str] | None = None) -> None:
    """Check all fields of a dataclass, frozen or not, and put what their annotations make of the values in their place.

    Whole numbers become int, others float, lists tuples: 4.0, ``np.int64(4)`` and 4 are the same.

    Args:
        options: the dataclass; meant to be called first in its ``__post_init__``.
        name_of: what a field is called in messages; ``Class.field``, unless given.

    Raises:
        InputError: a field cannot have its value; the sentence names it and says what would be right.
    """
    for name, kind in hints_of(type(options)).items():
        place = f"{type(options).__name__}.{name}" if name_of is None else name_of(name)
        object.__setattr__(options, name, conform(kind, getattr(options, name), place))


def checked(function: Callable[Given, Item]) -> Callable[Given, Item]:
    """Let a function or a constructor check its arguments by their annotations, as `check` does the fields.

    Meant for doors that a user calls, not for what is called in a loop: reading the annotations takes microseconds.
    """
    signature = inspect.signature(function)
    kinds = {name: parameter.kind for name, parameter in signature.parameters.items()}
    takes_any = inspect.Parameter.VAR_KEYWORD in kinds.values()

    @wraps(function)
    def call(*args: Given.args, **kwargs: Given.kwargs) -> Item:
        if not takes_any:
            owner = function.__qualname__.removesuffix(".__init__").rpartition(".")[2]
            looks = [name for name in kwargs if name in LOOKS and name not in kinds]
            if looks and "env" in kinds:
                raise InputError(
                    f"{owner} has no argument {looks[0]!r}: make the environment with it, make_image_env('Id', "
                    f"{looks[0]}=...), and give that."
                )
            only_options(owner, kwargs, [name for name in kinds if name != "self"], "argument")
        given = signature.bind(*args, **kwargs)
        hints = _hints_of_function(function)
        for name, value in given.arguments.items():
            if name in hints and kinds[name] not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL):
                given.arguments[name] = conform(hints[name], value, name)
        return function(*given.args, **given.kwargs)

    return call


@cache
def _hints_of_function(function: Callable[..., object]) -> Mapping[str, object]:
    """Return its annotations but those with names that are imported for type checkers alone: objects, no numbers."""
    hints: dict[str, object] = {}
    for name, annotation in function.__annotations__.items():
        one = types.SimpleNamespace(__annotations__={name: annotation})
        with suppress(NameError):
            hints |= get_type_hints(one, cast(Any, function).__globals__, include_extras=True)
    return hints


@cache
def hints_of(kind: "type[DataclassInstance]") -> Mapping[str, object]:
    """Return the annotations of a dataclass's fields, those alone that are given when it is made."""
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in fields(kind) if field.init}


@overload
def conform(kind: type[Item], value: object, place: str, from_file: bool = False) -> Item: ...
@overload
def conform(kind: object, value: object, place: str, from_file: bool = False) -> Any: ...
def conform(kind: object, value: object, place: str, from_file: bool = False) -> object:
    """Return what an annotation makes of a value.

    Args:
        kind: the annotation.
        value: of a Python caller; or what JSON made of one, where dataclasses are mappings with their ``type``.
        place: what the value is called in messages.
        from_file: whether it is JSON.

    Raises:
        InputError: the value is none of that kind, as `Unfit` where a single value is the reason.
    """
    origin = get_origin(kind)
    if origin is Annotated:
        return _constrained(kind, value, place, from_file)
    if origin in (Union, types.UnionType):
        return _first_fit(get_args(kind), value, place, from_file)
    if origin is Literal:
        return _choice(get_args(kind), value, place)
    if origin in (tuple, list):
        items = _items(kind, value, place, from_file)
        return items if origin is list else tuple(items)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        _, of = get_args(kind)
        return {key: conform(of, item, below(place, key), from_file) for key, item in _named(value, place).items()}
    if from_file and is_dataclass(kind) and isinstance(kind, type):
        return _built(kind, value, place)
    if origin is np.ndarray:
        return _array(np.dtype(get_args(get_args(kind)[1])[0]), value, place)
    if isinstance(origin, type) and not from_file:
        return _of_class(origin, value, place)
    return _single(kind, value, place, from_file)


def below(place: str, name: str) -> str:
    """Return what a part of something is called: ``recipe.phases``."""
    told = name if len(name) < 80 else short(name)  # a file's own names may be anything
    return f"{place}.{told}" if place else told


def _constrained(kind: Any, value: object, place: str, from_file: bool) -> object:
    inner, rules = kind.__origin__, kind.__metadata__
    for rule in rules:
        if isinstance(rule, Bounds):
            return rule.check(inner, place, value)
        if isinstance(rule, Through):
            return rule.function(place, conform(inner, value, place, True) if from_file else value)
        if isinstance(rule, Named):
            return _name(rule.registry, value, place, from_file)
    found = conform(inner, value, place, from_file)
    if any(isinstance(rule, NotEmpty) for rule in rules):
        _expect(len(found) > 0, value, place, "at least one")
    return found


def _name(registry: Names, value: object, place: str, from_file: bool) -> str:
    if not from_file:
        return registry.name_of(value)
    name = conform(str, value, place)
    try:
        return registry.name_of(name)
    except InputError as error:
        raise InputError(f"{place}: {error}") from error


def _first_fit(kinds: tuple[object, ...], value: object, place: str, from_file: bool) -> object:
    if value is None and types.NoneType in kinds:
        return None
    kinds = tuple(kind for kind in kinds if kind is not types.NoneType)
    # A number stays of its type, and a dataclass in a file says which one it is: its own reason is the one to give.
    wanted = value.get("type") if from_file and is_mapping(value) else type(value).__name__
    kinds = tuple(kind for kind in kinds if getattr(kind, "__name__", "") == wanted) or kinds
    refusals: list[InputError] = []
    for kind in kinds:
        try:
            return conform(kind, value, place, from_file)
        except InputError as error:
            refusals.append(error)
    # What goes wrong inside of it tells more than that it is none of the others.
    inside = next((error for error in refusals if not str(error).startswith(f"{place} ")), None)
    first, unfit = refusals[0], [error.wanted for error in refusals if isinstance(error, Unfit)]
    if inside is not None or not isinstance(first, Unfit) or len(unfit) < len(refusals):
        raise inside or first
    raise Unfit(first.place, first.found, " or ".join(dict.fromkeys(unfit)))


def _choice(choices: tuple[str, ...], value: object, place: str) -> str:
    for choice in choices:
        if type(value) is type(choice) and value == choice:
            return choice
    raise Unfit(place, short(value) + near_miss(value, choices), listed(choices))


def _are_several(value: object) -> TypeGuard[Iterable[object]]:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping | Set)


def _items(kind: object, value: object, place: str, from_file: bool) -> list[object]:
    of = get_args(kind)
    if not _are_several(value):
        raise Unfit(place, short(value), "several values, such as (1, 2)")
    items = list(value)
    if get_origin(kind) is list or (len(of) == 2 and of[1] is Ellipsis):
        of = (of[0],) * len(items)
    _expect(len(of) == len(items), items, place, f"{len(of)} values")
    # The values of an option are said by the option.
    places = [place if place.startswith("--") else f"{place}[{i}]" for i in range(len(items))]
    return [conform(*each, from_file) for each in zip(of, items, places, strict=True)]


def _named(value: object, place: str) -> dict[str, object]:
    """Return a mapping as a dictionary of its own."""
    if not is_named(value):
        raise Unfit(place, short(value), "names with values")
    return dict(value)


def _built(kind: "type[DataclassInstance]", value: object, place: str) -> object:
    """Return the dataclass that JSON is of."""
    given = _named(value, place)
    _expect(given.pop("type", None) == kind.__name__, given, place, kind.__name__)
    known = {field.name: field for field in fields(kind) if field.init}
    needed = (f.name for f in known.values() if f.default is MISSING and f.default_factory is MISSING)
    missing, unknown = [name for name in needed if name not in given], sorted(set(given) - set(known))
    if missing or unknown:
        raise InputError(f"{place or kind.__name__} lacks {missing} and has unknown {unknown}.")
    made = {name: conform(hints_of(kind)[name], item, below(place, name), True) for name, item in given.items()}
    try:
        return kind(**made)
    except InputError as error:
        raise InputError(f"{place or kind.__name__}: {error}") from error


def _single(kind: object, value: Any, place: str, from_file: bool) -> object:
    if kind is bool:
        return flag(place, value)
    if kind is int:
        return whole(place, value, None)
    if kind is float:
        return number(place, value)
    if kind is Path:
        _expect(isinstance(value, str | PathLike), value, place, "a path")
        return Path(value)
    if kind is str:
        _expect(isinstance(value, str), value, place, "a text")
    elif from_file and isinstance(kind, type) and issubclass(kind, Enum):
        return kind[_choice(tuple(kind.__members__), value, place)]
    elif kind in (None, types.NoneType):
        _expect(value is None, value, place, "nothing")
    elif kind is not Any and isinstance(kind, type):
        return _of_class(kind, value, place)
    else:
        _expect(kind is Any or not from_file, value, place, f"one of class {kind}")
    return value


def _of_class(kind: Any, value: object, place: str) -> object:
    """Return an object of a class, a function where one is wanted, or what has the names of a protocol."""
    wanted = _members(kind)
    if kind is Callable:
        _expect(callable(value), value, place, "a function")
    elif wanted is None:
        _expect(isinstance(value, kind), value, place, f"one of class {kind.__name__}")
    elif "__call__" in wanted:
        _expect(callable(value) and not isinstance(value, type), value, place, "a function, or an object like one")
    else:
        has = all(hasattr(value, name) for name in wanted) and not isinstance(value, type)
        _expect(has, value, place, f"an object like {kind.__name__}, with {', '.join(wanted)}")
    return value


@cache
def _members(kind: type) -> tuple[str, ...] | None:
    """Return the names that a protocol asks for, or none of a class."""
    if not getattr(kind, "_is_protocol", False):
        return None
    protocols = [base for base in kind.__mro__ if getattr(base, "_is_protocol", False)]
    names = {name: None for base in protocols for name in (*vars(base), *vars(base).get("__annotations__", ()))}
    return tuple(name for name in names if not name.startswith("_") or name == "__call__")


def _array(dtype: np.dtype[np.generic], value: object, place: str) -> NDArray[np.generic]:
    """Return an array of numbers as one of that dtype, if none changes by that more than rounding changes it."""
    try:
        array: NDArray[np.generic] = np.asarray(value)
    except (TypeError, ValueError, RuntimeError):  # rows of several lengths, a tensor with a gradient
        array = np.asarray(None)
    kinds = {"b": "b", "u": "u", "i": "iu", "f": "iuf"}[dtype.kind]
    _expect(array.dtype.kind in kinds or not array.size, value, place, f"an array of {dtype.name}")
    return array.astype(dtype, copy=False)


def _expect(fits: bool, value: object, place: str, wanted: str) -> None:
    if not fits:
        raise Unfit(place, short(value), wanted)
