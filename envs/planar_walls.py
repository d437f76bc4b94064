"""The planar world with walls: the way to the goal is not the straight line."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from e2c_control.envs.planar import AGENT_RADIUS, SIZE, Planar, near
from e2c_control.envs.system import BoolArray, FloatArray
from e2c_control.envs.task import Task

WALLS = ((0, 13, 25, 17), (15, 25, 40, 29))
OBSTACLES = ((14.5, 6.5), (31.5, 7.5), (33.5, 20.5), (11.5, 20.5), (8.5, 33.5), (24.5, 34.5))


@dataclass(frozen=True)
class Navigator:
    """Follows the fewest steps to the goal between the integer positions of a planar world."""

    system: Planar

    def __call__(self, states: FloatArray, goals: FloatArray, step: int, rng: np.random.Generator) -> FloatArray:
        positions = free_positions(self.system)
        steps_left = np.stack([steps_to_goal(self.system, (goal[0], goal[1])) for goal in goals])
        distance = np.linalg.norm(positions[None] - goals[:, None], axis=2)
        preference = np.where(_within_reach(self.system, states, positions), steps_left + distance / 1000, np.inf)
        return positions[np.argmin(preference, axis=1)] - states


@lru_cache(maxsize=8)
def free_positions(system: Planar) -> FloatArray:
    """The integer positions where an agent can land, ``(P, 2)``."""
    grid = np.arange(np.ceil(AGENT_RADIUS), SIZE - AGENT_RADIUS)
    positions = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    return positions[~system.blocked(positions)]


@lru_cache(maxsize=64)
def steps_to_goal(system: Planar, goal: tuple[float, float]) -> FloatArray:
    """Fewest steps from each free position into the region of a goal, ``(P,)``; infinite where there is no way.

    Breadth-first search, backwards from the goal region.
    """
    positions = free_positions(system)
    neighbours = _within_reach(system, positions, positions)
    frontier = near(positions, np.broadcast_to(np.asarray(goal), positions.shape))
    steps = np.where(frontier, 0.0, np.inf)
    for count in range(1, len(positions)):
        frontier = np.any(neighbours[:, frontier], axis=1) & np.isinf(steps)
        if not frontier.any():
            break
        steps[frontier] = count
    return steps


def _within_reach(system: Planar, states: FloatArray, positions: FloatArray) -> BoolArray:
    """Which of P positions each of N states can step to, ``(N, P)``; neighbours on the grid always count."""
    offset = np.abs(positions[None] - states[:, None]).max(axis=2)
    return np.asarray(offset <= max(1.0, system.max_step))


def planar_walls(*, noise: float = 0.0, max_step: float = 3.0) -> Task:
    """E2C/PlanarWalls-v0: drive around two walls that reach in from opposite sides.

    Straight to the goal is never the way: a controller has to drive away from it first, below the first wall and, for
    two of the goals, above the second one. The task is this project's own.

    Actions, observations, state, reward and arguments are those of `e2c_control.envs.planar.planar`, E2C/Planar-v0. The
    walls are 4 pixels thick, and the agent's box of 3 x 3 pixels must not overlap them, so that no step can jump them;
    ``max_step`` is limited accordingly. A move that would end in a wall has no effect.

    ## Start
    Row and column uniform in [3, 9]. The goal is one of (5, 21), (35, 35) and (5, 35), with equal chance.

    ## End
    Truncated after 60 steps, never terminated.

    ## Version history
    v0: first version.
    """
    system = Planar(noise=noise, max_step=max_step, obstacles=OBSTACLES, walls=WALLS)
    return Task(
        id="E2C/PlanarWalls-v0",
        system=system,
        start_low=np.array([3.0, 3.0]),
        start_high=np.array([9.0, 9.0]),
        goals=np.array([[5.0, 21.0], [35.0, 35.0], [5.0, 35.0]]),
        in_goal=near,
        horizon=60,
        planning_horizon=25,
        q=10.0,
        r=1.0,
        frame_stack=1,
        references=(Navigator(system),),
    )
