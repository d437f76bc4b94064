"""The cross-entropy method.

Source: Rubinstein, "The cross-entropy method for combinatorial and continuous optimization", 1999; as a planner,
Chua et al., "Deep reinforcement learning in a handful of trials using probabilistic dynamics models", NeurIPS 2018.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from e2c_control.errors import check_fields, number, whole
from e2c_control.planners.costs import Cost
from e2c_control.planners.dynamics import Dynamics
from e2c_control.planners.plan import Limits, Plan
from e2c_control.planners.sampling import Population, elites


@dataclass(frozen=True)
class CEM:
    """Options of the planner, which is called like a function; a cost needs no derivatives.

    Each iteration draws ``samples`` control sequences for each problem from independent normals, clips them to the
    limits, and moves mean and deviation towards those of the ``elites`` cheapest. The same draws serve all problems.
    The best sequence that was ever seen is the plan.
    """

    iterations: int = 5
    samples: int = 200
    elites: int = 20
    deviation: float = 0.5  # at the start, in halves of the allowed range
    momentum: float = 0.1  # share of the old mean and deviation that is kept
    least_deviation: float = 0.01  # likewise in halves of the range, so that a replan does not begin frozen

    def __post_init__(self) -> None:
        check_fields(self, whole, "iterations", least=0)
        check_fields(self, whole, "samples")
        check_fields(self, whole, "elites", most=self.samples)
        check_fields(self, number, "deviation", above=0)
        check_fields(self, number, "momentum", least=0, below=1)
        check_fields(self, number, "least_deviation", least=0)

    def __call__(
        self,
        dynamics: Dynamics,
        cost: Cost,
        initial_states: ArrayLike,
        horizon: int,
        limits: Limits,
        warm_start: Plan | None = None,
        rng: np.random.Generator | None = None,
    ) -> Plan:
        """Plan N problems, from initial states (N, n), over ``horizon`` steps; see ``ILQR``."""
        rng = np.random.default_rng(0) if rng is None else rng
        search = Population.begin(dynamics, cost, initial_states, horizon, limits, warm_start)
        mean, deviation = search.mean, np.broadcast_to(self.deviation * search.width, search.mean.shape)
        for _ in range(self.iterations):
            noise = rng.standard_normal((self.samples, *mean.shape[1:]))
            controls = limits.clip(mean[:, None] + deviation[:, None] * noise)
            best, _ = elites(controls, search.evaluate(controls), self.elites)
            mean = self.momentum * mean + (1 - self.momentum) * best.mean(axis=1)
            deviation = self.momentum * deviation + (1 - self.momentum) * best.std(axis=1)
            deviation = np.maximum(deviation, self.least_deviation * search.width)
        search.evaluate(limits.clip(mean)[:, None])
        return search.plan(self.iterations)
