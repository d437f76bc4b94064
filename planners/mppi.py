"""Model-predictive path integral control.

Source: Williams et al., "Information theoretic MPC for model-based reinforcement learning", ICRA 2017.
"""

from dataclasses import dataclass

import numpy as np

from e2c_control.fields import Count, CountOrZero, Positive, check
from e2c_control.planners.checks import Array
from e2c_control.planners.plan import Plan
from e2c_control.planners.planner import CheckedPlanner, PlanningProblem
from e2c_control.planners.sampling import Population

TENTH = 0.411  # standard deviation of the lowest tenth of a standard normal variable


@dataclass(frozen=True)
class MPPI(CheckedPlanner):
    """Options of the planner, which is called like a function; a cost needs no derivatives.

    Each iteration perturbs the nominal sequence with normal noise, clips to the limits, and takes the mean of all
    candidates with weights exp(-(cost - least cost) / (temperature * spread)). The spread is the standard deviation
    of a normal distribution whose lowest tenth varies as much as the cheapest tenth of the candidates: the
    temperature then means the same for every cost, whatever the bad candidates pay. The better of the nominal sequence
    and the best sample is the plan.
    """

    iterations: CountOrZero = 5
    samples: Count = 200
    deviation: Positive = 0.4  # in halves of the allowed range
    temperature: Positive = 0.1

    def __post_init__(self) -> None:
        check(self)

    def plan(self, problem: PlanningProblem, rng: np.random.Generator) -> Plan:
        search, limits = Population.begin(problem), problem.limits
        nominal = search.mean
        for _ in range(self.iterations):
            noise = self.deviation * search.width * rng.standard_normal((self.samples, *nominal.shape[1:]))
            controls = np.concatenate((limits.clip(nominal[:, None] + noise), nominal[:, None]), axis=1)
            value = search.evaluate(controls)
            weights = self._weights(value)
            total = weights.sum(axis=1)[:, None, None]
            mixed = np.einsum("np,nptm->ntm", weights, controls) / np.maximum(total, 1.0)
            nominal = np.where(total > 0.0, limits.clip(mixed), nominal)  # all zero where no candidate is finite
        search.evaluate(nominal[:, None])
        return search.plan(self.iterations)

    def _weights(self, value: Array) -> Array:
        """Return exp(-(cost - least) / (temperature * spread)) (N, P), zero where a cost is not finite."""
        sound = np.isfinite(value)
        least = np.where(sound.any(axis=1), value.min(axis=1), 0.0)[:, None]
        excess = np.where(sound, value - least, np.inf)
        cheap = np.sort(excess, axis=1)[:, : max(2, value.shape[1] // 10)]
        counts = np.isfinite(cheap)
        size = np.maximum(counts.sum(axis=1, keepdims=True), 1)
        mean = np.where(counts, cheap, 0.0).sum(axis=1, keepdims=True) / size
        spread = np.sqrt((np.where(counts, cheap - mean, 0.0) ** 2).sum(axis=1, keepdims=True) / size) / TENTH
        exponent = np.where(sound, excess, 0.0) / (self.temperature * spread + np.finfo(np.float64).tiny)
        return np.where(sound, np.exp(-exponent), 0.0)
