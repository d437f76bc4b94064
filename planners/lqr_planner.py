"""LQR as a planner: one linearisation, one LQ problem, no second look.

Sources: Kwakernaak and Sivan, "Linear Optimal Control Systems", 1972, for the regulator; within limits, the LQ problem
is a box QP in the controls of all times, solved by projected Newton steps (Bertsekas, "Projected Newton methods for
optimization problems with simple constraints", 1982).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from e2c_control.planners.checks import Array, Ints
from e2c_control.planners.ilqr import ILQR
from e2c_control.planners.plan import Plan
from e2c_control.planners.planner import CheckedPlanner, PlanningProblem

if TYPE_CHECKING:
    from e2c_control.planners.kernels import Local
    from e2c_control.planners.search import Search

OPTIONS = ILQR(iterations=1, step_sizes=(1.0,))


@dataclass(frozen=True)
class LQR(CheckedPlanner):
    """The planner to beat: exact on linear dynamics, within limits too, and the first step of iLQR on all others.

    The dynamics are linearised along the warm start, or along the trajectory of the allowed control nearest to zero.
    Where the solution would cost more in the dynamics than what it started from, it is not taken.
    """

    def plan(self, problem: PlanningProblem, rng: np.random.Generator) -> Plan:
        from e2c_control.planners.quadratic_search import begin_search  # loads numba: not before

        cost, limits = problem.smooth_cost("LQR"), problem.limits
        search = begin_search(problem.dynamics, cost, problem.states, problem.start()[:, None], limits)
        search.linearize()
        search.backward(OPTIONS.tolerance)
        if search.active.any():
            before = search.states.copy(), search.controls.copy(), search.active
            search.line_search(OPTIONS.step_sizes, OPTIONS.armijo)
            at_limit = ((search.controls == limits.low) | (search.controls == limits.high)).any(axis=(1, 2))
            _within_limits(search, *before[:2], np.flatnonzero(before[2] & (at_limit | ~search.moved)))
        return search.best(OPTIONS.tolerance)


def _within_limits(search: Search, states: Array, controls: Array, rows: Ints) -> None:
    """Move the named rows to the solution of their LQ problem around states and controls, where that is cheaper.

    The stages of box-DDP do not know of limits that are reached later, so that its step may be no improvement.
    """
    from e2c_control.planners import kernels

    if not len(rows):
        return
    local = kernels.Local(*(part[rows].copy() for part in search.local))
    response, H, g = condensed(local)
    low, high = local.low.reshape(len(rows), -1), local.high.reshape(len(rows), -1)
    change, size = np.zeros(g.shape), g.shape[1]
    for i in range(len(rows)):
        free, L, work = np.empty(size, np.bool_), np.empty((size, size)), np.empty((3, size))
        if not kernels.box_qp(H[i], g[i], low[i], high[i], change[i], free, L, work):
            change[i] = 0.0
    # Feedback around the solution corrects what the linear model leaves out.
    dz, du = np.einsum("btij,bj->bti", response, change), change.reshape(local.r.shape)
    local.q[:] += np.einsum("btij,btj->bti", local.Q, dz)
    local.q[:, :-1] += np.einsum("btji,btj->bti", local.S, du)
    local.r[:] += np.einsum("btij,btj->bti", local.R, du) + np.einsum("btij,btj->bti", local.S, dz[:, :-1])
    local.low[:], local.high[:] = local.low - du, local.high - du
    policy, _ = kernels.solve(local)
    search.offer(rows, states[rows] + dz, controls[rows] + du, policy.K, policy.k)


def condensed(local: Local) -> tuple[Array, Array, Array]:
    """Write LQ problems as ½ u'H u + g'u in the controls of all times, with states dz_t = G_t u.

    Returns G (b, T + 1, n, T m), H (b, T m, T m) and g (b, T m).
    """
    b, horizon, n, m = local.B.shape
    G = np.zeros((b, horizon + 1, n, horizon * m))
    H, g = np.zeros((b, horizon * m, horizon * m)), local.r.reshape(b, -1).copy()
    for t in range(horizon + 1):
        H += G[:, t].swapaxes(1, 2) @ local.Q[:, t] @ G[:, t]
        g += np.einsum("bij,bi->bj", G[:, t], local.q[:, t])
        if t < horizon:
            now = slice(t * m, (t + 1) * m)
            cross = local.S[:, t] @ G[:, t]
            H[:, now, now] += local.R[:, t]
            H[:, now] += cross
            H[:, :, now] += cross.swapaxes(1, 2)
            G[:, t + 1] = local.A[:, t] @ G[:, t]
            G[:, t + 1, :, now] += local.B[:, t]
    return G, H, g
