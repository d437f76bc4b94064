"""Whole numbers that a user gives."""

import numpy as np
import pytest

from e2c_control.errors import InputError, whole


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
