"""A disc that coasts and two discs: how they move, what stops them, and that the hand-made controllers get there."""

import numpy as np
import pytest

from e2c_control.envs import make_task
from e2c_control.envs.movers import KEPT, SECOND_GREY
from e2c_control.envs.planar import Planar
from e2c_control.envs.reference import drive

COASTING, TWO = make_task("E2C/CoastingWalls-v0"), make_task("E2C/TwoDiscs-v0")


def test_a_disc_coasts_to_rest_by_the_geometric_series():
    system = COASTING.system
    states = np.array([[20.0, 5.0, 2.0, 0.0]])
    for _ in range(60):
        states = system.step(states, np.zeros((1, 2)))
    np.testing.assert_allclose(states, [[20.0 + 2.0 * KEPT / (1 - KEPT), 5.0, 0.0, 0.0]], atol=1e-9)


def test_the_velocity_is_what_was_moved():
    system, rng = COASTING.system, np.random.default_rng(0)
    before = system.sample_states(2_000, rng)
    control = rng.uniform(-1, 1, (2_000, 2)) * system.control_limit
    after = system.step(before, control)
    np.testing.assert_allclose(after[:, 2:], after[:, :2] - before[:, :2], atol=1e-12)
    asked = before[:, :2] + KEPT * before[:, 2:] + control
    hit = system.in_wall(np.clip(asked, system.radius, system.size - system.radius))
    assert 20 < hit.sum() < 1_000
    assert (after[hit, 2:] == 0).all(), "a wall stops it"
    inside = np.all((asked >= system.radius) & (asked <= system.size - system.radius), axis=1)
    np.testing.assert_allclose(after[~hit & inside, :2], asked[~hit & inside])


def test_two_frames_tell_the_velocity_and_one_does_not():
    states = np.array([[20.0, 5.0, 2.0, 0.0], [20.0, 5.0, -2.0, 1.0]])
    frames = COASTING.system.render(states)
    np.testing.assert_array_equal(frames[0], frames[1])
    assert COASTING.observation_shape == (40, 40, 2)


def test_two_discs_are_two_worlds_of_one():
    system, rng = TWO.system, np.random.default_rng(0)
    one = Planar(size=40, radius=2.0, obstacles=(), walls=system.walls)
    states, controls = system.sample_states(1_000, rng), rng.uniform(-4, 4, (1_000, 4))
    expected = np.hstack([one.step(states[:, half], controls[:, half]) for half in (slice(2), slice(2, 4))])
    np.testing.assert_array_equal(system.step(states, controls), expected)


def test_two_discs_are_told_apart_in_the_image():
    system = TWO.system
    state = np.array([[5.0, 5.0, 30.0, 35.0]])
    frame, swapped = system.render(state)[0, ..., 0], system.render(np.roll(state, 2, axis=1))[0, ..., 0]
    assert (frame[5, 5], frame[30, 35]) == (255, SECOND_GREY)
    assert (swapped[30, 35], swapped[5, 5]) == (255, SECOND_GREY)


@pytest.mark.parametrize("task", [COASTING, TWO], ids=["coasting", "two"])
def test_the_hand_made_controller_reaches_100_goals_and_stays(task):
    problems = task.evaluation_problems(seed=100, n=100)
    states = drive(task, task.references[0], problems)
    goals = np.stack([problem.goal for problem in problems])
    assert task.in_goal(states[-1], goals).all()
    assert not task.in_goal(states[0], goals).any()
