"""Inner loops of the Riccati-based planners: scalar loops over float64 arrays, one problem after another.

Loops and not matrix calls, because for the few states of a latent space the overhead of a call exceeds the work. All
kernels stand in one file, because the cache of compiled code only notices changes of the file that it belongs to.
Importing this module imports numba: do it where a planner is called, not where the package is loaded.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple, TypeAlias

import numpy as np

from e2c_control.planners.checks import Array, Bools, Ints
from e2c_control.planners.compiled import compiled, inlined

MU_LEAST, MU_MOST = 1e-6, 1e10  # regularisation below the first counts as none; above the second there is no step
GROWTH = 1.6  # first factor of the regularisation's quadratic schedule (Tassa, Erez, Todorov 2012, section II.F)
UNROLLED_STATES, UNROLLED_CONTROLS = 8, 4  # up to these, the kernels are compiled for each size by itself
NEWTON_STEPS, HALVINGS = 100, 40  # caps on the loops of the box QP, which usually ends after two or three steps
PIVOT, STATIONARY = 1e-13, 1e-13  # relative rounding errors of a Cholesky pivot and of a gradient


@inlined
def copy(x: Array, out: Array) -> None:
    """out = x, for vectors; the assignment of slices costs several times as much when compiled."""
    for i in range(x.shape[0]):
        out[i] = x[i]


@inlined
def add_transposed_vector(X: Array, y: Array, out: Array) -> None:
    """out += X'y."""
    for i in range(X.shape[1]):
        total = 0.0
        for p in range(X.shape[0]):
            total += X[p, i] * y[p]
        out[i] += total


@compiled
def factor_free(H: Array, free: Bools, L: Array) -> bool:
    """Cholesky factor of H restricted to the free rows and columns, LL' = H_ff; the others become those of I.

    False when H_ff is not positive definite beyond rounding.
    """
    for i in range(H.shape[0]):
        for j in range(i + 1):
            total = H[i, j] if free[i] and free[j] else 0.0
            for p in range(j):
                total -= L[i, p] * L[j, p]
            if i > j:
                L[i, j] = total / L[j, j]
            elif not free[i]:
                L[i, i] = 1.0
            elif total > PIVOT * abs(H[i, i]) and total < np.inf:  # not so for NaN either
                L[i, i] = np.sqrt(total)
            else:
                return False
    return True


@inlined
def solve_factored(L: Array, x: Array) -> None:
    """x ← (LL')⁻¹ x."""
    m = x.shape[0]
    for i in range(m):
        for j in range(i):
            x[i] -= L[i, j] * x[j]
        x[i] /= L[i, i]
    for i in range(m - 1, -1, -1):
        for j in range(i + 1, m):
            x[i] -= L[j, i] * x[j]
        x[i] /= L[i, i]


@compiled
def free_set(H: Array, g: Array, low: Array, high: Array, x: Array, free: Bools, w: Array) -> float:
    """Write the gradient w = H x + g, and which x_i may move; return |w| over those, relative to its terms."""
    most, scale = 0.0, 0.0
    for i in range(x.shape[0]):
        w[i], terms = g[i], abs(g[i])
        for j in range(x.shape[0]):
            w[i] += H[i, j] * x[j]
            terms += abs(H[i, j] * x[j])
        free[i] = not ((x[i] == low[i] and w[i] > 0.0) or (x[i] == high[i] and w[i] < 0.0))
        scale = max(scale, terms)
        if free[i]:
            most = max(most, abs(w[i]))
    return most / scale if scale > 0.0 else 0.0


@compiled
def projected_step(H: Array, low: Array, high: Array, w: Array, p: Array, x: Array, s: Array) -> bool:
    """x ← clip(x + a p) with the first a = 1, ½, ... whose decrease w's + ½ s'Hs is a tenth of the slope's promise."""
    a = 1.0
    for _ in range(HALVINGS):
        slope, curvature = 0.0, 0.0
        for i in range(x.shape[0]):
            s[i] = min(max(x[i] + a * p[i], low[i]), high[i]) - x[i]
            slope += w[i] * s[i]
        for i in range(x.shape[0]):
            for j in range(x.shape[0]):
                curvature += s[i] * H[i, j] * s[j]
        if slope < 0.0 and slope + 0.5 * curvature <= 0.1 * slope:
            for i in range(x.shape[0]):
                x[i] = min(max(x[i] + a * p[i], low[i]), high[i])
            return True
        a *= 0.5
    return False


