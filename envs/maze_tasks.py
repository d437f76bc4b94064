"""Tasks among walls: rooms that are drawn anew for each episode, two mazes, a disc that coasts, and two discs."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from e2c_control.envs.maze import GOAL_RADIUS, Maze, Rooms, RoomSize, WallCount, close, walls_of
from e2c_control.envs.movers import Braking, Coasting, Navigators, TwoDiscs, both_close
from e2c_control.envs.navigator import Navigator
from e2c_control.envs.planar_tasks import WALLS
from e2c_control.envs.system import BoolArray, FloatArray
from e2c_control.envs.task import Counterpart, Task
from e2c_control.fields import Seed, checked

U_MAZE = ("...", "##.", "...")
MEDIUM_MAZE = ("..##..", "..#...", "#...##", "..#...", ".#..#.", "...#..")


FAR = 12.0
"""Pixels between start and goal, at the least, of a disc between the walls of E2C/PlanarWalls-v0."""
SIX = np.array([(5.0, 5.0), (35.0, 5.0), (5.0, 21.0), (35.0, 21.0), (5.0, 35.0), (35.0, 35.0)])


def elsewhere(system: Maze, apart: Callable[[FloatArray, FloatArray], BoolArray]) -> Counterpart:
    """Return what draws for each of N states another one of its world that is ``apart`` from it."""

    def draw(states: FloatArray, rng: np.random.Generator) -> FloatArray:
        found, wrong = states.copy(), np.arange(len(states))
        while wrong.size:
            found[wrong] = system.sample_alongside(states[wrong], rng)
            wrong = wrong[~apart(states[wrong], found[wrong])]
        return found

    return draw


def _task(task_id: str, system: Maze, goals: FloatArray, counterpart: Counterpart) -> Task:
    return Task(
        id=task_id,
        system=system,
        start_low=system.state_low,
        start_high=system.state_high,
        goals=goals,
        counterpart=counterpart,
        in_goal=close,
        horizon=200,
        planning_horizon=25,
        q=10.0,
        r=1.0,
        frame_stack=1,
        latent_dim=system.state_size,
        references=(Navigator(system, close),),
        goal_radius=GOAL_RADIUS,
        roundabout=system.state_size == 2,  # a landmark is a place in one layout
    )


def _maze(task_id: str, cells: Sequence[str], cell: int, border: int, noise: float, max_step: float) -> Task:
    """Make the task of a maze, whose goals with numbers are the middles of its free cells."""
    walls = walls_of(cells, cell, border)
    system = Maze(size=len(cells) * cell + 2 * border, walls=walls, noise=noise, max_step=max_step)
    free = [(row, column) for row, line in enumerate(cells) for column, kind in enumerate(line) if kind != "#"]
    middles = border + cell * (np.array(free) + 0.5)
    apart = elsewhere(system, lambda states, goals: np.linalg.norm(states - goals, axis=1) >= cell)
    return _task(task_id, system, middles, apart)


@checked
def rooms(
    *,
    noise: float = 0.0,
    max_step: float = 3.0,
    size: RoomSize = 40,
    walls: WallCount = 1,
    layout_seed: Seed | None = None,
) -> Task:
    """E2C/Rooms-v0: drive through a door into another room, of a world that is drawn anew for each episode.

    A wall, 2 pixels thick, goes across the world, upright or level, anywhere but within 8 pixels of an edge, and has
    a door of 8 pixels anywhere; with two walls, in one direction, there are three rooms. The task is this
    project's own.

    ## Action space
    ``Box(-1, 1, (2,), float32)``: the displacement (row, column), as a fraction of ``max_step`` pixels.

    ## Observation space
    ``Box(0, 255, (size, size, 1), uint8)``: walls in grey and a white disc 4 pixels wide, on black, from above. A
    pixel is as bright as the disc covers it.

    ## State
    ``info["state"]``: (row, column) of the disc's centre, pixels; then the layout, which a step never changes:
    whether the walls are upright, and for each its first row (column, if upright) and where along it the door begins.
    With ``layout_seed`` the layout is the same always, and no part of the state.

    ## Reward
    1 when the disc is within 4 pixels of the goal after the step, otherwise 0. A move has no effect where the square
    around the disc, 4 pixels wide, would overlap a wall in the end: walls block as they are drawn, the disc does not
    slide along them, and its way through a door is 4 pixels wide. Only the landing point is tested: a move may cut a
    corner, and none can cross a wall.

    ## Start
    Layout and place uniform over all that there are. The goal is a place in another room, uniform as well. The goals
    with numbers are ten examples, each in a layout of its own. A start and a goal that are both given need the same
    layout.

    ## End
    Truncated after 200 steps, never terminated.

    ## Arguments
    ``noise``: standard deviation of the process noise, pixels. ``max_step``: largest displacement per axis, pixels.
    ``size``: pixels on a side, 40 to 65. ``walls``: 1 or 2. ``layout_seed``: of one layout for all episodes.
    All tasks take ``frame_stack``, ``horizon``, ``goal`` and ``render_mode``: see `e2c_control.envs.env.TaskEnv`.

    ## Version history
    v0: first version.
    """
    system = Rooms(size=size, n_walls=walls, noise=noise, max_step=max_step)
    if layout_seed is not None:
        (layout,) = system.draw_layouts(1, np.random.default_rng(layout_seed)).tolist()
        system = replace(system, layout=tuple(layout))
    other_room = elsewhere(system, lambda states, goals: system.room(states) != system.room(goals))
    return _task("E2C/Rooms-v0", system, system.sample_states(10, np.random.default_rng(0)), other_room)


def u_maze(*, noise: float = 0.0, max_step: float = 0.7) -> Task:
    """E2C/UMaze-v0: drive from anywhere to anywhere in a corridor with two turns.

    A U that lies on its side, of 3 x 3 cells, each 14 pixels wide, with a border around it. The task is this
    project's own; the map is that of maze2d-umaze (Fu et al., D4RL, 2020).

    Actions, state, reward, what blocks, and arguments are those of `medium_maze`, E2C/MediumMaze-v0. An observation
    is ``Box(0, 255, (48, 48, 1), uint8)``.

    ## Start
    Uniform over all free places. The goal is another one, at least a cell away; those with numbers are the middles of
    the free cells, row by row.

    ## End
    Truncated after 200 steps, never terminated.

    ## Version history
    v0: first version.
    """
    return _maze("E2C/UMaze-v0", U_MAZE, 14, 3, noise, max_step)


def medium_maze(*, noise: float = 0.0, max_step: float = 0.7) -> Task:
    """E2C/MediumMaze-v0: drive from anywhere to anywhere in a maze, up to 100 steps away.

    A maze of 6 x 6 cells, each 9 pixels wide, with a border of half a cell: 7 x 7 in all. The task is this project's
    own; the map is that of maze2d-medium (Fu et al., D4RL, 2020) and pointmaze-medium (Park et al., OGBench, ICLR
    2025).

    ## Action space
    ``Box(-1, 1, (2,), float32)``: the displacement (row, column), as a fraction of ``max_step`` pixels.

    ## Observation space
    ``Box(0, 255, (64, 64, 1), uint8)``: walls in grey and a white disc 4 pixels wide, on black, from above. A pixel
    is as bright as the disc covers it.

    ## State
    ``info["state"]``: (row, column) of the disc's centre, pixels.

    ## Reward
    1 when the disc is within 4 pixels of the goal after the step, otherwise 0. A move has no effect where the square
    around the disc, 4 pixels wide, would overlap a wall in the end: walls block as they are drawn, and the disc does
    not slide along them. Only the landing point is tested: a move may cut a corner, and none can cross a wall.

    ## Start
    Uniform over all free places. The goal is another one, at least a cell away; those with numbers are the middles of
    the free cells, row by row.

    ## End
    Truncated after 200 steps, never terminated.

    ## Arguments
    ``noise``: standard deviation of the process noise, pixels. ``max_step``: largest displacement per axis, pixels,
    below 4. All tasks take ``frame_stack``, ``horizon``, ``goal`` and ``render_mode``: see
    `e2c_control.envs.env.TaskEnv`.

    ## Version history
    v0: first version.
    """
    return _maze("E2C/MediumMaze-v0", MEDIUM_MAZE, 9, 5, noise, max_step)


def coasting_walls(*, noise: float = 0.0, max_step: float = 2.5) -> Task:
    """E2C/CoastingWalls-v0: push a disc that coasts around two walls.

    The walls are those of `planar_walls`, E2C/PlanarWalls-v0; there are no obstacles. The disc keeps 0.6 of its
    velocity in a step, so that it has to be braked. The task is this project's own.

    ## Action space
    ``Box(-1, 1, (2,), float32)``: the change of velocity (row, column), as a fraction of 0.4 ``max_step``.

    ## Observation space
    ``Box(0, 255, (40, 40, 2), uint8)``: two frames, walls in grey and a white disc 4 pixels wide, on black, from
    above. A pixel is as bright as the disc covers it.

    ## State
    ``info["state"]``: (row, column) of the disc's centre, pixels, and of its velocity, pixels a step.

    ## Reward
    1 when the disc is within 4 pixels of the goal after the step, otherwise 0. Where it would land on a wall, it stays
    where it is and its velocity is 0; at the edges, the velocity into them is.

    ## Start
    Uniform over all free places and velocities. The goal is a place at least 12 pixels away, at rest.

    ## End
    Truncated after 60 steps, never terminated.

    ## Arguments
    ``noise``: standard deviation of the process noise, pixels, and pixels a step. ``max_step``: largest speed per axis,
    pixels a step. All tasks take ``frame_stack``, ``horizon``, ``goal`` and ``render_mode``: see
    `e2c_control.envs.env.TaskEnv`.

    ## Version history
    v0: first version.
    """
    system = Coasting(size=40, walls=WALLS, noise=noise, max_step=max_step)
    away = elsewhere(system, lambda states, goals: np.linalg.norm((states - goals)[:, :2], axis=1) >= FAR)

    def at_rest(states: FloatArray, rng: np.random.Generator) -> FloatArray:
        return away(states, rng) * (1, 1, 0, 0)

    made = _task("E2C/CoastingWalls-v0", system, np.hstack((SIX, np.zeros_like(SIX))), at_rest)
    ways = (Braking(system),)
    return replace(made, horizon=60, frame_stack=2, goal_radius=None, references=ways, roundabout=True)


def two_discs(*, noise: float = 0.0, max_step: float = 3.0) -> Task:
    """E2C/TwoDiscs-v0: drive two discs around two walls at once, each to a goal of its own.

    The walls are those of `planar_walls`, E2C/PlanarWalls-v0; there are no obstacles, and the discs do not block each
    other. The task is this project's own.

    ## Action space
    ``Box(-1, 1, (4,), float32)``: the displacement (row, column) of the first disc, then of the second one, as a
    fraction of ``max_step`` pixels.

    ## Observation space
    ``Box(0, 255, (40, 40, 1), uint8)``: walls in grey, a white disc and a darker one, each 4 pixels wide, on black,
    from above. A pixel is as bright as they cover it.

    ## State
    ``info["state"]``: (row, column) of the first disc's centre, then of the second one's, pixels.

    ## Reward
    1 when both discs are within 4 pixels of their goals after the step, otherwise 0. A disc that would land on a wall
    stays where it is.

    ## Start
    Uniform over all free places. The goals are other ones, each at least 12 pixels from its disc.

    ## End
    Truncated after 60 steps, never terminated.

    ## Arguments
    ``noise``: standard deviation of the process noise, pixels. ``max_step``: largest displacement per axis, pixels.
    All tasks take ``frame_stack``, ``horizon``, ``goal`` and ``render_mode``: see `e2c_control.envs.env.TaskEnv`.

    ## Version history
    v0: first version.
    """
    system = TwoDiscs(size=40, walls=WALLS, noise=noise, max_step=max_step)

    def apart(states: FloatArray, goals: FloatArray) -> BoolArray:
        distances = np.linalg.norm((states - goals).reshape(-1, 2, 2), axis=2)
        return np.asarray((distances >= FAR).all(1))

    made = _task("E2C/TwoDiscs-v0", system, np.hstack((SIX, SIX[::-1])), elsewhere(system, apart))
    ways = (Navigators(system),)
    return replace(made, horizon=60, in_goal=both_close, goal_radius=None, references=ways, roundabout=True)
