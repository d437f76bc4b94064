"""The contract of planners: one signature, one record, and the checks behind them, done once."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from reprlib import repr as short
from typing import Protocol, cast

import numpy as np
from numpy.typing import ArrayLike

from e2c_control.errors import InputError, whole
from e2c_control.fields import conform
from e2c_control.planners.checks import Array, real
from e2c_control.planners.costs import Cost, SmoothCost, smooth
from e2c_control.planners.dynamics import Dynamics
from e2c_control.planners.plan import Limits, Plan

_LONGEST = 1_000_000
"""Steps of a plan, all of which are in memory."""


class Planner(Protocol):
    """The signature of a planner, which makes plans: ILQR, or any function like it."""

    def __call__(
        self,
        dynamics: Dynamics,
        cost: Cost,
        initial_states: ArrayLike,
        horizon: int,
        limits: Limits,
        warm_start: Plan | None = None,
        rng: np.random.Generator | None = None,
    ) -> Plan: ...


@dataclass(frozen=True, eq=False)
class PlanningProblem:
    """N problems to plan at once, all of whose parts fit together."""

    dynamics: Dynamics
    cost: Cost
    states: Array  # (N, n), where the plans begin; they need not be finite
    horizon: int  # T
    limits: Limits
    warm_start: Plan | None

    def start(self) -> Array:
        """Return controls (N, T, m): the warm start, padded or cut to T, or the allowed controls nearest to zero."""
        if self.warm_start is not None:
            given = self.warm_start.controls
            return self.limits.clip(given[:, np.minimum(np.arange(self.horizon), given.shape[1] - 1)])
        return self.limits.clip(np.zeros((len(self.states), self.horizon, self.dynamics.control_dim)))

    def smooth_cost(self, planner: str) -> SmoothCost:
        """Return the cost, once it has the derivatives that the ``planner`` needs."""
        return smooth(self.cost, planner)


class CheckedPlanner(ABC):
    """A planner that is given problems that make sense. Derive from this class and write ``plan``."""

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
        """Plan N problems, from initial states (N, n), over ``horizon`` steps.

        The search starts from the controls of ``warm_start`` too; shift an old plan yourself (``Plan.shift``). Without
        ``rng``, random draws come from seed 0. A problem whose initial state is not finite ends as NON_FINITE and
        disturbs no other.

        Raises InputError when shapes disagree or the cost lacks derivatives that are needed, before any work.
        """
        if not isinstance(cast(object, limits), Limits):
            raise InputError(f"limits is {short(limits)}: give Limits(low, high).")
        if not isinstance(cast(object, warm_start), Plan | None):
            raise InputError(f"warm_start is {short(warm_start)}: give the Plan of an earlier call.")
        conform(Dynamics, dynamics, "dynamics")
        conform(Cost, cost, "cost")
        conform(np.random.Generator | None, rng, "rng")
        n, m = dynamics.state_dim, dynamics.control_dim
        states = real("the initial states", initial_states, (None, n), finite=False)
        whole("the number of problems", len(states))
        horizon = whole("horizon", horizon, most=_LONGEST)
        if len(limits.low) != m:
            raise InputError(f"The limits are for {len(limits.low)} controls, but the dynamics have {m}.")
        cost.check(len(states), n, m)
        if warm_start is not None:
            guess = real("the warm start's controls", warm_start.controls, (len(states), None, m))
            whole("the warm start's horizon", guess.shape[1])
        problem = PlanningProblem(dynamics, cost, states, horizon, limits, warm_start)
        with np.errstate(all="ignore"):  # a candidate that diverges is discarded, and no reason to warn
            return self.plan(problem, np.random.default_rng(0) if rng is None else rng)

    @abstractmethod
    def plan(self, problem: PlanningProblem, rng: np.random.Generator) -> Plan:
        """Plan the problems; random draws come from ``rng`` alone."""
