"""Single values that a user gives: whole numbers, numbers, flags, names, and the fields of dataclasses."""

import numpy as np
import pytest

from e2c_control.errors import InputError, flag, number, one_of, only_options, whole


@pytest.mark.parametrize("value", [3, 3.0, np.int64(3), np.uint8(3), np.float32(3), np.float64(3), np.array(3)])
def test_whole_numbers_of_any_type_become_an_int(value: object) -> None:
    number = whole("episode_length", value)
    assert number == 3
    assert type(number) is int


@pytest.mark.parametrize(
    "value", [1.5, True, np.bool_(True), "3", None, float("nan"), float("inf"), np.float32(1.5), [3]]
)
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(InputError, match=r"episode_length is .*: give a whole number of 1 or more"):
        whole("episode_length", value)


def test_the_bounds_belong_to_the_range() -> None:
    assert whole("seed", 0, least=0, most=2) == 0
    assert whole("seed", 2, least=0, most=2) == 2
    for outside in (-1, 3):
        with pytest.raises(InputError, match="from 0 to 2"):
            whole("seed", outside, least=0, most=2)


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.float64(0.5), np.float16(0.5)])
def test_numbers_of_any_type_become_a_float(value: object) -> None:
    found = number("share", value, above=0, below=1)
    assert found == 0.5
    assert type(found) is float
    assert type(number("share", np.int8(3))) is float


@pytest.mark.parametrize(
    "value", [True, np.bool_(True), "3", None, float("nan"), float("-inf"), np.float32("inf"), 10**400, 1j, [3.0]]
)
def test_what_is_no_finite_number_is_refused(value: object) -> None:
    with pytest.raises(InputError, match=r"^share is .*: give a finite number\.$"):
        number("share", value)


def test_an_infinity_is_told_that_it_is_not_finite() -> None:
    with pytest.raises(InputError, match=r"^cost is inf: give a finite number of 0 or more\.$"):
        number("cost", float("inf"), least=0)
    assert number("cost", float("inf"), least=0, infinite=True) == float("inf")
    with pytest.raises(InputError, match=r"^cost is '3': give a number of 0 or more\.$"):
        number("cost", "3", least=0, infinite=True)


@pytest.mark.parametrize(
    ("limits", "inside", "outside", "sentence"),
    [
        ({"least": 0}, (0, 1e300), (-1e-9,), "number of 0 or more"),
        ({"above": 0}, (1e-300,), (0, -1), "number above 0"),
        ({"least": 0, "most": 1}, (0, 1), (-0.1, 1.1), "number from 0 to 1"),
        ({"least": 0, "below": 1}, (0, 0.999), (1, -0.1), "number from 0 to below 1"),
        ({"above": 0, "most": 1e6}, (1e6,), (0, 2e6), "number above 0 and up to 1,000,000"),
        ({"below": -1}, (-2,), (-1,), "number below -1"),
    ],
)
def test_bounds_of_numbers(
    limits: dict[str, float], inside: tuple[float, ...], outside: tuple[float, ...], sentence: str
) -> None:
    assert [number("x", value, **limits) for value in inside] == list(inside)
    for value in outside:
        with pytest.raises(InputError, match=f"give a {sentence}."):
            number("x", value, **limits)


def test_a_flag_is_true_or_false() -> None:
    assert flag("normalise", np.bool_(True)) is True
    for value in (0, 1, 0.0, "yes", None):
        with pytest.raises(InputError, match="give True or False"):
            flag("normalise", value)


def test_a_name_that_is_nearly_right_is_told() -> None:
    assert one_of("planner", "cem", ("cem", "icem", "ilqr")) == "cem"
    with pytest.raises(InputError, match=r"no planner 'iqlr' \(did you mean 'ilqr'\?\): choose one of cem, icem, ilqr"):
        one_of("planner", "iqlr", ("cem", "icem", "ilqr"))
    for value in ("", None, 3, ["cem"], "xyz"):
        with pytest.raises(InputError, match=r"There is no order .*: choose up or down\."):
            one_of("order", value, ("up", "down"))


def test_only_the_option_that_is_wrong_is_named() -> None:
    only_options("The planner 'cem'", ["samples"], ["samples", "elites"])
    with pytest.raises(
        InputError, match=r"^The planner 'cem' has no option 'elitez' \(did you mean 'elites'\?\)"
    ) as no:
        only_options("The planner 'cem'", ["samples", "elitez"], ["samples", "elites"])
    assert str(no.value).endswith("it takes samples, elites.")
