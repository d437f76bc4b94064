"""The cross-entropy method.

Source: Rubinstein, "The cross-entropy method for combinatorial and continuous optimization", 1999; as a planner,
Chua et al., "Deep reinforcement learning in a handful of trials using probabilistic dynamics models", NeurIPS 2018.
"""

from dataclasses import dataclass

import numpy as np

from e2c_control.fields import NotNegative
from e2c_control.planners.plan import Plan
from e2c_control.planners.planner import PlanningProblem
from e2c_control.planners.sampling import CrossEntropy


@dataclass(frozen=True)
class CEM(CrossEntropy):
    """Options of the planner, which is called like a function; a cost needs no derivatives.

    Each iteration draws ``samples`` control sequences for each problem from independent normals, clips them to the
    limits, and moves mean and deviation towards those of the ``elites`` cheapest. The same draws serve all problems.
    The best sequence that was ever seen is the plan.
    """

    least_deviation: NotNegative = 0.01  # likewise in halves of the range, so that a replan does not begin frozen

    def plan(self, problem: PlanningProblem, rng: np.random.Generator) -> Plan:
        search, mean, deviation = self.begin(problem)
        for _ in range(self.iterations):
            controls = search.draw(mean, deviation, rng.standard_normal((self.samples, *mean.shape[1:])))
            mean, deviation = self.refit(self.select(controls, search.evaluate(controls)), mean, deviation)
            deviation = np.maximum(deviation, self.least_deviation * search.width)
        search.evaluate(problem.limits.clip(mean)[:, None])
        return search.plan(self.iterations)
