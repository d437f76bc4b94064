"""Rooms and mazes: what blocks, what is drawn, how far it is, and that the Navigator gets there."""

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2c_control.data import collect, make_vector_env
from e2c_control.envs import make_task
from e2c_control.envs.maze import DISC_GREY, DOOR, WALL_GREY, WALL_THICKNESS, Maze, close
from e2c_control.envs.navigator import Navigator, free_positions, grid_of, steps_to_goal
from e2c_control.envs.reference import drive
from e2c_control.errors import InputError

WORLDS = {
    "rooms": ("E2C/Rooms-v0", {}),
    "three rooms": ("E2C/Rooms-v0", {"walls": 2, "size": 65}),
    "one layout": ("E2C/Rooms-v0", {"layout_seed": 3}),
    "u": ("E2C/UMaze-v0", {}),
    "medium": ("E2C/MediumMaze-v0", {}),
}
TASKS = {name: make_task(task_id, **options) for name, (task_id, options) in WORLDS.items()}
every_world = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
seeds = st.integers(0, 2**32 - 1)


def overlaps_a_wall(system, state):
    """The rule once more, for one state: the square around the disc against every wall, one condition each."""
    row, column = state[:2]
    return any(
        row + 2 > top and row - 2 < bottom and column + 2 > left and column - 2 < right
        for (top, left), (bottom, right) in system.walls_around(state[None])[0]
    )


@every_world
@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_no_state_is_inside_a_wall(task, seed):
    system, rng = task.system, np.random.default_rng(seed)
    states = task.sample_starts(16, rng)
    for _ in range(8):
        controls = rng.uniform(-5, 5, (16, 2))
        after = system.step(states, controls)
        for state, control, reached in zip(states, controls, after, strict=True):
            aim = state.copy()
            aim[:2] = np.clip(aim[:2] + np.clip(control, -system.max_step, system.max_step), 2, system.size - 2)
            np.testing.assert_array_equal(reached, state if overlaps_a_wall(system, aim) else aim)
            assert not overlaps_a_wall(system, reached)
        states = after


@every_world
def test_no_move_crosses_a_wall(task):
    """The middle of a move is never in the uninflated part of a wall, and its ends are on one side."""
    system, rng = task.system, np.random.default_rng(0)
    states = system.sample_states(5_000, rng)
    after = system.step(states, rng.choice([-1.0, 1.0], (5_000, 2)) * system.max_step)
    for share in np.linspace(0, 1, 9):
        between = states + share * (after - states)
        walls = system.walls_around(between)
        inside = (between[:, None, :2] > walls[:, :, 0]) & (between[:, None, :2] < walls[:, :, 1])
        assert not inside.all(2).any()


@every_world
def test_the_disc_alone_changes_the_image(task):
    system, rng = task.system, np.random.default_rng(1)
    states = system.sample_states(100, rng)
    for state, (frame,) in zip(states, np.moveaxis(system.render(states), -1, 1), strict=True):
        wall = np.zeros(frame.shape, bool)
        for (top, left), (bottom, right) in system.walls_around(state[None])[0].astype(int):
            wall[top:bottom, left:right] = True
        rows, columns = np.indices(frame.shape) + 0.5
        distance = np.hypot(rows - state[0], columns - state[1])
        outside = distance >= 2.5
        np.testing.assert_array_equal(frame[outside], np.where(wall, WALL_GREY, 0)[outside])
        assert (frame[distance <= 1.5] == DISC_GREY).all()
        weight = frame * ~outside / DISC_GREY
        centre = np.array([(rows * weight).sum(), (columns * weight).sum()]) / weight.sum()
        np.testing.assert_allclose(centre, state[:2], atol=0.05)  # the place can be read to a twentieth of a pixel
        assert weight.sum() == pytest.approx(4 * np.pi, rel=0.06)


@every_world
def test_the_navigator_reaches_200_goals(task):
    problems = task.evaluation_problems(seed=100, n=200)
    states = drive(task, task.references[0], problems)
    goals = np.stack([problem.goal for problem in problems])
    reached = np.stack([close(now, goals) for now in states])
    assert reached.any(0).all()
    assert reached[-1].all()
    first = reached.argmax(0)
    for problem, steps in zip(problems, first, strict=True):
        table = steps_to_goal(task.system, tuple(problem.goal), close)
        spacing, reach = grid_of(task.system)
        row, column = np.rint(problem.start[:2] / spacing).astype(int) + reach + 1
        assert abs(steps - table[row, column]) <= 1 or np.isinf(table[row, column])
    assert len(np.unique(goals, axis=0)) == 200


@pytest.mark.parametrize("max_step", [0.7, 1.5, 2.6])
@pytest.mark.parametrize("name", ["rooms", "medium"])
def test_steps_of_no_whole_pixels_are_fully_used(name, max_step):
    task_id, options = WORLDS[name]
    task = make_task(task_id, max_step=max_step, **options)
    problems = task.evaluation_problems(seed=100, n=30)
    states = drive(task, task.references[0], problems)
    goals = np.stack([problem.goal for problem in problems])
    reached = np.stack([close(now, goals) for now in states])
    assert reached[-1].all()
    (spacing, reach), moved = grid_of(task.system), np.abs(np.diff(states[..., :2], axis=0)).max(2)
    for problem, first, moves in zip(problems, reached.argmax(0), moved.T, strict=True):
        row, column = np.rint(problem.start[:2] / spacing).astype(int) + reach + 1
        table = steps_to_goal(task.system, tuple(problem.goal), close)
        assert abs(first - table[row, column]) <= 1 or np.isinf(table[row, column])
        assert (moves[1 : first - 1] > 0).all(), "it never stands still on its way"


