"""Inner loops of the Riccati-based planners: scalar loops over float64 arrays, one problem after another.

Loops and not matrix calls, because for the few states of a latent space the overhead of a call exceeds the work. All
kernels stand in one file, because the cache of compiled code only notices changes of the file that it belongs to.
Importing this module imports numba: do it where a planner is called, not where the package is loaded.
"""

from typing import NamedTuple

import numpy as np

from e2c_control.planners.checks import Array, Bools, Ints
from e2c_control.planners.compiled import compiled, inlined

MU_LEAST, MU_MOST = 1e-6, 1e10  # regularisation below the first counts as none; above the second there is no step
GROWTH = 1.6  # first factor of the regularisation's quadratic schedule (Tassa, Erez, Todorov 2012, section II.F)
NEWTON_STEPS, HALVINGS = 100, 40  # caps on the loops of the box QP, which usually ends after two or three steps
PIVOT, STATIONARY = 1e-13, 1e-13  # relative rounding errors of a Cholesky pivot and of a gradient


@inlined
def copy(x: Array, out: Array) -> None:
    """out = x, for vectors; the assignment of slices costs several times as much when compiled."""
    for i in range(x.shape[0]):
        out[i] = x[i]


@inlined
def copy_matrix(X: Array, out: Array) -> None:
    """out = X, for matrices."""
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            out[i, j] = X[i, j]


@inlined
def multiply(X: Array, Y: Array, out: Array) -> None:
    """out = X Y."""
    for i in range(X.shape[0]):
        for j in range(Y.shape[1]):
            total = 0.0
            for p in range(X.shape[1]):
                total += X[i, p] * Y[p, j]
            out[i, j] = total


@inlined
def add_transposed_product(X: Array, Y: Array, factor: float, out: Array) -> None:
    """out += factor X'Y."""
    for i in range(X.shape[1]):
        for j in range(Y.shape[1]):
            total = 0.0
            for p in range(X.shape[0]):
                total += X[p, i] * Y[p, j]
            out[i, j] += factor * total


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


@inlined
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


@inlined
def feedback_gains(F: Array, free: Bools, L: Array, column: Array, K: Array) -> None:
    """K = -H_ff⁻¹ F on the free rows, 0 on the clamped ones."""
    m, n = F.shape
    for j in range(n):
        for i in range(m):
            column[i] = -F[i, j] if free[i] else 0.0
        solve_factored(L, column)
        for i in range(m):
            K[i, j] = column[i]


@inlined
def value_update(G: Array, F: Array, g: Array, K: Array, k: Array, V: Array, v: Array, GK: Array, Gk: Array) -> None:
    """V += K'GK + K'F + F'K,  v += K'Gk + K'g + F'k, where V, v hold Q_zz, Q_z: true for any K and k.

    The short form V = Q_zz + F'K needs K = -G⁻¹F, which regularisation and active limits break.
    """
    m, n = F.shape
    multiply(G, K, GK)
    for i in range(m):
        Gk[i] = 0.0
        for j in range(m):
            Gk[i] += G[i, j] * k[j]
    for a in range(n):
        for i in range(m):
            v[a] += K[i, a] * (Gk[i] + g[i]) + F[i, a] * k[i]
        for b in range(a + 1):
            total = 0.5 * (V[a, b] + V[b, a])
            for i in range(m):
                total += K[i, a] * (GK[i, b] + F[i, b]) + F[i, a] * K[i, b]
            V[a, b] = total
            V[b, a] = total


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
    """Work space of one stage: n x n, n x m and m x n matrices, and so on."""

    VA: Array  # (n, n)
    VB: Array  # (n, m)
    w: Array  # (n,)
    G: Array  # (m, m), Q_uu
    F: Array  # (m, n), Q_uz
    g: Array  # (m,), Q_u
    H: Array  # (m, m), Q_uu regularised
    E: Array  # (m, n), Q_uz regularised
    L: Array  # (m, m)
    free: Bools  # (m,)
    work: Array  # (3, m)
    GK: Array  # (m, n)


def scratch(n: int, m: int) -> Scratch:
    """Uninitialised work space for n states and m controls."""
    shapes = ((n, n), (n, m), (n,), (m, m), (m, n), (m,), (m, m), (m, n), (m, m))
    nn, nm, n1, mm, mn, m1, mm2, mn2, mm3 = (np.empty(shape) for shape in shapes)
    return Scratch(nn, nm, n1, mm, mn, m1, mm2, mn2, mm3, np.empty(m, np.bool_), np.empty((3, m)), np.empty((m, n)))


