"""The way around walls: a hand-made controller of planar worlds, by breadth-first search."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from e2c_control.envs.planar import Planar, near
from e2c_control.envs.system import BoolArray, FloatArray
from e2c_control.envs.task import GoalTest

ROUNDING = 1e-9
"""Share of a step by which sums of steps may miss a position of the grid, where steps are no whole pixels."""


@dataclass(frozen=True)
class Navigator:
    """Follows the fewest steps to the goal between the positions of a grid over a planar world."""

    system: Planar
    in_goal: GoalTest = near

    def __call__(self, states: FloatArray, goals: FloatArray, step: int, rng: np.random.Generator) -> FloatArray:
        spacing, reach = grid_of(self.system)
        places, limit = states[:, :2], self.system.max_step
        corner = np.ceil((places - limit) / spacing - ROUNDING)
        window = np.arange(2 * reach + 1)
        offsets = np.stack(np.meshgrid(window, window, indexing="ij"), axis=-1).reshape(-1, 2)
        positions = spacing * (corner[:, None] + offsets)
        steps_left = np.empty((len(states), len(window), len(window)))
        for left, goal, (row, column) in zip(steps_left, goals, corner.astype(int) + reach + 1, strict=True):
            table = steps_to_goal(self.system, tuple(goal), self.in_goal)
            left[:] = table[row : row + len(window), column : column + len(window)]
        distance = np.linalg.norm(positions - goals[:, None, :2], axis=2)
        within_reach = np.abs(positions - places[:, None]).max(axis=2) <= limit * (1 + ROUNDING)
        preference = np.where(within_reach, steps_left.reshape(len(states), -1) + distance / 1000, np.inf)
        return positions[np.arange(len(states)), np.argmin(preference, axis=1)] - places


def grid_of(system: Planar) -> tuple[float, int]:
    """Return the spacing of the grid, a pixel at most, and how many positions a step reaches past, per axis."""
    reach = math.ceil(system.max_step)
    return system.max_step / reach, reach


@lru_cache(maxsize=2048)
def steps_to_goal(system: Planar, goal: tuple[float, ...], in_goal: GoalTest = near) -> NDArray[np.float32]:
    """Return the fewest steps to a goal's region from each position of the grid; infinite where there is no way.

    Breadth-first search, backwards from the goal region. There is a margin of positions outside the world, in which a
    step from inside ends at the farthest; with it ``(P, P)``.
    """
    free, positions = free_positions(system, goal[2:])
    frontier = free.copy()
    frontier[free] = in_goal(positions, np.broadcast_to(np.asarray(goal), positions.shape))
    steps = np.full(free.shape, np.inf, np.float32)
    count = 0
    while frontier.any():
        steps[frontier] = count
        count += 1
        frontier = _spread(frontier, grid_of(system)[1]) & free & np.isinf(steps)
    return steps


@lru_cache(maxsize=64)
def free_positions(system: Planar, constants: tuple[float, ...] = ()) -> tuple[BoolArray, FloatArray]:
    """Return where an agent can land, ``(P, P)``, in a world with such constants, and these states ``(F, n)``."""
    spacing, reach = grid_of(system)
    grid = spacing * np.arange(-reach - 1, math.floor(system.size / spacing) + reach + 2, dtype=np.float64)
    if spacing != 1:  # a landing that misses its position by rounding must be free, too
        system = replace(system, radius=system.radius + 10 * ROUNDING * system.max_step)
    positions = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    positions = np.hstack((positions, np.broadcast_to(constants, (len(positions), len(constants)))))
    free = np.all((positions >= system.state_low) & (positions <= system.state_high), axis=1)
    free[free] = ~system.blocked(positions[free])
    return free.reshape(len(grid), -1), positions[free]


def _spread(region: BoolArray, reach: int) -> BoolArray:
    """Return which positions are within so many rows and columns of a region."""
    for _ in range(2):  # rows, then columns
        spread = region.copy()
        for shift in range(1, reach + 1):
            spread[shift:] |= region[:-shift]
            spread[:-shift] |= region[shift:]
        region = spread.T
    return region