@compiled
def box_qp(H: Array, g: Array, low: Array, high: Array, x: Array, free: Bools, L: Array, work: Array) -> bool:
    """min_x ½ x'Hx + g'x with low <= x <= high, by projected Newton steps (Tassa, Mansard, Todorov 2014, III.B).

    Writes x, the coordinates that are free at it, and the Cholesky factor L of H_ff. ``work`` is (3, m). False, with
    nothing usable written, when H is not positive definite.
    """
    m = g.shape[0]
    for i in range(m):
        free[i] = True
        x[i] = -g[i]
    if not factor_free(H, free, L):
        return False
    solve_factored(L, x)
    inside = True
    for i in range(m):
        inside = inside and low[i] <= x[i] <= high[i]
        x[i] = min(max(x[i], low[i]), high[i])
    if inside:
        return True
    w, p, s = work[0], work[1], work[2]
    for _ in range(NEWTON_STEPS):
        residual = free_set(H, g, low, high, x, free, w)
        factor_free(H, free, L)
        if m == 1 or residual <= STATIONARY:
            break
        for i in range(m):
            p[i] = -w[i] if free[i] else 0.0
        solve_factored(L, p)
        if not projected_step(H, low, high, w, p, x, s):
            break
    return True


class Local(NamedTuple):
    """Quadratic model around trajectories of b rows, in deviations from them.

    dz_{t+1} = A dz + B du + d and J = Σ q'dz + r'du + ½ dz'Q dz + ½ du'R du + du'S dz.
    """

    A: Array  # (b, T, n, n)
    B: Array  # (b, T, n, m)
    d: Array  # (b, T, n), zero where the trajectory obeys the dynamics
    q: Array  # (b, T + 1, n)
    r: Array  # (b, T, m)
    Q: Array  # (b, T + 1, n, n)
    R: Array  # (b, T, m, m)
    S: Array  # (b, T, m, n)
    low: Array  # (b, T, m), least du
    high: Array  # (b, T, m), largest du


class Policy(NamedTuple):
    """du = K dz + k, and the value ½ dz'V dz + v'dz + c of following it."""

    K: Array  # (b, T, m, n)
    k: Array  # (b, T, m)
    V: Array  # (b, T + 1, n, n)
    v: Array  # (b, T + 1, n)
    parts: (
        Array  # (b, 3), with the sum c: Σ d'v + ½ d'Vd, Σ k'Q_u, Σ ½ k'Q_uu k; a step a k changes J by a [1] + a² [2]
    )


class Scratch(NamedTuple):
    """Work space of one stage, with p = n + m: states come first, then controls."""

    M: Array  # (n, p), [A B]
    W: Array  # (n, p), V M
    w: Array  # (n,), v + V d
    G: Array  # (p, p), the Hessian of the stage, lower half
    g: Array  # (p,), its gradient
    H: Array  # (m, m), Q_uu regularised
    E: Array  # (m, n), Q_uz regularised
    L: Array  # (m, m), Cholesky factor of H on the free rows
    free: Bools  # (m,)
    work: Array  # (3, m)


def scratch(n: int, m: int) -> Scratch:
    """Uninitialised work space for n states and m controls."""
    p = n + m
    shapes = ((n, p), (n, p), (n,), (p, p), (p,), (m, m), (m, n), (m, m))
    M, W, w, G, g, H, E, L = (np.empty(shape) for shape in shapes)
    return Scratch(M, W, w, G, g, H, E, L, np.empty(m, np.bool_), np.empty((3, m)))


def blank_policy(b: int, horizon: int, n: int, m: int) -> Policy:
    """A policy to write into: no feedback, no step."""
    K, k, V, v = (b, horizon, m, n), (b, horizon, m), (b, horizon + 1, n, n), (b, horizon + 1, n)
    return Policy(np.zeros(K), np.zeros(k), np.zeros(V), np.zeros(v), np.zeros((b, 3)))


BackwardPass: TypeAlias = Callable[[Ints, Local, Array, Policy, Bools, Scratch], None]


