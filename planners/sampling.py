"""Shared by planners that sample: populations of control sequences, their costs, and the plan of the best one.

A sampling planner of your own needs no more than `Population`; README.md has one.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from e2c_control.errors import InputError, whole
from e2c_control.fields import Count, CountOrZero, Positive, ShareBelowOne, check
from e2c_control.planners.checks import Array
from e2c_control.planners.costs import finite_cost
from e2c_control.planners.plan import Limits, Plan, StopReason
from e2c_control.planners.planner import CheckedPlanner, PlanningProblem

if TYPE_CHECKING:
    from e2c_control.planners.engine import Engine


def bounded(limits: Limits) -> Limits:
    """Return limits within which controls are drawn, after refusing those with an open side."""
    open_side = ~np.isfinite(limits.low) | ~np.isfinite(limits.high)
    if open_side.any():
        raise InputError(
            f"Control {int(np.argmax(open_side))} has no limit on some side, and a sampling planner draws from the "
            "range between the limits: give finite ones."
        )
    return limits


def spread(limits: Limits, samples: int, rng: np.random.Generator) -> Array:
    """Return at most so many controls (S, m) on a grid over limits; as many draws, where it had less than 3 values."""
    low, high = bounded(limits).low, limits.high
    levels = int(samples ** (1 / len(low)) + 1e-9)
    if levels < 3:
        return rng.uniform(low, high, (samples, len(low)))
    grid = np.indices((levels,) * len(low)).reshape(len(low), -1).T / (levels - 1)
    return low + (high - low) * grid


@dataclass(eq=False)
class Population:
    """A sampling search over N problems, which keeps the best controls of each.

    ``begin`` one, ``evaluate`` candidates, as often as wanted, and return its ``plan``.
    """

    engine: "Engine"
    problem: PlanningProblem
    mean: Array  # (N, T, m), where the sampling begins
    width: Array  # (m,), half the allowed range of each control
    best_controls: Array  # (N, T, m)
    best_cost: Array  # (N,), infinite while nothing finite was found
    history: list[Array]  # of best_cost

    @classmethod
    def begin(cls, problem: PlanningProblem) -> "Population":
        """Start at the warm start, or at the allowed control nearest to zero."""
        from e2c_control.planners.engine import engine_for  # loads numba: not before

        limits, mean = bounded(problem.limits), problem.start()
        nothing = np.full(len(problem.states), np.inf)
        width = (limits.high - limits.low) / 2
        search = cls(engine_for(problem.dynamics), problem, mean, width, mean.copy(), nothing, [])
        search.evaluate(mean[:, None])
        return search

    def draw(self, mean: Array, deviation: Array, noise: Array) -> Array:
        """Return candidates (N, P, T, m) around the mean (N, T, m), from noise (P, T, m) that all problems share."""
        return self.problem.limits.clip(mean[:, None] + deviation[:, None] * noise)

    def evaluate(self, controls: Array) -> Array:
        """Return costs (N, P) of candidates (N, P, T, m), which must obey the limits; remember the best one."""
        n_problems, size = controls.shape[:2]
        problems = np.repeat(np.arange(len(controls)), size)
        rows = controls.reshape(n_problems * size, *controls.shape[2:])
        states = self.engine.rollout(self.problem.states[problems], rows)
        value = finite_cost(self.problem.cost, states, rows, problems).reshape(n_problems, size)
        first, at = value.argmin(axis=1), np.arange(len(controls))
        better = value[at, first] < self.best_cost
        self.best_cost = np.where(better, value[at, first], self.best_cost)
        self.best_controls[better] = controls[at, first][better]
        self.history.append(self.best_cost)
        return value

    def plan(self, iterations: int) -> Plan:
        """Return the best sequence of each problem, whatever it was sampled from."""
        reason = np.where(np.isfinite(self.best_cost), StopReason.ITERATIONS, StopReason.NON_FINITE)
        return replace(
            Plan.guess(self.best_controls, self.problem.dynamics.state_dim),
            states=self.engine.rollout(self.problem.states, self.best_controls),
            cost=self.best_cost,
            cost_history=np.stack(self.history, axis=1),
            iterations=np.full(len(reason), iterations, np.int64),
            stop_reason=reason.astype(np.int64),
        )


@dataclass(frozen=True)
class CrossEntropy(CheckedPlanner):
    """Options that CEM and iCEM share, and how they move towards the best candidates.

    Each iteration draws candidates, takes the best of them (``select``) and fits mean and deviation to these
    (``refit``). Derive from CEM or ICEM and override one of the two for another rule.
    """

    iterations: CountOrZero = 5
    samples: Count = 200
    elites: Count = 20
    deviation: Positive = 0.5  # at the start, in halves of the allowed range
    momentum: ShareBelowOne = 0.1  # share of the old mean and deviation that is kept

    def __post_init__(self) -> None:
        check(self)
        whole(f"{type(self).__name__}.elites", self.elites, most=self.samples)

    def begin(self, problem: PlanningProblem) -> tuple[Population, Array, Array]:
        """Return the search, and the mean and deviation (N, T, m) of its first candidates."""
        search = Population.begin(problem)
        return search, search.mean, np.broadcast_to(self.deviation * search.width, search.mean.shape)

    def select(self, controls: Array, value: Array) -> Array:
        """Return the cheapest candidates (N, elites, T, m) of each problem, in order of their costs (N, P)."""
        order = np.argsort(value, axis=1, kind="stable")[:, : self.elites]
        return controls[np.arange(len(value))[:, None], order]

    def refit(self, best: Array, mean: Array, deviation: Array) -> tuple[Array, Array]:
        """Return mean and deviation (N, T, m), moved towards those of the best candidates (N, elites, T, m)."""
        old, new = self.momentum, 1 - self.momentum
        return old * mean + new * best.mean(axis=1), old * deviation + new * best.std(axis=1)
