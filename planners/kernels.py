"""Inner loops of the Riccati-based planners: scalar loops over float64 arrays, one problem after another.

Loops and not matrix calls, because for the few states of a latent space the overhead of a call exceeds the work. All
kernels stand in one file, because the cache of compiled code only notices changes of the file that it belongs to.
Importing this module imports numba: do it where a planner is called, not where the package is loaded.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from e2c_control.planners.checks import Array, Bools, Ints
from e2c_control.planners.compiled import any_order, compiled, inlined
from e2c_control.planners.costs import expansion_shapes

# Regularisation, in units of the Hessians: below the first it counts as none, above the second there is no step.
MU_LEAST, MU_MOST = 1e-6, 1e6
GROWTH = 1.6  # first factor of the regularisation's quadratic schedule (Tassa, Erez, Todorov 2012, section II.F)
SCHEDULE = GROWTH, MU_LEAST, MU_MOST
UNROLLED_STATES = 8  # up to so many, the backward pass is compiled for each number by itself
NEWTON_STEPS, HALVINGS = 100, 40  # caps on the loops of the box QP, which usually ends after two or three steps
PIVOT, STATIONARY = 1e-13, 1e-13  # relative rounding errors of a Cholesky pivot and of a gradient


@inlined
def factor_free(H: Array, free: Bools, L: Array) -> bool:
    """Write the Cholesky factor of H on the free rows and columns, LL' = H_ff; the others become those of I.

    Return False when H_ff is not positive definite beyond rounding.
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
def invert_factor(L: Array, free: Bools, J: Array) -> None:
    """Write J = L⁻¹ on the free rows, zero elsewhere; its upper triangle is not touched."""
    for i in range(L.shape[0]):
        J[i, i] = 1.0 / L[i, i] if free[i] else 0.0
        for j in range(i):
            total = 0.0
            for p in range(j, i):
                total -= L[i, p] * J[p, j]
            J[i, j] = total * J[i, i]


@inlined
def solve_factored(L: Array, x: Array) -> None:
    """Put (LL')⁻¹ x in the place of x."""
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
    """Write the gradient w = H x + g, and which x_i may move; return max |w_i| over those, relative to its terms."""
    most = 0.0
    for i in range(x.shape[0]):
        w[i], terms = g[i], abs(g[i])
        for j in range(x.shape[0]):
            w[i] += H[i, j] * x[j]
            terms += abs(H[i, j] * x[j])
        free[i] = not ((x[i] == low[i] and w[i] > 0.0) or (x[i] == high[i] and w[i] < 0.0))
        if free[i] and terms > 0.0:
            most = max(most, abs(w[i]) / terms)
    return most


