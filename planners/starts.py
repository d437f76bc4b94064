"""Starts of a search: a cost with several valleys is searched from several control sequences at once."""

from dataclasses import dataclass

import numpy as np

from e2c_control.errors import InputError
from e2c_control.fields import CountOrZero, check
from e2c_control.planners.checks import Array
from e2c_control.planners.planner import PlanningProblem


@dataclass(frozen=True)
class Starts:
    """Numbers of control sequences of each kind that a planner starts from, besides a warm start.

    The random ones are drawn once and shared by all problems of a call, so that the plan of a problem does not depend
    on the problems beside it.
    """

    zeros: CountOrZero = 1  # the allowed control nearest to zero, held
    uniform: CountOrZero = 2  # each control uniform between the limits (within ±1 beyond an open side)
    extreme: CountOrZero = 2  # a corner of the box, exchanged for another at one random time: bang-bang with one switch

    def __post_init__(self) -> None:
        check(self)

    def controls(self, problem: PlanningProblem, rng: np.random.Generator) -> Array:
        """Return start controls (N, S, T, m) within the limits; the warm start, padded or cut to T, comes first."""
        limits, horizon, m = problem.limits, problem.horizon, len(problem.limits.low)
        low, high = limits.closed
        uniform = rng.uniform(low, high, (self.uniform, horizon, m))
        corners = np.where(rng.random((self.extreme, 2, m)) < 0.5, low, high)
        late = np.arange(horizon)[:, None] >= rng.integers(0, horizon, (self.extreme, 1))[:, None]
        warm = 0 if problem.warm_start is None else 1
        rows = np.empty((len(problem.states), warm + self.zeros + self.uniform + self.extreme, horizon, m))
        if rows.shape[1] == 0:
            raise InputError("There is nothing to start from: ask for at least one start, or give a warm start.")
        if warm:
            rows[:, 0] = problem.start()
        rows[:, warm : warm + self.zeros] = limits.clip(np.zeros(m))
        rows[:, warm + self.zeros : rows.shape[1] - self.extreme] = uniform
        rows[:, rows.shape[1] - self.extreme :] = np.where(late, corners[:, 1:], corners[:, :1])
        return rows
