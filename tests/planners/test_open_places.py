"""Steps over open places: the gauge of what a step reaches, and ways around walls against an independent Dijkstra."""

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from e2c_control.planners.open_places import CLOSED, OpenPlaces, straight

GAINS = {"box": np.diag([3.0, 2.0]), "skew": np.array([[2.0, 1.0, 0.0], [-1.0, 1.5, 0.0]])}


@pytest.mark.parametrize("name", GAINS)
def test_steps_along_a_straight_way_are_the_least_that_the_actions_allow(name: str) -> None:
    gain, rng = GAINS[name], np.random.default_rng(0)
    for offset in rng.uniform(-20, 20, (20, 2)):
        # min s over G u = x, |u_j| <= s
        m = gain.shape[1]
        bound = np.hstack((np.vstack((np.eye(m), -np.eye(m))), -np.ones((2 * m, 1))))
        equal = np.hstack((gain, np.zeros((2, 1))))
        least = linprog([0.0] * m + [1.0], bound, np.zeros(2 * m), equal, offset, [(None, None)] * (m + 1)).fun
        assert straight(offset, gain) == pytest.approx(least, rel=1e-6)


def test_where_actions_move_along_one_line_across_it_is_far() -> None:
    gain = np.array([[2.0], [0.0]])
    assert straight(np.array([6.0, 0.0]), gain) == pytest.approx(3.0)
    assert straight(np.array([0.0, 6.0]), gain) > 1_000


def walled(door: int) -> np.ndarray:
    is_open = np.ones((20, 24), np.bool_)
    is_open[:, 11] = False
    is_open[door, 11] = True
    return is_open


def test_steps_around_a_wall_are_those_of_dijkstra() -> None:
    gain, goals = GAINS["box"], np.array([[3.5, 4.5], [10.5, 20.5]])
    rooms = np.stack([walled(18), walled(2)])
    ways = OpenPlaces.towards(goals, gain, rooms)
    for is_open, goal, found in zip(rooms, goals, ways.steps, strict=True):
        nodes = np.argwhere(is_open)
        apart = nodes[:, None] - nodes
        near = np.abs(apart).max(2) == 1
        row, column = np.nonzero(near)
        graph = coo_array((straight(apart[near].astype(float), gain), (row, column)), shape=near.shape)
        (start,) = np.flatnonzero((nodes == np.floor(goal)).all(1))
        assert np.allclose(found[is_open], dijkstra(graph.tocsr(), indices=start))
    # By hand, to the far door and back again: 7 pixels aslant, of half a step each, and 8 down, of a third.
    assert ways.to_go(np.array([[[3.5, 18.5]], [[10.5, 3.5]]]))[0, 0] == pytest.approx(2 * (7 / 2 + 8 / 3))


def test_a_way_through_a_closed_place_is_known_by_its_steps() -> None:
    shut = np.ones((1, 12, 12), np.bool_)
    shut[0, :, 6] = False
    ways = OpenPlaces.towards(np.array([[5.5, 2.5]]), GAINS["box"], shut)
    through, beside = ways.to_go(np.array([[[5.5, 9.5], [5.5, 4.5]]]))[0]
    assert CLOSED <= through < CLOSED + 5
    assert beside == pytest.approx(1.0)


def test_some_rows_are_replaced_and_the_goal_itself_is_no_step_away() -> None:
    rooms = np.stack([walled(18), walled(2)])
    ways = OpenPlaces.towards(np.array([[3.5, 4.5], [10.5, 20.5]]), GAINS["box"], rooms)
    new = OpenPlaces.towards(np.array([[7.2, 8.9]]), GAINS["box"], rooms[:1])
    both = ways.updated(np.array([1]), new)
    assert np.array_equal(both.steps[0], ways.steps[0])
    assert np.array_equal(both.steps[1], new.steps[0])
    assert both.to_go(both.goals[:, None]) == pytest.approx(np.zeros((2, 1)))