def blank_policy(b: int, horizon: int, n: int, m: int) -> Policy:
    """A policy to write into: no feedback, no step."""
    K, k, V, v = (b, horizon, m, n), (b, horizon, m), (b, horizon + 1, n, n), (b, horizon + 1, n)
    return Policy(np.zeros(K), np.zeros(k), np.zeros(V), np.zeros(v), np.zeros((b, 3)))


@inlined
def stage_model(local: Local, b: int, t: int, V: Array, v: Array, mu: float, z: Scratch) -> bool:
    """Q_zz = Q + A'VA, Q_uz = S + B'VA, Q_uu = R + B'VB, Q_z = q + A'(v + Vd), Q_u = r + B'(v + Vd) at one stage.

    H and E are Q_uu and Q_uz as if V were V + mu I (Tassa 2012, eq. 10), and H has another mu I: B alone cannot lift a
    control that moves nothing. False when Q_u is not finite.
    """
    A, B = local.A[b, t], local.B[b, t]
    multiply(V, A, z.VA)
    multiply(V, B, z.VB)
    for i in range(v.shape[0]):
        z.w[i] = v[i]
        for j in range(v.shape[0]):
            z.w[i] += V[i, j] * local.d[b, t, j]
    copy_matrix(local.R[b, t], z.G)
    copy_matrix(local.S[b, t], z.F)
    copy(local.r[b, t], z.g)
    add_transposed_product(B, z.VB, 1.0, z.G)
    add_transposed_product(B, z.VA, 1.0, z.F)
    add_transposed_vector(B, z.w, z.g)
    copy_matrix(z.G, z.H)
    copy_matrix(z.F, z.E)
    if mu > 0.0:
        add_transposed_product(B, B, mu, z.H)
        add_transposed_product(B, A, mu, z.E)
    size = 0.0
    for i in range(z.g.shape[0]):
        z.H[i, i] += mu
        size += abs(z.g[i])
    return size < np.inf


@compiled
def riccati_pass(local: Local, b: int, mu: float, policy: Policy, z: Scratch) -> bool:
    """Backward pass of one row: at each stage k = argmin ½ k'Hk + Q_u'k within the limits, K the same on the free set.

    With mu = 0 and no limits this is the Riccati recursion of affine LQR. False when some H is not positive definite.
    """
    K, k, V, v, parts = policy.K[b], policy.k[b], policy.V[b], policy.v[b], policy.parts[b]
    horizon, m = k.shape
    parts[:] = 0.0
    copy_matrix(local.Q[b, horizon], V[horizon])
    copy(local.q[b, horizon], v[horizon])
    for t in range(horizon - 1, -1, -1):
        if not stage_model(local, b, t, V[t + 1], v[t + 1], mu, z):
            return False
        if not box_qp(z.H, z.g, local.low[b, t], local.high[b, t], k[t], z.free, z.L, z.work):
            return False
        feedback_gains(z.E, z.free, z.L, z.work[0], K[t])
        copy_matrix(local.Q[b, t], V[t])
        copy(local.q[b, t], v[t])
        add_transposed_product(local.A[b, t], z.VA, 1.0, V[t])
        add_transposed_vector(local.A[b, t], z.w, v[t])
        Gk = z.work[0]
        value_update(z.G, z.F, z.g, K[t], k[t], V[t], v[t], z.GK, Gk)
        for i in range(v.shape[1]):
            parts[0] += 0.5 * local.d[b, t, i] * (v[t + 1, i] + z.w[i])
        for i in range(m):
            parts[1] += k[t, i] * z.g[i]
            parts[2] += 0.5 * k[t, i] * Gk[i]
    return abs(parts[0]) + abs(parts[1]) + abs(parts[2]) < np.inf


@compiled
def backward(rows: Ints, local: Local, mu: Array, growth: Array, policy: Policy, done: Bools, z: Scratch) -> None:
    """Backward passes of the named rows; where one fails, its mu (b,) rises until one succeeds or mu is at its most.

    ``growth`` (b,) is the schedule's state. ``done`` (b,) says where the policy was written; elsewhere it is zero.
    """
    for b in rows:
        done[b] = riccati_pass(local, b, float(mu[b]), policy, z)
        while not done[b] and mu[b] < MU_MOST:
            growth[b] = max(GROWTH, growth[b] * GROWTH)
            mu[b] = max(MU_LEAST, mu[b] * growth[b])
            done[b] = riccati_pass(local, b, float(mu[b]), policy, z)
        if not done[b]:
            policy.K[b] = 0.0
            policy.k[b] = 0.0


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