@cache
def backward_pass(fixed_n: int, fixed_m: int) -> BackwardPass:
    """The backward pass of the named rows, compiled for so many states and controls, or for any where these are 0.

    At each stage k = argmin ½ k'Hk + Q_u'k within the limits, and K is the same on the free set; V and v follow. With
    mu = 0 and no limits this is the Riccati recursion of affine LQR. ``done`` says where all H are positive definite.
    One long function, because small ones that share arrays make the compiler take several times as long. Known sizes
    unroll its loops: for few states that takes a third of the time.
    """

    @compiled
    def run(rows: Ints, local: Local, mu: Array, policy: Policy, done: Bools, z: Scratch) -> None:
        A, B, d, q, r, Q, R, S, low, high = local
        K, k, V, v, parts = policy
        M, W, w, G, g, H, E, L, free, work = z
        n = fixed_n if fixed_n > 0 else E.shape[1]
        m = fixed_m if fixed_m > 0 else E.shape[0]
        p, horizon = n + m, B.shape[1]
        for b in rows:
            c, slope, curvature, damping, definite = 0.0, 0.0, 0.0, mu[b], True
            for i in range(n):
                v[b, horizon, i] = q[b, horizon, i]
                for j in range(n):
                    V[b, horizon, i, j] = 0.5 * (Q[b, horizon, i, j] + Q[b, horizon, j, i])
            for t in range(horizon - 1, -1, -1):
                # M = [A B], W = V M, w = v + V d
                for i in range(n):
                    for j in range(n):
                        M[i, j] = A[b, t, i, j]
                    for j in range(m):
                        M[i, n + j] = B[b, t, i, j]
                for i in range(n):
                    x = v[b, t + 1, i]
                    for j in range(p):
                        W[i, j] = 0.0
                    for a in range(n):
                        y = V[b, t + 1, i, a]
                        x += y * d[b, t, a]
                        for j in range(p):  # rows are added to rows: the innermost loop runs along memory
                            W[i, j] += y * M[a, j]
                    w[i] = x
                    c += 0.5 * d[b, t, i] * (v[b, t + 1, i] + x)
                # G = [Q S'; S R] + M'W, its lower half, and g = (q, r) + M'w
                for i in range(n):
                    g[i] = q[b, t, i]
                    for j in range(i + 1):
                        G[i, j] = Q[b, t, i, j]
                for i in range(m):
                    g[n + i] = r[b, t, i]
                    for j in range(n):
                        G[n + i, j] = S[b, t, i, j]
                    for j in range(i + 1):
                        G[n + i, n + j] = R[b, t, i, j]
                for a in range(n):
                    y = w[a]
                    for i in range(p):
                        x = M[a, i]
                        g[i] += x * y
                        for j in range(i + 1):
                            G[i, j] += x * W[a, j]
                # H = Q_uu + mu (B'B + I), E = Q_uz + mu B'A: as if V were V + mu I (Tassa 2012, eq. 10). The other
                # mu I is there because B alone cannot lift a control that moves nothing.
                for i in range(m):
                    for j in range(n):
                        E[i, j] = G[n + i, j]
                    for j in range(i + 1):
                        H[i, j] = G[n + i, n + j]
                        H[j, i] = H[i, j]
                if damping > 0.0:
                    for i in range(m):
                        for a in range(n):
                            x = damping * M[a, n + i]
                            for j in range(n):
                                E[i, j] += x * M[a, j]
                            for j in range(m):
                                H[i, j] += x * M[a, n + j]
                        H[i, i] += damping
                # LL' = H, k = -H⁻¹ Q_u
                for i in range(m):
                    y = -g[n + i]
                    for j in range(i):
                        x = H[i, j]
                        for a in range(j):
                            x -= L[i, a] * L[j, a]
                        x /= L[j, j]
                        L[i, j] = x
                        y -= x * k[b, t, j]
                    x = H[i, i]
                    for a in range(i):
                        x -= L[i, a] * L[i, a]
                    if not (x > PIVOT * abs(H[i, i]) and x < np.inf and abs(y) < np.inf):  # not so for NaN either
                        definite = False
                    L[i, i] = np.sqrt(x)
                    k[b, t, i] = y / L[i, i]
                    free[i] = True
                if not definite:
                    break
                inside = True
                for i in range(m - 1, -1, -1):
                    x = k[b, t, i]
                    for j in range(i + 1, m):
                        x -= L[j, i] * k[b, t, j]
                    x /= L[i, i]
                    k[b, t, i] = x
                    if x < low[b, t, i] or x > high[b, t, i]:
                        inside = False
                if not inside:
                    if m == 1:
                        k[b, t, 0] = min(max(k[b, t, 0], low[b, t, 0]), high[b, t, 0])
                        free[0] = False
                    else:
                        box_qp(H, g[n:], low[b, t], high[b, t], k[b, t], free, L, work)
                for i in range(m):
                    slope += k[b, t, i] * g[n + i]
                    x = 0.5 * k[b, t, i] * G[n + i, n + i]
                    for j in range(i):
                        x += G[n + i, n + j] * k[b, t, j]
                    curvature += x * k[b, t, i]
                # Y = L⁻¹ E in the place of E, K = -L⁻ᵀ Y, both with zero rows where a limit is active
                for i in range(m):
                    x = 1.0 / L[i, i] if free[i] else 0.0
                    for a in range(i):
                        y = L[i, a]
                        for j in range(n):
                            E[i, j] -= y * E[a, j]
                    for j in range(n):
                        E[i, j] *= x
                for i in range(m - 1, -1, -1):
                    for j in range(n):
                        K[b, t, i, j] = -E[i, j]
                    for a in range(i + 1, m):
                        x = L[a, i]
                        for j in range(n):
                            K[b, t, i, j] -= x * K[b, t, a, j]
                    x = 1.0 / L[i, i]
                    for j in range(n):
                        K[b, t, i, j] *= x
                # v = Q_z + Q_uz'k + K'(Q_uu k + Q_u) and V = Q_zz + K'Q_uu K + K'Q_uz + Q_uz'K, true for any K and k
                for a in range(m):
                    x = k[b, t, a]
                    for i in range(n):
                        g[i] += G[n + a, i] * x
                if damping > 0.0:
                    for i in range(m):
                        y = g[n + i]
                        for j in range(n):
                            E[i, j] = G[n + i, j]  # Q_uz + ½ Q_uu K
                        for a in range(m):
                            x = G[n + max(i, a), n + min(i, a)]
                            y += x * k[b, t, a]
                            for j in range(n):
                                E[i, j] += 0.5 * x * K[b, t, a, j]
                        for j in range(n):
                            g[j] += K[b, t, i, j] * y
                    for a in range(m):
                        for i in range(n):
                            for j in range(i + 1):
                                G[i, j] += E[a, i] * K[b, t, a, j] + K[b, t, a, i] * E[a, j]
                else:  # where H is Q_uu, V is Q_zz - Y'Y and the last part of v is zero, also on active limits
                    for a in range(m):
                        for i in range(n):
                            x = E[a, i]
                            for j in range(i + 1):
                                G[i, j] -= x * E[a, j]
                for i in range(n):
                    v[b, t, i] = g[i]
                    for j in range(i + 1):
                        V[b, t, i, j] = G[i, j]
                        V[b, t, j, i] = G[i, j]
            parts[b, 0], parts[b, 1], parts[b, 2] = c, slope, curvature
            done[b] = definite and abs(c) + abs(slope) + abs(curvature) < np.inf

    return run


