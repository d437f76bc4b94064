"""The planar worlds: what blocks, what is painted, what a reference controller reaches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from e2c_control.envs import make_task
from e2c_control.envs.navigator import free_positions, steps_to_goal
from e2c_control.envs.planar import PROTOCOL_OBSTACLES, Planar
from e2c_control.envs.planar_tasks import OBSTACLES_AMONG_WALLS, WALLS, Greedy
from e2c_control.envs.reference import drive, reference_scores, time_in_goal
from e2c_control.errors import InputError

WORLDS = {"open": Planar(), "walls": Planar(obstacles=OBSTACLES_AMONG_WALLS, walls=WALLS)}
every_world = pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
seeds = st.integers(0, 2**32 - 1)


def landing_is_blocked(world, row, column):
    """The rules once more, for one position, in words of one condition each."""
    for obstacle_row, obstacle_column in world.obstacles:
        if row - 1.5 < obstacle_row <= row + 1.5 and column - 1.5 < obstacle_column <= column + 1.5:
            return True
    for top, left, bottom, right in world.walls:
        if row + 1.5 > top and row - 1.5 < bottom and column + 1.5 > left and column - 1.5 < right:
            return True
    return False


@every_world
@given(seed=seeds)
def test_steps_land_or_stay(world, seed):
    rng = np.random.default_rng(seed)
    states, controls = world.sample_states(64, rng), rng.uniform(-5, 5, (64, 2))
    after = world.step(states, controls)
    for state, control, reached in zip(states, controls, after, strict=True):
        aim = np.clip(state + np.clip(control, -3, 3), 1.5, 38.5)
        np.testing.assert_array_equal(reached, state if landing_is_blocked(world, *aim) else aim)


def test_the_box_is_open_on_one_side_as_in_the_protocol():
    world = Planar()
    row, column = PROTOCOL_OBSTACLES[0]
    assert world.blocked(np.array([[row - 1.5, column]]))[0]
    assert not world.blocked(np.array([[row + 1.5, column]]))[0]


def test_the_agent_can_jump_over_a_disc_but_over_no_wall():
    world = WORLDS["open"]
    np.testing.assert_array_equal(world.step(np.array([[19.0, 5.5]]), np.array([[3.0, 0.0]])), [[22.0, 5.5]])
    walls = WORLDS["walls"]
    rng = np.random.default_rng(0)
    states = np.column_stack((rng.uniform(1.5, 23, 2000), rng.uniform(1.5, 11.5, 2000)))
    for _ in range(20):
        states = walls.step(states, np.column_stack((np.zeros(2000), rng.uniform(-3, 3, 2000))))
    assert states[:, 1].max() <= WALLS[0][1] - 1.5


@every_world
def test_sampled_states_cover_the_free_space_evenly(world):
    grid = np.linspace(1.5, 38.5, 371)
    places = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    free = places[[not landing_is_blocked(world, *place) for place in places]]
    states = world.sample_states(20_000, np.random.default_rng(0))
    assert world.contains(states).all()
    expected, found = (np.histogramdd(x, bins=5, range=[(1.5, 38.5)] * 2)[0] / len(x) for x in (free, states))
    np.testing.assert_allclose(found, expected, atol=0.008)


@every_world
def test_image_is_what_pillow_paints(world):
    expected = Image.new("L", (40, 40))
    draw = ImageDraw.Draw(expected)
    for row, column in world.obstacles:
        x, y = int(column), int(row)
        draw.ellipse([x - 2, y - 2, x + 2, y + 2], fill=255)
    for top, left, bottom, right in world.walls:
        draw.rectangle([left, top, right - 1, bottom - 1], fill=255)
    background = np.array(expected)
    np.testing.assert_array_equal(world.background(np.zeros(2))[..., 0], background)
    for state in world.sample_states(50, np.random.default_rng(0)):
        image = background.copy()
        row, column = round(state[0]), round(state[1])
        image[row - 1 : row + 1, column - 1 : column + 1] = 255
        np.testing.assert_array_equal(world.render(state[None])[0, ..., 0], image)


def test_corners_of_the_world_are_inside_the_image():
    corners = np.array([[1.5, 1.5], [1.5, 38.5], [38.5, 1.5], [38.5, 38.5]])
    frames = Planar(obstacles=()).render(corners)
    assert (frames == 255).sum(axis=(1, 2, 3)).tolist() == [4] * 4


def test_straight_driving_fails_among_walls_and_the_way_around_exists():
    task = make_task("E2C/PlanarWalls-v0")
    problems = task.evaluation_problems(seed=100, n=30)
    assert time_in_goal(task, drive(task, Greedy(task.system), problems), problems).max() == 0
    assert time_in_goal(task, drive(task, task.references[0], problems), problems).min() >= 0.6
    for goal in task.goals:
        assert np.isfinite(steps_to_goal(task.system, tuple(goal))[free_positions(task.system)[0]]).all()


@pytest.mark.parametrize("task_id", ["E2C/Planar-v0", "E2C/PlanarWalls-v0"])
@pytest.mark.parametrize("max_step", [0.0, -1.0, float("nan"), 50.0])
def test_wrong_step_sizes(task_id, max_step):
    with pytest.raises(InputError, match="max_step"):
        make_task(task_id, max_step=max_step)


def test_obstacles_and_walls_are_no_starts():
    for world in WORLDS.values():
        assert not world.contains(np.array(world.obstacles)).any()
    assert not WORLDS["walls"].contains(np.array([[10.0, 15.0], [12.0, 11.6]])).any()
    # Noise may push the agent onto an obstacle.
    assert Planar(noise=0.1).contains(np.array(PROTOCOL_OBSTACLES)).all()


@pytest.mark.parametrize("seed", range(20))
def test_obstacles_drawn_by_a_seed_leave_starts_goals_and_ways_free(seed):
    task = make_task("E2C/Planar-v0", layout_seed=seed)
    obstacles = np.array(task.system.obstacles)
    assert obstacles.shape == (6, 2)
    assert task.system.obstacles == make_task("E2C/Planar-v0", layout_seed=seed).system.obstacles
    assert task.system.obstacles != make_task("E2C/Planar-v0", layout_seed=seed + 1).system.obstacles
    free = [task.start_low, task.start_high, *task.goals]
    assert not task.system.blocked(np.stack(free)).any()
    apart = np.linalg.norm(obstacles[:, None] - obstacles, axis=2)
    assert apart[~np.eye(6, dtype=bool)].min() >= 8
    assert task.system.render(task.goals).shape == (3, 40, 40, 1)


def test_the_straight_controller_reaches_goals_among_other_obstacles():
    for seed in range(5):
        task = make_task("E2C/Planar-v0", layout_seed=seed)
        assert reference_scores(task, task.evaluation_problems(seed=100, n=20)).min() > 0.7
