"""Constraints on fields: one rule of values, whoever gives them, and a sentence that names the place and the remedy."""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2c_control.errors import InputError, Unfit
from e2c_control.fields import (
    Bounds,
    Count,
    NotNegativeOrInfinite,
    Positive,
    Seed,
    Several,
    Share,
    Through,
    check,
    checked,
)
from e2c_control.runs.typed_json import from_json, to_json


def upper(place: str, value: object) -> str:
    if not isinstance(value, str):
        raise InputError(f"{place} is no word.")
    return value.upper()


@dataclass(frozen=True)
class Inner:
    steps: Count = 1

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Options:
    steps: Count = 1
    share: Share = 0.5
    rate: Positive | None = None
    sizes: Several[Count] = (1,)
    pair: Count | tuple[Count, Count] = 1
    kind: Literal["mlp", "conv"] = "mlp"
    ready: bool = False
    name: str = "a"
    folder: Path = Path()
    word: Annotated[str, Through(upper)] = "A"
    ceiling: NotNegativeOrInfinite = 1.0
    inner: Inner = Inner()
    more: Mapping[str, float | int | bool | str] = field(default_factory=dict[str, float | int | bool | str])
    anything: Any = None

    def __post_init__(self) -> None:
        check(self)


@pytest.mark.parametrize(
    ("name", "value", "becomes"),
    [
        ("steps", 4.0, 4),
        ("steps", np.int32(4), 4),
        ("share", np.float32(0.5), 0.5),
        ("share", 1, 1.0),
        ("rate", None, None),
        ("rate", 2, 2.0),
        ("sizes", [1, 2.0], (1, 2)),
        ("sizes", np.array([3, 4]), (3, 4)),
        ("pair", [2, 3], (2, 3)),
        ("pair", 3.0, 3),
        ("ready", np.bool_(True), True),
        ("folder", "a/b", Path("a/b")),
        ("word", "yes", "YES"),
        ("ceiling", float("inf"), float("inf")),
        ("more", {"a": 1, "b": True, "c": 0.5, "d": "x"}, {"a": 1, "b": True, "c": 0.5, "d": "x"}),
    ],
)
def test_values_become_what_the_annotation_says(name: str, value: object, becomes: object) -> None:
    """A file says the same, and what is written is read again; an int stays one where both are allowed."""
    made = replace(Options(), **{name: value})
    assert getattr(made, name) == becomes
    assert type(getattr(made, name)) is type(becomes)
    assert from_json(Options, to_json(made)) == made
    if isinstance(becomes, Mapping):
        assert [type(item) for item in getattr(made, name).values()] == [int, bool, float, str]


WRONG: list[tuple[str, Any, str, str]] = [
    ("steps", 0, "steps is 0", "a whole number of 1 or more"),
    ("steps", 10**400, "steps is ", "a whole number from 1 to 2147483647"),
    ("steps", True, "steps is True", "a whole number of 1 or more"),
    ("steps", 1.5, "steps is 1.5", "a whole number of 1 or more"),
    ("steps", None, "steps is None", "a whole number of 1 or more"),
    ("share", 1.5, "share is 1.5", "a number from 0 to 1"),
    ("share", float("nan"), "share is nan", "a number from 0 to 1"),
    ("rate", float("inf"), "rate is inf", "a finite number above 0"),
    ("ceiling", float("nan"), "ceiling is nan", "a number of 0 or more"),
    ("sizes", [], "sizes is []", "at least one"),
    ("sizes", [1, 0], "sizes[1] is 0", "a whole number of 1 or more"),
    ("sizes", 3, "sizes is 3", "several values"),
    ("sizes", "12", "sizes is '12'", "several values"),
    ("pair", 0, "pair is 0", "a whole number of 1 or more"),
    ("pair", [1, 0], "pair[1] is 0", "a whole number of 1 or more"),
    ("kind", "convv", "kind is 'convv' (did you mean 'conv'?)", "mlp or conv"),
    ("ready", 1, "ready is 1", "True or False"),
    ("name", 3, "name is 3", "a text"),
    ("folder", 3, "folder is 3", "a path"),
    ("more", [1], "more is [1]", "names with values"),
    ("more", {"a": None}, "more.a is None", "a finite number"),
]


