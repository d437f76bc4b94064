"""Starts of a search: a cost with several valleys is searched from several control sequences at once."""

from dataclasses import dataclass

import numpy as np

from e2c_control.errors import InputError
from e2c_control.fields import CountOrZero, check
from e2c_control.planners.checks import Array
from e2c_control.planners.plan import Limits
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
        low, high = bounded(limits)
        zeros = np.broadcast_to(limits.clip(np.zeros(m)), (self.zeros, horizon, m))
        uniform = rng.uniform(low, high, (self.uniform, horizon, m))
        corners = np.where(rng.random((self.extreme, 2, m)) < 0.5, low, high)
        late = np.arange(horizon) >= rng.integers(0, horizon, (self.extreme, 1))
        extreme = np.take_along_axis(corners, late[:, :, None].astype(np.int64), axis=1)
        shared = np.concatenate((zeros, uniform, extreme))
        rows = np.broadcast_to(shared, (len(problem.states), *shared.shape))
        if problem.warm_start is not None:
            rows = np.concatenate((problem.start()[:, None], rows), axis=1)
        if rows.shape[1] == 0:
            raise InputError("There is nothing to start from: ask for at least one start, or give a warm start.")
        return rows.copy()


def bounded(limits: Limits) -> tuple[Array, Array]:
    """Return low and high with open sides closed at ±1, or 1 beyond the other side where that is further."""
    low = np.where(np.isfinite(limits.low), limits.low, np.minimum(-1.0, limits.high - 1.0))
    high = np.where(np.isfinite(limits.high), limits.high, np.maximum(1.0, low + 1.0))
    return low, high