def backward(rows: Ints, local: Local, mu: Array, growth: Array, policy: Policy, done: Bools, z: Scratch) -> None:
    """Backward passes of the named rows; where one fails, its mu (b,) rises until one succeeds or mu is at its most.

    ``growth`` (b,) is the schedule's state. ``done`` (b,) says where the policy was written; elsewhere it is zero.
    """
    m, n = z.E.shape
    unrolled = n <= UNROLLED_STATES and m <= UNROLLED_CONTROLS
    run = backward_pass(n, m) if unrolled else backward_pass(0, 0)
    run(rows, local, mu, policy, done, z)
    while not done[rows].all():
        rows = rows[~done[rows]]
        policy.K[rows], policy.k[rows] = 0.0, 0.0
        rows = rows[mu[rows] < MU_MOST]
        if not len(rows):
            break
        growth[rows] = np.maximum(GROWTH, growth[rows] * GROWTH)
        mu[rows] = np.maximum(MU_LEAST, mu[rows] * growth[rows])
        run(rows, local, mu, policy, done, z)


@compiled
def affine_rollout(A: Array, B: Array, o: Array, K: Array, k: Array, states: Array, controls: Array) -> None:
    """u = K z + k, z' = A z + B u + o from states[:, 0], for all rows; writes states (b, T + 1, n), controls."""
    n = states.shape[2]
    for b in range(controls.shape[0]):
        for t in range(controls.shape[1]):
            for i in range(controls.shape[2]):
                total = k[b, t, i]
                for j in range(n):
                    total += K[b, t, i, j] * states[b, t, j]
                controls[b, t, i] = total
            for i in range(n):
                total = o[b, t, i]
                for j in range(n):
                    total += A[b, t, i, j] * states[b, t, j]
                for j in range(controls.shape[2]):
                    total += B[b, t, i, j] * controls[b, t, j]
                states[b, t + 1, i] = total


@compiled
def control_gradient(local: Local, gradient: Array) -> None:
    """dJ/du_t = r + B'p_{t+1} with p_t = q + A'p_{t+1}, p_T = q_T, for all rows; ``gradient`` is (b, T, m)."""
    n = local.q.shape[2]
    p, before = np.empty(n), np.empty(n)
    for b in range(gradient.shape[0]):
        horizon = gradient.shape[1]
        copy(local.q[b, horizon], p)
        for t in range(horizon - 1, -1, -1):
            copy(local.r[b, t], gradient[b, t])
            add_transposed_vector(local.B[b, t], p, gradient[b, t])
            copy(local.q[b, t], before)
            add_transposed_vector(local.A[b, t], p, before)
            copy(before, p)