@every_world
def test_there_is_a_way_between_all_places(task):
    for problem in task.evaluation_problems(seed=101, n=10):
        free, _ = free_positions(task.system, tuple(problem.goal[2:]))
        assert np.isfinite(steps_to_goal(task.system, tuple(problem.goal), close)[free]).all()


@pytest.mark.parametrize("max_step", [0.7, 1.0, 1.5, 2.0, 2.6, 3.0])
def test_steps_along_a_straight_corridor(max_step):
    system = Maze(size=48, walls=((10, 0, 48, 48),), max_step=max_step)
    table, (spacing, reach) = steps_to_goal(system, (6.0, 44.0), close), grid_of(system)
    row = round(6 / spacing)  # in the grid; where it misses the goal's row, the goal's region begins later
    first = 44 - np.sqrt(16 - (spacing * row - 6) ** 2)
    for column in range(int(np.ceil(2 / spacing)) + 1, int(44 / spacing)):
        least = np.ceil(max(0, np.ceil(first / spacing) - column) / reach)
        assert table[reach + 1 + row, reach + 1 + column] == least
        assert least * max_step >= first - spacing * column
    assert np.isinf(table[reach + 1 + round(20 / spacing), reach + 1 + round(20 / spacing)])
    control = Navigator(system, close)(np.array([[6.0, 10.0]]), np.array([[6.0, 44.0]]), 0, np.random.default_rng(0))
    assert control[0, 1] == pytest.approx(max_step, abs=spacing)


@given(seed=seeds, walls=st.integers(1, 2), size=st.integers(40, 65))
@settings(max_examples=30, deadline=None)
def test_goals_are_in_another_room(seed, walls, size):
    task = make_task("E2C/Rooms-v0", walls=walls, size=size)
    system, rng = task.system, np.random.default_rng(seed)
    for problem in (task.sample_problem(rng), task.sample_problem(rng, goal=task.goals[3])):
        start, goal = problem.start[None], problem.goal[None]
        assert system.contains(start).all()
        assert system.contains(goal).all()
        assert system.room(start) != system.room(goal)
        np.testing.assert_array_equal(start[0, 2:], goal[0, 2:])
        assert not system.contains(start + np.array([0, 0, 0, 0.5, *[0] * (system.state_size - 4)]))[0], (
            "no half pixels"
        )


@pytest.mark.parametrize("walls", [1, 2])
def test_layouts_cover_all_that_there_are(walls):
    system = make_task("E2C/Rooms-v0", walls=walls).system
    layouts = system.draw_layouts(20_000, np.random.default_rng(0))
    np.testing.assert_array_equal(layouts.min(0), system.state_low[2:])
    np.testing.assert_array_equal(layouts.max(0), system.state_high[2:])
    edges = np.column_stack((np.full(20_000, -WALL_THICKNESS), layouts[:, 1::2], np.full(20_000, system.size)))
    assert (np.diff(edges) >= 8 + WALL_THICKNESS).all(), "every room is 8 pixels wide"
    assert layouts[:, 0].mean() == pytest.approx(0.5, abs=0.02)
    grey = system.render(system.sample_states(50, np.random.default_rng(1))) == WALL_GREY
    assert (abs(grey.sum((1, 2, 3)) - walls * WALL_THICKNESS * (system.size - DOOR)) <= 12).all()


def test_layouts_of_two_seeds_differ_and_those_of_one_are_equal():
    first, again, other = (make_task("E2C/Rooms-v0", layout_seed=seed).system for seed in (0, 0, 1))
    backgrounds = [system.background(system.state_low) for system in (first, again, other)]
    np.testing.assert_array_equal(backgrounds[0], backgrounds[1])
    assert (backgrounds[0] != backgrounds[2]).any()
    assert first.state_size == 2
    env = gymnasium.make("E2C/Rooms-v0")
    layouts = [env.reset(seed=seed)[1]["state"][2:] for seed in (0, 0, 1)]
    np.testing.assert_array_equal(layouts[0], layouts[1])
    assert (layouts[0] != layouts[2]).any()
    assert (env.reset()[1]["state"][2:] != layouts[2]).any(), "another episode, other walls"


@pytest.mark.parametrize("task_id", ["E2C/UMaze-v0", "E2C/MediumMaze-v0"])
def test_steps_of_mazes_are_short_enough_for_their_corners(task_id):
    with pytest.raises(InputError, match="below 4 pixels"):
        make_task(task_id, max_step=4.0)


@pytest.mark.parametrize("name", WORLDS)
def test_transitions_are_collected_with_the_layouts(name, tmp_path):
    task_id, options = WORLDS[name]
    data = collect(make_vector_env(task_id, 4, **options), tmp_path / "data", 96, 12, starts="sampled", seed=0)
    states, system = np.array(data.states), TASKS[name].system
    assert system.contains(states).all()
    np.testing.assert_array_equal(data.frames_at(np.arange(len(states))), system.render(states))
