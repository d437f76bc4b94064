"""The search in machine code from end to end: dynamics that lower, and a quadratic cost.

A small problem's iteration takes a few microseconds, much less than the NumPy calls that would drive it. What is done
is what ``Search`` does, which is the one to read: `linearize` expands dynamics and cost along each trajectory, the
backward pass is the same kernel, and `line_search` rolls out one step size after another, of all rows that are left,
computes their costs on the way, and breaks off where all exceed what they had. Costs are sums of squares here, so that
is final.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from e2c_control.planners.checks import Array, Bools, Ints
from e2c_control.planners.compiled import compiled
from e2c_control.planners.costs import QuadraticCost, SmoothCost
from e2c_control.planners.dynamics import Dynamics
from e2c_control.planners.engine import CompiledEngine, engine_for
from e2c_control.planners.kernels import SCHEDULE, Local, Policy
from e2c_control.planners.lowered import Kernel
from e2c_control.planners.plan import Limits, StopReason
from e2c_control.planners.search import Search

NON_FINITE, REGULARISATION = int(StopReason.NON_FINITE), int(StopReason.REGULARISATION)


class Weights(NamedTuple):
    """J = Σ_t (z_t - g)'Q(z_t - g) + Σ_t u_t'R u_t + (z_T - g)'P(z_T - g) within limits."""

    g: Array  # (b, n)
    Q: Array  # (n, n)
    R: Array  # (m, m)
    P: Array  # (n, n)
    low: Array  # (m,)
    high: Array  # (m,)


class Trajectories(NamedTuple):
    """The arrays of a Search that change from iteration to iteration."""

    states: Array  # (b, T + 1, n)
    controls: Array  # (b, T, m)
    value: Array  # (b,)
    reason: Ints  # (b,)
    moved: Bools  # (b,)
    mu: Array  # (b,)
    growth: Array  # (b,)
    iterations: Ints  # (b,)


@compiled
def expand(rows: Ints, weights: Weights, path: Trajectories, local: Local) -> None:
    """Write q = 2 Q (z - g), r = 2 R u and the limits of du along the named rows; rows that are not finite stop."""
    g, Q, R, P, low, high = weights
    horizon, m = path.controls.shape[1], path.controls.shape[2]
    n, states, controls = g.shape[1], path.states, path.controls
    for b in rows:
        size = 0.0
        for t in range(horizon + 1):
            W = Q if t < horizon else P
            for i in range(n):
                x = 0.0
                for j in range(n):
                    x += 2.0 * W[i, j] * (states[b, t, j] - g[b, j])
                local.q[b, t, i] = x
                size += abs(x)
        for t in range(horizon):
            for i in range(m):
                x = 0.0
                for j in range(m):
                    x += 2.0 * R[i, j] * controls[b, t, j]
                local.r[b, t, i] = x
                local.low[b, t, i] = low[i] - controls[b, t, i]
                local.high[b, t, i] = high[i] - controls[b, t, i]
                size += abs(x)
            for i in range(n):
                for j in range(n):
                    size += abs(local.A[b, t, i, j])
                for j in range(m):
                    size += abs(local.B[b, t, i, j])
        path.moved[b] = False
        if not size < np.inf:
            path.reason[b] = NON_FINITE


