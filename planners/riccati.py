"""The Riccati recursion as one writes it down, which the compiled kernel (`kernels.backward`) is tested against.

Read this first. The kernel computes the same, and also: limits on the controls (a box QP instead of the solve below),
regularisation where a Hessian is not positive definite, and all of it in scalar loops, without temporary arrays.
"""

from typing import NamedTuple

import numpy as np

from e2c_control.planners.checks import Array


class Stage(NamedTuple):
    """One time of an LQ problem: z' = A z + B u + d at the cost q'z + r'u + ½ z'Q z + ½ u'R u + u'S z."""

    A: Array  # (n, n)
    B: Array  # (n, m)
    d: Array  # (n,)
    q: Array  # (n,)
    r: Array  # (m,)
    Q: Array  # (n, n)
    R: Array  # (m, m)
    S: Array  # (m, n)


def riccati_step(stage: Stage, V: Array, v: Array, c: float) -> tuple[Array, Array, Array, Array, float]:
    """Return the best u = K z + k at a stage, and the cost ½ z'V z + v'z + c from there on: K, k, V, v, c.

    Arguments: ``V`` (n, n), ``v`` (n,) and ``c`` of the next stage. Bellman's equation, with the next state put into
    the cost of what follows:

        Q(z, u) = q'z + r'u + ½ z'Q z + ½ u'R u + u'S z + ½ z''V z' + v'z' + c,  z' = A z + B u + d.

    It is quadratic in u, so its minimum is where the derivative Q_uz z + Q_uu u + Q_u is zero, for every z at once.
    """
    A, B, d, q, r, Q, R, S = stage
    w = v + V @ d  # slope of the cost that follows, at z' = d
    Q_z, Q_u = q + A.T @ w, r + B.T @ w
    Q_zz, Q_uz, Q_uu = Q + A.T @ V @ A, S + B.T @ V @ A, R + B.T @ V @ B
    gains = np.asarray(-np.linalg.solve(Q_uu, np.column_stack((Q_uz, Q_u))), dtype=np.float64)
    K, k = gains[:, :-1], gains[:, -1]
    now = float(c + d @ v + 0.5 * d @ V @ d + 0.5 * Q_u @ k)
    return K, k, Q_zz + Q_uz.T @ K, Q_z + Q_uz.T @ k, now