@pytest.mark.parametrize(("name", "value", "found", "wanted"), WRONG)
def test_a_python_caller_is_told_class_field_and_remedy(name: str, value: Any, found: str, wanted: str) -> None:
    with pytest.raises(InputError) as caught:
        replace(Options(), **{name: value})
    assert str(caught.value).startswith(f"Options.{found}")
    assert f": give {wanted}" in str(caught.value)


@pytest.mark.parametrize(("name", "value", "found", "wanted"), WRONG)
def test_a_file_is_told_by_its_place(name: str, value: Any, found: str, wanted: str) -> None:
    content = {"options": [{**to_json(Options()), name: value}]}
    with pytest.raises(ValueError, match=rf", where {wanted}.* belongs$") as caught:
        from_json(Mapping[str, list[Options]], content)
    assert str(caught.value).startswith(f"options[0].{found}")


def test_a_dataclass_inside_is_made_from_a_file_and_taken_from_python() -> None:
    assert from_json(Options, {**to_json(Options()), "inner": {"type": "Inner", "steps": 3.0}}).inner == Inner(3)
    with pytest.raises(ValueError, match=r"^inner.steps is 0, where"):
        from_json(Options, {**to_json(Options()), "inner": {"type": "Inner", "steps": 0}})
    with pytest.raises(InputError, match=r"^Options.inner is .*: give one of class Inner.$"):
        Options(inner={"type": "Inner", "steps": 3})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"type": "Other"}, "where Options belongs"), ({"other": 1}, r"lacks \[\] and has unknown \['other'\]")],
)
def test_another_dataclass_or_field_is_refused(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        from_json(Options, {**to_json(Options()), **change})


def test_functions_check_their_arguments() -> None:
    """By position and by name; what is not given keeps its default, and arguments without annotations are let be."""

    @checked
    def steps_of(count: Count, *parts: int, share: Share = 0.5, seed: Seed | None = None, **more: object) -> Any:
        return count, parts, share, seed, more

    assert steps_of(4.0, True, seed=np.int64(3), other="x") == (4, (True,), 0.5, 3, {"other": "x"})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^share is 2: give a number from 0 to 1\.$"):
        steps_of(1, share=2)
    with pytest.raises(TypeError, match="count"):
        steps_of()  # pyright: ignore[reportCallIssue]


def test_arguments_that_there_are_not() -> None:
    @checked
    def drive(env: str, count: Count = 1) -> str:
        return env * count

    with pytest.raises(InputError, match=r"^drive has no argument 'cuont' \(did you mean 'count'\?\)"):
        drive("x", cuont=2)  # type: ignore[call-arg]
    with pytest.raises(InputError, match=r"'image_size': make the environment with it"):
        drive("x", image_size=48)  # type: ignore[call-arg]


def test_an_error_travels_between_processes() -> None:
    error = Unfit("--steps", "0", "a whole number of 1 or more")
    assert str(pickle.loads(pickle.dumps(error))) == str(error) == "--steps is 0: give a whole number of 1 or more."


@given(
    value=st.integers() | st.floats() | st.booleans() | st.text(max_size=3) | st.none(),
    least=st.integers(-5, 5),
    width=st.integers(0, 5),
)
def test_bounds_hold_for_every_value(value: object, least: int, width: int) -> None:
    """Whatever passes is an int within the bounds and equal to what was given; all else is an InputError."""

    try:
        found = from_json(Annotated[int, Bounds(least, least + width)], value, "number")
    except ValueError:
        assert isinstance(value, bool) or value not in range(least, least + width + 1)
    else:
        assert type(found) is int
        assert found == value
        assert least <= found <= least + width