@compiled
def line_search(
    step: Kernel,
    parameters: Array,
    sizes: Ints,
    rows: Ints,
    weights: Weights,
    path: Trajectories,
    policy: Policy,
    step_sizes: Array,
    armijo: float,
    schedule: tuple[float, float, float],
) -> None:
    """Move each named row by the first of the step sizes whose gain is a fair share of its promise, and adapt mu.

    The schedule of mu is an argument, because the cache of compiled code would not notice that another file changed it.
    """
    growth_factor, mu_least, mu_most = schedule
    g, Q, R, P, low, high = weights
    K, k, parts = policy.K, policy.k, policy.parts
    states, controls, value, reason, moved, mu, growth, iterations = path
    horizon, m, n, count = K.shape[1], K.shape[2], K.shape[3], rows.shape[0]
    z, u, total = np.empty((count, horizon + 1, n)), np.empty((count, horizon, m)), np.empty(count)
    now, control, after = np.empty((count, n)), np.empty((count, m)), np.empty((count, n))
    left = rows.copy()  # the first ``count`` of these have not been moved
    for a in step_sizes:
        for s in range(count):
            b = left[s]
            total[s] = 0.0
            for i in range(n):
                z[s, 0, i] = now[s, i] = states[b, 0, i]
                for j in range(n):
                    total[s] += Q[i, j] * (states[b, 0, i] - g[b, i]) * (states[b, 0, j] - g[b, j])
        for t in range(horizon):
            for s in range(count):
                b = left[s]
                for i in range(m):
                    x = controls[b, t, i] + a * k[b, t, i]
                    for j in range(n):
                        x += K[b, t, i, j] * (now[s, j] - states[b, t, j])
                    u[s, t, i] = control[s, i] = min(max(x, low[i]), high[i])
                    for j in range(i + 1):
                        total[s] += (2.0 if i > j else 1.0) * R[i, j] * control[s, i] * control[s, j]
            step(parameters, sizes, now[:count], control[:count], after[:count])
            W, hopeful = Q if t + 1 < horizon else P, False
            for s in range(count):
                b = left[s]
                for i in range(n):
                    z[s, t + 1, i] = now[s, i] = after[s, i]
                    for j in range(i + 1):
                        weight = W[i, i] if i == j else 2.0 * W[i, j]
                        total[s] += weight * (now[s, i] - g[b, i]) * (now[s, j] - g[b, j])
                hopeful = hopeful or total[s] < value[b]
            if not hopeful:  # and no later term is negative
                break
        tried, count = count, 0
        for s in range(tried):
            b = left[s]
            gained, promised = value[b] - total[s], -(a * parts[b, 1] + a * a * parts[b, 2])
            if gained > 0.0 and gained >= armijo * promised:  # not so for NaN
                moved[b], value[b] = True, total[s]
                for t in range(horizon + 1):  # not states[b] = z[s]: numba compiles a message about shapes for seconds
                    for i in range(n):
                        states[b, t, i] = z[s, t, i]
                for t in range(horizon):
                    for i in range(m):
                        controls[b, t, i] = u[s, t, i]
            else:
                left[count] = b
                count += 1
        if count == 0:
            break
    for b in rows:
        iterations[b] += 1
        if moved[b]:
            growth[b] = min(1.0 / growth_factor, growth[b] / growth_factor)
            mu[b] = mu[b] * growth[b] if mu[b] * growth[b] >= mu_least else 0.0
        else:
            growth[b] = max(growth_factor, growth[b] * growth_factor)
            mu[b] = max(mu_least, mu[b] * growth[b])
            if mu[b] > mu_most:
                reason[b] = REGULARISATION


@dataclass(eq=False)
class QuadraticSearch(Search):
    """``Search`` with its phases replaced by kernels."""

    weights: Weights = field(init=False)
    path: Trajectories = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        cost, local = self.cost, self.local
        assert isinstance(cost, QuadraticCost)
        goals = cost.goal.reshape(-1, cost.goal.shape[-1])  # one for all problems, or one for each
        _, Q, R, P = cost.at(self.controls.shape[1])
        self.weights = Weights(goals[self.problems % len(goals)], Q, R, P, self.limits.low, self.limits.high)
        local.Q[:, :-1], local.Q[:, -1], local.R[:] = 2 * Q, 2 * P, 2 * R
        self.path = Trajectories(*(getattr(self, name) for name in Trajectories._fields))

    def _expand(self, rows: Ints) -> None:
        assert isinstance(self.engine, CompiledEngine)
        self.engine.linearize_into(rows, self.states, self.controls, self.local.A, self.local.B)
        expand(rows, self.weights, self.path, self.local)

    def line_search(self, step_sizes: tuple[float, ...], armijo: float) -> None:
        assert isinstance(self.engine, CompiledEngine)
        rows = self.active.nonzero()[0]
        kernel = (*self.engine.kernel, rows, self.weights, self.path, self.policy)
        line_search(*kernel, np.array(step_sizes), armijo, SCHEDULE)
        self.history.append(self.value.copy())


def begin_search(
    dynamics: Dynamics, cost: SmoothCost, initial_states: Array, controls: Array, limits: Limits
) -> Search:
    """Return the fastest search that dynamics and cost allow, with start controls (N, S, T, m) rolled out."""
    engine = engine_for(dynamics)
    compiled = isinstance(engine, CompiledEngine) and type(cost) is QuadraticCost and not cost.varies
    return (QuadraticSearch if compiled else Search).begin(engine, cost, initial_states, controls, limits)
