"""Plans of a pendulum as a picture: paths in two colours, by whether the control is at a limit."""

import numpy as np
import pytest

from e2c_control.figures import phase_plane
from e2c_control.figures.phase_plane import _in_pi
from e2c_control.planners import Limits, Plan

ORANGE, BLUE = (213, 94, 0), (0, 114, 178)


def plan(control: float, problems: int = 3, horizon: int = 20) -> Plan:
    time = np.linspace(0, 3, horizon + 1)
    states = np.stack([np.stack((np.cos(time + i), np.sin(time + i)), axis=1) for i in range(problems)])
    guess = Plan.guess(np.full((problems, horizon, 1), control), 2)
    history = np.geomspace(100, 1, 5)[None].repeat(problems, axis=0)
    parts = {**guess.__dict__, "states": states, "cost_history": history, "iterations": np.arange(1, problems + 1)}
    return Plan(**parts)


def share(image: np.ndarray, colour: tuple[int, int, int]) -> int:
    """Pixels of that colour in the phase plane, which is the left half without the legend."""
    return int((np.abs(image[60:430, 60:540].astype(int) - colour).max(axis=2) < 8).sum())


@pytest.mark.parametrize(
    ("control", "drawn", "missing"), [(2.0, ORANGE, BLUE), (-2.0, ORANGE, BLUE), (0.5, BLUE, ORANGE)]
)
@pytest.mark.parametrize("problems", [1, 3])
def test_paths_show_where_the_control_is_at_a_limit(
    control: float, drawn: tuple[int, int, int], missing: tuple[int, int, int], problems: int
) -> None:
    image = phase_plane(plan(control, problems), Limits.symmetric(2.0, 1), seconds=0.05, title="Plans")
    assert image.shape == (520, 1000, 3)
    assert image.dtype == np.uint8
    assert share(image, drawn) > 100
    assert share(image, missing) == 0


def test_angles_are_told_in_pi() -> None:
    values = np.pi / 2 * np.arange(-3, 5)
    assert [_in_pi(value).replace("\N{MINUS SIGN}", "-") for value in values] == [
        "-3π/2",
        "-π",
        "-π/2",
        "0",
        "π/2",
        "π",
        "3π/2",
        "2π",
    ]
