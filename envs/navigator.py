"""The way around walls: a hand-made controller of planar worlds, by breadth-first search."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from e2c_control.envs.planar import AGENT_RADIUS, SIZE, Planar, near
from e2c_control.envs.system import BoolArray, FloatArray


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
    """Return the integer positions where an agent can land, ``(P, 2)``."""
    grid = np.arange(np.ceil(AGENT_RADIUS), SIZE - AGENT_RADIUS)
    positions = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    return positions[~system.blocked(positions)]


@lru_cache(maxsize=64)
def steps_to_goal(system: Planar, goal: tuple[float, float]) -> FloatArray:
    """Return the fewest steps from each free position to a goal's region, ``(P,)``; infinite where there is no way.

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
    """Return which of P positions each of N states can step to, ``(N, P)``; neighbours on the grid always count."""
    offset = np.abs(positions[None] - states[:, None]).max(axis=2)
    return np.asarray(offset <= max(1.0, system.max_step))
