"""A planner, and a cost."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from e2c_control import Plan
from e2c_control.planners import CheckedPlanner, Cost, PlanningProblem, Population

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Shooting(CheckedPlanner):
    """Random shooting: the best of so many uniform control sequences, each held for some steps."""

    samples: int = 40
    hold: int = 2

    def plan(self, problem: PlanningProblem, rng: np.random.Generator) -> Plan:
        search, limits = Population.begin(problem), problem.limits
        n_problems, steps, m = search.mean.shape
        drawn = rng.uniform(limits.low, limits.high, (self.samples, -(-steps // self.hold), m))
        held = np.repeat(drawn, self.hold, axis=1)[:, :steps]
        search.evaluate(np.broadcast_to(held, (n_problems, *held.shape)))
        return search.plan(1)


class Far(Cost):
    """Sum of the distances from a place, or from one for each problem, without derivatives."""

    def __init__(self, place: ArrayLike, state_weight: ArrayLike = 1.0, control_weight: ArrayLike = 0.0) -> None:
        self.place, self.weight = np.asarray(place, np.float64), float(np.max(state_weight))

    def value(self, states: Array, controls: Array, problems: NDArray[np.int64]) -> Array:
        place = self.place if self.place.ndim == 1 else self.place[problems, None]
        return self.weight * np.linalg.norm(states - place, axis=-1).sum(-1)
