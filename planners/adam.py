"""Gradient descent on the controls of a rolled-out plan, with Adam's steps.

Sources: Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, for the steps; the gradient is that of
optimal control's adjoint equations (Bryson and Ho, "Applied optimal control", 1969), which is backpropagation through
the rollout. As a planner on learned models: Zhou et al., "DINO-WM", ICML 2025, whose gradient planner this is.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from e2c_control.fields import CountOrZero, Positive, check
from e2c_control.planners.checks import Array
from e2c_control.planners.costs import finite_cost
from e2c_control.planners.ilqr import ILQR
from e2c_control.planners.plan import Plan, StopReason
from e2c_control.planners.planner import CheckedPlanner, PlanningProblem
from e2c_control.planners.starts import Starts

MEAN, SQUARE = 0.9, 0.999
"""Shares of the old averages that Adam keeps, of gradients and of their squares."""


@dataclass(frozen=True)
class Adam(CheckedPlanner):
    """Options of the planner, which is called like a function: the first-order method to compare with.

    Each iteration rolls all starts of all problems out, sweeps the gradient of the cost backwards through the dynamics'
    A and B, and takes a step of Adam, cut off at the limits. The best plan that was ever rolled out is returned, with
    gains and residual there.
    """

    iterations: CountOrZero = 50
    starts: Starts = field(default_factory=lambda: Starts(1, 0, 0))  # beside a warm start; one is what others do
    learning_rate: Positive = 0.1  # of the first step, in halves of the allowed range; falls to zero in a straight line

    def __post_init__(self) -> None:
        check(self)

    def plan(self, problem: PlanningProblem, rng: np.random.Generator) -> Plan:
        descent = Descent(problem, self.starts.controls(problem, rng), "Adam")
        for _ in descent.steps(self.iterations, self.learning_rate):
            descent.count()
        return descent.plan()


class Moments:
    """Adam's averages of a gradient, which give every number a step of about one, whatever its units."""

    def __init__(self, like: Array) -> None:
        self._mean, self._square, self._steps = np.zeros_like(like), np.zeros_like(like), 0

    def step(self, gradient: Array) -> Array:
        """Return the direction downhill, in the gradient's shape; what is not finite in it stays where it is."""
        gradient, self._steps = np.where(np.isfinite(gradient), gradient, 0.0), self._steps + 1
        self._mean = MEAN * self._mean + (1 - MEAN) * gradient
        self._square = SQUARE * self._square + (1 - SQUARE) * gradient**2
        size = np.sqrt(self._square / (1 - SQUARE**self._steps))
        return -np.divide(self._mean / (1 - MEAN**self._steps), size, out=np.zeros_like(size), where=size > 0.0)


class Descent:
    """Many rollouts, of several problems and starts, moved by gradients alone; the best of each row is kept.

    Args:
        problem: what to plan.
        controls: where to start, (N, S, T, m).
        planner: whose work this is, for messages.
    """

    def __init__(self, problem: PlanningProblem, controls: Array, planner: str) -> None:
        from e2c_control.planners.quadratic_search import begin_search  # loads numba: not before

        self.cost, self.limits = problem.smooth_cost(planner), problem.limits
        self.search = begin_search(problem.dynamics, self.cost, problem.states, controls, problem.limits)
        low, high = problem.limits.closed
        self.width = (high - low) / 2
        self._best = self.search.states.copy(), self.search.controls.copy(), self.search.value.copy()

    def steps(self, count: int, learning_rate: float) -> Iterator[None]:
        """Take so many steps of Adam along the gradient of the rollouts' costs, and yield after each."""
        search, moments = self.search, Moments(self.search.controls)
        for i in range(count):
            search.linearize()
            local = search.local
            gradient = control_gradient(local.A, local.B, local.q, local.r)
            rate = learning_rate * (1 - i / count) * self.width
            self.move(search.controls + rate * moments.step(gradient))
            yield

    def move(self, controls: Array) -> None:
        """Roll controls (b, T, m) out, within the limits; rows that have failed stay as they are."""
        search, rows = self.search, np.flatnonzero(self.search.active)
        if not len(rows):
            return
        controls = self.limits.clip(controls[rows])
        states = search.engine.rollout(search.states[rows, 0], controls)
        search.move(rows, states, controls, finite_cost(self.cost, states, controls, search.problems[rows]))
        better = search.value < self._best[2]
        for kept, now in zip(self._best, (search.states, search.controls, search.value), strict=True):
            kept[better] = now[better]

    def count(self) -> None:
        """Count an iteration, and note the least costs so far."""
        self.search.iterations += self.search.active
        self.search.history.append(self._best[2].copy())

    def plan(self) -> Plan:
        """Return the cheapest rollout of each problem."""
        search, found = self.search, np.isfinite(self._best[2])
        search.move(np.arange(len(found)), *self._best)
        search.reason[:] = np.where(found, StopReason.ITERATIONS, StopReason.NON_FINITE)
        return search.best(ILQR().tolerance)


def control_gradient(A: Array, B: Array, q: Array, r: Array) -> Array:
    """Return dJ/du (b, T, m) of rollouts by a sweep backwards: l_T = q_T, l_t = q_t + A_t'l_t+1, r_t + B_t'l_t+1.

    Args:
        A, B: derivatives of the dynamics along them, (b, T, n, n) and (b, T, n, m).
        q, r: derivatives of the cost by states (b, T + 1, n) and controls (b, T, m) alone.
    """
    gradient, slope = r.copy(), q[:, -1]
    for t in reversed(range(r.shape[1])):
        gradient[:, t] += np.einsum("bij,bi->bj", B[:, t], slope)
        slope = q[:, t] + np.einsum("bij,bi->bj", A[:, t], slope)
    return gradient
