"""Iterative LQR with control limits (box-DDP).

Sources: Tassa, Erez, Todorov, "Synthesis and stabilization of complex behaviors through online trajectory
optimization", IROS 2012 (regularisation, line search); Tassa, Mansard, Todorov, "Control-limited differential dynamic
programming", ICRA 2014 (limits inside the backward pass).
"""

from dataclasses import dataclass, field, replace
from reprlib import repr as short
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from e2c_control.errors import InputError, check_fields, flag, number, numbers, whole
from e2c_control.planners.checks import Array, real
from e2c_control.planners.costs import Cost, SmoothCost
from e2c_control.planners.dynamics import Dynamics, FunctionDynamics
from e2c_control.planners.plan import Limits, Plan
from e2c_control.planners.starts import Starts


@dataclass(frozen=True)
class ILQR:
    """Options of the planner, which is called like a function.

    Each iteration linearises the dynamics along the trajectories, solves the LQ problem within the limits, and tries
    all ``step_sizes`` of all starts of all problems in one closed-loop rollout: T calls of ``dynamics.step``. Problems
    and starts that are finished take no further part.
    """

    iterations: int = 50  # at most; a replan from a good warm start needs few
    starts: Starts = field(default_factory=Starts)
    # A rollout costs in proportion. Replans of few iterations did as well with (1, 0.3, 0.1); swing-ups need more.
    step_sizes: tuple[float, ...] = (1.0, 0.5, 0.25, 0.1, 0.03, 0.01)
    tolerance: float = 1e-7  # of the optimality residual: stop where a full step promises a smaller share of |cost|
    armijo: float = 1e-4  # least accepted share of the promised gain
    report_gap: bool = False  # whether plans tell how far the dynamics' A is from their exact Jacobian (``model_gap``)

    def __post_init__(self) -> None:
        check_fields(self, whole, "iterations", least=0)
        check_fields(self, numbers, "step_sizes", above=0, most=1)
        check_fields(self, number, "tolerance", least=0)
        check_fields(self, number, "armijo", above=0, below=1)
        check_fields(self, flag, "report_gap")
        if not isinstance(cast(object, self.starts), Starts):
            raise InputError(f"starts is {self.starts!r}: give Starts, such as Starts(zeros=1, uniform=2, extreme=2).")

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

        The controls of ``warm_start`` are one of the starts; shift an old plan yourself (``Plan.shift``). Without
        ``rng`` the random starts come from seed 0. The best of the starts is returned, with gains and residual at that
        very trajectory. A problem whose initial state is not finite ends as NON_FINITE and disturbs no other.

        Raises InputError when shapes disagree or the cost has no derivatives, before any work.
        """
        from e2c_control.planners.quadratic_search import begin_search  # loads numba: not before

        states, horizon = checked_problem(dynamics, cost, initial_states, horizon, limits, warm_start)
        known = smooth("iLQR", cost)
        rng = np.random.default_rng(0) if rng is None else rng
        controls = self.starts.controls(len(states), horizon, limits, warm_start, rng)
        with np.errstate(all="ignore"):  # a candidate that diverges is discarded, and no reason to warn
            search = begin_search(dynamics, known, states, controls, limits)
            for _ in range(self.iterations):
                search.linearize()
                search.backward(self.tolerance)
                if not search.active.any():
                    break
                search.line_search(self.step_sizes, self.armijo)
            plan = search.best(self.tolerance)
            return replace(plan, model_gap=linearization_gap(dynamics, plan)) if self.report_gap else plan


def linearization_gap(dynamics: Dynamics, plan: Plan) -> Array:
    """|J - A| / |J| (N,), Frobenius over all times: A from ``linearize``, J from central differences of ``step``.

    Zero up to rounding for dynamics with exact derivatives. For learned A(z) it says how much of the Jacobian they
    leave out, and so how far the planner's steps are from Newton's.
    """
    (n_problems, _, m), n = plan.controls.shape, plan.states.shape[2]
    states, controls = plan.states[:, :-1].reshape(-1, n), plan.controls.reshape(-1, m)
    J = FunctionDynamics(dynamics.step, n, m).linearize(states, controls).A
    A = dynamics.linearize(states, controls).A
    missing, total = (np.sqrt((X**2).reshape(n_problems, -1).sum(axis=1)) for X in (J - A, J))
    return missing / np.maximum(total, np.finfo(np.float64).tiny)


def smooth(planner: str, cost: Cost) -> SmoothCost:
    """Return the cost, once it has the derivatives that the ``planner`` needs."""
    if not isinstance(cost, SmoothCost):
        raise InputError(f"{planner} needs derivatives: give {type(cost).__name__} a method expand().")
    return cost


def checked_problem(
    dynamics: Dynamics, cost: Cost, initial_states: ArrayLike, horizon: int, limits: Limits, warm_start: Plan | None
) -> tuple[Array, int]:
    """Return the initial states as an array (N, n) and the horizon, once all that a planner is given fits together."""
    if not isinstance(cast(object, limits), Limits):
        raise InputError(f"limits is {short(limits)}: give Limits(low, high).")
    if not isinstance(cast(object, warm_start), Plan | None):
        raise InputError(f"warm_start is {short(warm_start)}: give the Plan of an earlier call.")
    n, m = dynamics.state_dim, dynamics.control_dim
    states = real("the initial states", initial_states, (None, n), finite=False)
    whole("the number of problems", len(states))
    horizon = whole("horizon", horizon)
    if len(limits.low) != m:
        raise InputError(f"The limits are for {len(limits.low)} controls, but the dynamics have {m}.")
    cost.check(len(states), n, m)
    if warm_start is not None:
        guess = real("the warm start's controls", warm_start.controls, (len(states), None, m))
        whole("the warm start's horizon", guess.shape[1])
    return states, horizon