@compiled
def projected_step(H: Array, low: Array, high: Array, w: Array, p: Array, x: Array, s: Array) -> bool:
    """Move x to clip(x + a p) with the first a = 1, ½, ... that gains a tenth of the slope's promise, w's + ½ s'Hs."""
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
    """Minimise ½ x'Hx + g'x within low <= x <= high, by projected Newton steps (Tassa, Mansard, Todorov 2014, III.B).

    Start at the unconstrained minimum -H⁻¹g, clipped: if nothing was cut off, that is the answer. Else, repeatedly:
    hold the coordinates that lie on a limit and are pushed against it by the gradient w = H x + g, solve for the others
    as if they had no limits, and go there along the clipped line as far as the value falls. At the minimum, w is zero
    in the free coordinates.

    Writes x, the coordinates that are free at it, and the Cholesky factor L of H_ff, from which the feedback follows.
    ``work`` is (3, m). Returns False, with nothing usable written, when H is not positive definite.
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


def local_shapes(b: int, horizon: int, n: int, m: int) -> list[tuple[int, ...]]:
    """Return the shapes of the parts of a `Local`, in their order."""
    model, box = [(b, horizon, n, n), (b, horizon, n, m), (b, horizon, n)], (b, horizon, m)
    return [*model, *expansion_shapes(b, horizon, n, m).values(), box, box]


class Policy(NamedTuple):
    """du = K dz + k, and the value ½ dz'V dz + v'dz + c of following it."""

    K: Array  # (b, T, m, n)
    k: Array  # (b, T, m)
    V: Array  # (b, T + 1, n, n)
    v: Array  # (b, T + 1, n)
    # (b, 3), with the sum c: Σ d'v + ½ d'Vd, Σ k'Q_u, Σ ½ k'Q_uu k. A step of a k changes J by a [1] + a² [2].
    parts: Array


def blank_policy(b: int, horizon: int, n: int, m: int) -> Policy:
    """Return a policy to write into: no feedback, no step."""
    K, k, V, v = (b, horizon, m, n), (b, horizon, m), (b, horizon + 1, n, n), (b, horizon + 1, n)
    return Policy(np.zeros(K), np.zeros(k), np.zeros(V), np.zeros(v), np.zeros((b, 3)))


@cache
def backward_pass(fixed_n: int, m: int) -> Callable[..., None]:
    """Return ``backward`` compiled for m controls and so many states, or any number of them where ``fixed_n`` is 0.

    For each row, from the last time to the first (`riccati.riccati_step` is the same to read, without mu and limits):

    1. Put the dynamics into the value of the next stage: Q_u, Q_uu, Q_uz and what else the Bellman equation needs.
    2. Add the regularisation mu to H = Q_uu, and to Q_uz, as if the next value bent more sharply.
    3. Factor H = LL'. If it is not positive definite, raise mu and begin the row again from the last time.
    4. k = -H⁻¹Q_u. Where that leaves the limits, k is the minimum within them instead: the box QP.
    5. K = -H⁻¹Q_uz, on the controls that are free; one that a limit holds does not respond to the state.
    6. V and v: the value of this policy, which is not the minimum's where mu or a limit moved it.

    A stage is worked out in homogeneous coordinates, where the linear terms are one more column: W = V [A B d] with v
    added to its last column, and G = [A B]'W holds all that the Bellman equation needs to know about the next stage.

    How a loop is written decides whether the compiler uses vectors. The innermost one is a sum of constant length, to
    be unrolled; the one around it runs along the rows of a matrix, padded to whole vectors, and must not have a
    constant length, else it were unrolled instead. Up to four numbers a stage it is best to unroll everything.
    One long function, because small ones that share arrays make the compiler take several times as long.
    """

    @compiled
    def run(
        rows: Ints,
        A: Array,
        B: Array,
        d: Array,
        q: Array,
        r: Array,
        Q: Array,
        R: Array,
        S: Array,
        low: Array,
        high: Array,
        K: Array,
        k: Array,
        V: Array,
        v: Array,
        parts: Array,
        mu: Array,
        growth: Array,
        done: Bools,
    ) -> None:
        n, unroll = fixed_n if fixed_n > 0 else B.shape[2], 0 < fixed_n <= 4 - m
        p, horizon, wide = n + m, B.shape[1], n if unroll else B.shape[2]
        width, stored = (p + 1, p + 1) if unroll else ((wide + m + 8) // 8 * 8, (p + 8) // 8 * 8)
        terms = fixed_n if fixed_n > 0 else 8  # of a sum at a time
        depth = (n + terms - 1) // terms * terms
        P, M, W, G = np.zeros((n, depth)), np.zeros((depth, stored)), np.zeros((depth, stored)), np.zeros((p, stored))
        E, Y, U, H = np.empty((m, n)), np.empty((m, n)), np.empty((m, m)), np.empty((m, m))
        g, L, J, free, work = np.empty(m), np.empty((m, m)), np.zeros((m, m)), np.empty(m, np.bool_), np.empty((3, m))
        for b in rows:
            done[b] = False
            while not done[b]:
                c, slope, curvature, damping, definite = 0.0, 0.0, 0.0, mu[b], True
                for i in range(n):
                    v[b, horizon, i] = q[b, horizon, i]
                    for j in range(n):
                        P[i, j] = V[b, horizon, i, j] = 0.5 * (Q[b, horizon, i, j] + Q[b, horizon, j, i])
                for t in range(horizon - 1, -1, -1):
                    # M = [A B d]
                    for i in range(n):
                        for j in range(n):
                            M[i, j] = A[b, t, i, j]
                        for j in range(m):
                            M[i, n + j] = B[b, t, i, j]
                        M[i, p] = d[b, t, i]
                    # W = P M + [0 0 v], where P is V of the next stage
                    for first in range(0, depth, terms):
                        for i in range(n):
                            for j in range(width):
                                x = W[i, j] if first > 0 else 0.0
                                for a in range(terms):
                                    x += P[i, first + a] * M[first + a, j]
                                W[i, j] = x
                    for i in range(n):
                        c += d[b, t, i] * (v[b, t + 1, i] + 0.5 * W[i, p])
                        W[i, p] += v[b, t + 1, i]
                    # G = [A B]'W
                    for first in range(0, depth, terms):
                        for i in range(p):
                            for j in range(width):
                                if unroll and i < j < p:
                                    continue  # the upper half, which nobody reads
                                x = G[i, j] if first > 0 else 0.0
                                for a in range(terms):
                                    x += M[first + a, i] * W[first + a, j]
                                G[i, j] = x
                    # g = Q_u, U = Q_uu, H = Q_uu + mu (B'DB + D_u), E = Q_uz + mu B'DA: as if V were V + mu D (Tassa
                    # 2012, eq. 10), and D_u because B alone cannot lift a control that moves nothing. D = |diag V| and
                    # D_u, the sizes of the terms of diag Q_uu, make mu a number without units (Marquardt 1963).
                    for i in range(m):
                        g[i] = r[b, t, i] + G[n + i, p]
                        definite = definite and abs(g[i]) < np.inf
                        for j in range(n):
                            E[i, j] = S[b, t, i, j] + G[n + i, j]
                        for j in range(m):
                            U[i, j] = H[i, j] = R[b, t, max(i, j), min(i, j)] + G[n + max(i, j), n + min(i, j)]
                    if damping > 0.0:
                        for i in range(m):
                            size = abs(R[b, t, i, i])
                            for a in range(n):
                                size += abs(M[a, n + i] * W[a, n + i])
                                x = damping * abs(P[a, a]) * M[a, n + i]
                                for j in range(n):
                                    E[i, j] += x * M[a, j]
                                for j in range(m):
                                    H[i, j] += x * M[a, n + j]
                            H[i, i] += damping * (size if size > 0.0 else 1.0)
                    # LL' = H, J = L⁻¹, k = -J'J Q_u
                    for i in range(m):
                        free[i] = True
                    definite = definite and factor_free(H, free, L)
                    if not definite:
                        break
                    invert_factor(L, free, J)
                    for i in range(m):
                        work[0, i] = 0.0
                        for a in range(i + 1):
                            work[0, i] -= J[i, a] * g[a]
                    inside = True
                    for i in range(m):
                        x = 0.0
                        for a in range(i, m):
                            x += J[a, i] * work[0, a]
                        k[b, t, i] = x
                        inside = inside and low[b, t, i] <= x <= high[b, t, i]
                    if not inside:
                        if m == 1:
                            k[b, t, 0] = min(max(k[b, t, 0], low[b, t, 0]), high[b, t, 0])
                            free[0] = False
                        else:
                            box_qp(H, g, low[b, t], high[b, t], k[b, t], free, L, work)
                        invert_factor(L, free, J)
                    for i in range(m):
                        slope += k[b, t, i] * g[i]
                        for j in range(m):
                            curvature += 0.5 * k[b, t, i] * U[i, j] * k[b, t, j]
                    # Y = J E, K = -J'Y, both with zero rows where a limit is active
                    for i in range(m):
                        for j in range(wide):
                            x = 0.0
                            for a in range(m):
                                x += J[i, a] * E[a, j]
                            Y[i, j] = x
                    for i in range(m):
                        for j in range(wide):
                            x = 0.0
                            for a in range(m):
                                x -= J[a, i] * Y[a, j]
                            K[b, t, i, j] = x
                    # v = Q_z + Q_uz'k + K'(Q_uu k + Q_u) and V = Q_zz + K'Q_uu K + K'Q_uz + Q_uz'K, for any K and k.
                    # Where H is Q_uu, V is Q_zz - Y'Y and the last part of v is zero, also on active limits.
                    for j in range(wide):
                        x = q[b, t, j] + G[j, p]
                        for a in range(m):
                            x += (S[b, t, a, j] + G[n + a, j]) * k[b, t, a]
                        v[b, t, j] = x
                    if damping > 0.0:
                        for i in range(m):
                            for a in range(m):
                                g[i] += U[i, a] * k[b, t, a]
                            for j in range(n):
                                v[b, t, j] += K[b, t, i, j] * g[i]
                                Y[i, j] = S[b, t, i, j] + G[n + i, j]  # Q_uz + ½ Q_uu K
                                for a in range(m):
                                    Y[i, j] += 0.5 * U[i, a] * K[b, t, a, j]
                        for i in range(n):
                            for j in range(n):
                                W[i, j] = Q[b, t, i, j] + G[i, j]
                                for a in range(m):
                                    W[i, j] += K[b, t, a, i] * Y[a, j] + Y[a, i] * K[b, t, a, j]
                    else:
                        for i in range(n):
                            for j in range(i + 1 if unroll else wide):
                                x = Q[b, t, i, j] + G[i, j]
                                for a in range(m):
                                    x -= Y[a, i] * Y[a, j]
                                W[i, j] = x
                    for i in range(n):
                        for j in range(i + 1):
                            P[i, j] = P[j, i] = V[b, t, i, j] = V[b, t, j, i] = W[i, j]
                parts[b, 0], parts[b, 1], parts[b, 2] = c, slope, curvature
                done[b] = definite and abs(c) + abs(slope) + abs(curvature) < np.inf
                if not done[b]:
                    if mu[b] >= MU_MOST:
                        K[b], k[b] = 0.0, 0.0
                        break
                    growth[b] = max(GROWTH, growth[b] * GROWTH)
                    mu[b] = max(MU_LEAST, mu[b] * growth[b])

    return run


def backward(rows: Ints, local: Local, mu: Array, growth: Array, policy: Policy, done: Bools) -> None:
    """Do the backward passes of the named rows; where one fails, its mu (b,) rises until one succeeds, or to its most.

    At each stage k = argmin ½ k'Hk + Q_u'k within the limits, and K is the same on the free set; V and v follow. With
    mu = 0 and no limits this is the Riccati recursion of affine LQR. ``growth`` (b,) is the schedule's state. ``done``
    (b,) says where the policy was written: all H are positive definite there; elsewhere K and k are zero.
    """
    n, m = local.B.shape[2:]
    # The arrays one by one: a tuple of them takes twice as long to hand over as to work through ten stages.
    backward_pass(n if n <= UNROLLED_STATES else 0, m)(rows, *local, *policy, mu, growth, done)


def solve(local: Local) -> tuple[Policy, Array]:
    """Return the policies that solve LQ problems, and the regularisation mu (b,) that they needed: zero if convex."""
    b, horizon, n, m = local.B.shape
    policy, mu, done = blank_policy(b, horizon, n, m), np.zeros(b), np.zeros(b, np.bool_)
    growth = np.zeros(b)  # as good as one: growth begins with its least factor
    backward(np.arange(len(mu)), local, mu, growth, policy, done)
    return policy, mu


@any_order
def finite(A: Array, B: Array, d: Array, q: Array, r: Array, Q: Array, R: Array, S: Array) -> bool:
    """Return whether all numbers of an LQ problem are finite: nothing times each of them is."""
    nothing = 0.0
    for part in (A.ravel(), B.ravel(), d.ravel(), q.ravel(), r.ravel(), Q.ravel(), R.ravel(), S.ravel()):
        for i in range(part.shape[0]):
            nothing += 0.0 * part[i]
    return nothing == 0.0


@compiled
def settle(
    rows: Ints,
    fresh: Bools,
    done: Bools,
    parts: Array,
    V: Array,
    states: Array,
    value: Array,
    tolerance: float,
    nothing: float,
    reason: Ints,
    reasons: tuple[int, int, int],
) -> bool:
    """Write why rows stop after a backward pass: ``reasons`` for one that converged, one without policy, and a doubt.

    Converged is what has little to gain, where mu was zero before (``fresh``): mu makes the promised gain small. In
    doubt is a row whose value is ``nothing`` beside what the initial state weighs, where rounding decides. Returns
    whether there is one.
    """
    converged, failed, doubtful = reasons
    doubt = False
    for b in rows:
        size, weight = abs(value[b]), 0.0
        for i in range(states.shape[2]):
            weight += abs(V[b, 0, i, i] * states[b, 0, i] ** 2)
        if not done[b]:
            reason[b] = failed
        elif fresh[b] and -(parts[b, 0] + parts[b, 1] + parts[b, 2]) <= tolerance * size:
            reason[b] = converged
        elif fresh[b] and size <= nothing * weight:
            reason[b], doubt = doubtful, True
    return doubt


@compiled
def affine_rollout(A: Array, B: Array, o: Array, K: Array, k: Array, states: Array, controls: Array) -> bool:
    """Roll out u = K z + k, z' = A z + B u + o from states[:, 0], all rows; write states (b, T + 1, n), controls.

    Returns whether all are finite, and with them all that they were computed from.
    """
    n, size = states.shape[2], 0.0
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
                size += abs(total)
    return size < np.inf
