"""Iterative LQR with control limits (box-DDP).

Sources: Tassa, Erez, Todorov, "Synthesis and stabilization of complex behaviors through online trajectory
optimization", IROS 2012 (regularisation, line search); Tassa, Mansard, Todorov, "Control-limited differential dynamic
programming", ICRA 2014 (limits inside the backward pass).
"""

from dataclasses import dataclass, field, replace
from typing import Annotated

import numpy as np

from e2c_control.fields import Bounds, CountOrZero, NotNegative, Several, ShareAboveZero, check
from e2c_control.planners.checks import Array
from e2c_control.planners.dynamics import Dynamics, FunctionDynamics
from e2c_control.planners.plan import Plan
from e2c_control.planners.planner import CheckedPlanner, PlanningProblem
from e2c_control.planners.starts import Starts


@dataclass(frozen=True)
class ILQR(CheckedPlanner):
    """Options of the planner, which is called like a function.

    The warm start is one of the starts; the best of them is returned, with gains and residual at that very trajectory.
    Each iteration linearises the dynamics along the trajectories, solves the LQ problem within the limits, and tries
    all ``step_sizes`` of all starts of all problems in one closed-loop rollout: T calls of ``dynamics.step``. Problems
    and starts that are finished take no further part.
    """

    iterations: CountOrZero = 50  # at most; a replan from a good warm start needs few
    starts: Starts = field(default_factory=Starts)
    # A rollout costs in proportion. Replans of few iterations did as well with (1, 0.3, 0.1); swing-ups need more.
    step_sizes: Several[ShareAboveZero] = (1.0, 0.5, 0.25, 0.1, 0.03, 0.01)
    # Of the optimality residual: stop where a full step promises a smaller share of |cost|.
    tolerance: NotNegative = 1e-7
    armijo: Annotated[float, Bounds(above=0, below=1)] = 1e-4  # least accepted share of the promised gain
    report_gap: bool = False  # whether plans tell how far the dynamics' A is from their exact Jacobian (``model_gap``)

    def __post_init__(self) -> None:
        check(self)

    def plan(self, problem: PlanningProblem, rng: np.random.Generator) -> Plan:
        from e2c_control.planners.quadratic_search import begin_search  # loads numba: not before

        cost = problem.smooth_cost("iLQR")
        controls = self.starts.controls(problem, rng)
        search = begin_search(problem.dynamics, cost, problem.states, controls, problem.limits)
        for _ in range(self.iterations):
            search.linearize()
            search.backward(self.tolerance)
            if not search.active.any():
                break
            search.line_search(self.step_sizes, self.armijo)
        plan = search.best(self.tolerance)
        return replace(plan, model_gap=linearization_gap(problem.dynamics, plan)) if self.report_gap else plan


def linearization_gap(dynamics: Dynamics, plan: Plan) -> Array:
    """Return |J - A| / |J| (N,), Frobenius over all times: A of ``linearize``, J by central differences of ``step``.

    Zero up to rounding for dynamics with exact derivatives. For learned A(z) it says how much of the Jacobian they
    leave out, and so how far the planner's steps are from Newton's.
    """
    (n_problems, _, m), n = plan.controls.shape, plan.states.shape[2]
    states, controls = plan.states[:, :-1].reshape(-1, n), plan.controls.reshape(-1, m)
    J = FunctionDynamics(dynamics.step, n, m).linearize(states, controls).A
    A = dynamics.linearize(states, controls).A
    missing, total = (np.sqrt((X**2).reshape(n_problems, -1).sum(axis=1)) for X in (J - A, J))
    return missing / np.maximum(total, np.finfo(np.float64).tiny)
