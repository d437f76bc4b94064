"""What the sampling planners share: populations of control sequences, their costs, and the plan of the best one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from e2c_control.errors import InputError
from e2c_control.planners.checks import Array, Ints
from e2c_control.planners.costs import Cost, finite_cost
from e2c_control.planners.dynamics import Dynamics
from e2c_control.planners.ilqr import checked_problem
from e2c_control.planners.plan import Limits, Plan, StopReason

if TYPE_CHECKING:
    from e2c_control.planners.engine import Engine


@dataclass(eq=False)
class Population:
    """A sampling search over N problems: who is asked, what was best so far, and the history of that."""

    engine: "Engine"
    cost: Cost
    limits: Limits
    initial_states: Array  # (N, n)
    mean: Array  # (N, T, m), where the sampling begins
    width: Array  # (m,), half the allowed range of each control
    best_controls: Array  # (N, T, m)
    best_cost: Array  # (N,), infinite while nothing finite was found
    history: list[Array]  # of best_cost

    @classmethod
    def begin(
        cls,
        dynamics: Dynamics,
        cost: Cost,
        initial_states: ArrayLike,
        horizon: int,
        limits: Limits,
        warm_start: Plan | None,
    ) -> "Population":
        """Start at the warm start, padded or cut to ``horizon``, or at the allowed control nearest to zero."""
        from e2c_control.planners.engine import engine_for  # loads numba: not before

        states, horizon = checked_problem(dynamics, cost, initial_states, horizon, limits, warm_start)
        open_side = ~np.isfinite(limits.low) | ~np.isfinite(limits.high)
        if open_side.any():
            raise InputError(
                f"Control {int(np.argmax(open_side))} has no limit on some side, and a sampling planner draws from the "
                "range between the limits: give finite ones."
            )
        zeros = limits.clip(np.zeros((len(states), horizon, dynamics.control_dim)))
        mean = zeros if warm_start is None else limits.clip(warm_start.shift(horizon, steps=0).controls)
        nothing, width = np.full(len(states), np.inf), (limits.high - limits.low) / 2
        search = cls(engine_for(dynamics), cost, limits, states, mean, width, mean.copy(), nothing, [])
        search.evaluate(mean[:, None])
        return search

    def evaluate(self, controls: Array) -> Array:
        """Costs (N, P) of candidates (N, P, T, m), which must obey the limits; the best one is remembered."""
        n_problems, size = controls.shape[:2]
        problems = np.repeat(np.arange(len(controls)), size)
        rows = controls.reshape(n_problems * size, *controls.shape[2:])
        with np.errstate(all="ignore"):  # a candidate that diverges is discarded, and no reason to warn
            states = self.engine.rollout(self.initial_states[problems], rows)
            value = finite_cost(self.cost, states, rows, problems).reshape(n_problems, size)
        first, at = value.argmin(axis=1), np.arange(len(controls))
        better = value[at, first] < self.best_cost
        self.best_cost = np.where(better, value[at, first], self.best_cost)
        self.best_controls[better] = controls[at, first][better]
        self.history.append(self.best_cost)
        return value

    def plan(self, iterations: int) -> Plan:
        """The best sequence of each problem, whatever it was sampled from."""
        with np.errstate(all="ignore"):
            states = self.engine.rollout(self.initial_states, self.best_controls)
        count, failed = len(states), ~np.isfinite(self.best_cost)
        reason: Ints = np.where(failed, StopReason.NON_FINITE, StopReason.ITERATIONS).astype(np.int64)
        return Plan(
            states=states,
            controls=self.best_controls,
            gains=None,
            cost=self.best_cost,
            cost_history=np.stack(self.history, axis=1),
            iterations=np.full(count, iterations, np.int64),
            stop_reason=reason,
            optimality_residual=np.full(count, np.inf),
            regularisation=np.zeros((count,)),
        )


def elites(controls: Array, value: Array, size: int) -> tuple[Array, Array]:
    """The ``size`` cheapest candidates (N, size, T, m) of each problem, in order, and their costs (N, size)."""
    order = np.argsort(value, axis=1, kind="stable")[:, :size]
    at = np.arange(len(value))[:, None]
    return controls[at, order], value[at, order]
