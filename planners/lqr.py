"""Finite-horizon linear quadratic regulation, time-varying and affine; `riccati.py` has the recursion to read."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from e2c_control.errors import InputError
from e2c_control.planners.checks import Array, real
from e2c_control.planners.costs import Expansion, expansion_shapes
from e2c_control.planners.dynamics import Linearization


@dataclass(frozen=True, eq=False)
class AffinePolicy:
    """u_t = K_t z + k_t, optimal for N linear quadratic problems, and the cost-to-go ½ z'P_t z + p_t'z + c of time t.

    The constant is given for t = 0: the cost of a problem is ½ z_0'P_0 z_0 + p_0'z_0 + c.
    """

    K: Array  # (N, T, m, n)
    k: Array  # (N, T, m)
    P: Array  # (N, T + 1, n, n)
    p: Array  # (N, T + 1, n)
    c: Array  # (N,)

    def rollout(self, model: Linearization, initial_states: ArrayLike) -> tuple[Array, Array]:
        """Return states (N, T + 1, n) and controls (N, T, m) of this policy in ``model`` from initial states (N, n)."""
        n_problems, horizon, m, n = self.K.shape
        from e2c_control.planners import kernels

        states, controls = np.empty((n_problems, horizon + 1, n)), np.empty((n_problems, horizon, m))
        states[:, 0] = real("the initial states", initial_states, (n_problems, n))
        matrices = _matrices(model, self.K.shape, finite=False)
        if not kernels.affine_rollout(*matrices, self.K, self.k, states, controls):
            _matrices(model, self.K.shape)  # may be the reason
        return states, controls


def lqr(model: Linearization, cost: Expansion) -> AffinePolicy:
    """Return the policy that minimises ``cost`` under z_{t+1} = A_t z_t + B_t u_t + o_t, for N problems and no limits.

    Arguments: ``model`` with A (N, T, n, n), B (N, T, n, m), o (N, T, n); ``cost``, an expansion around zero, with
    b = N rows. Cost: one Riccati recursion. Raises InputError when the shapes disagree, or when no unique minimum
    exists because R_t + B'P_{t+1}B is not positive definite at some t.
    """
    from e2c_control.planners import kernels  # numba is only loaded when it is needed

    shape = np.shape(model.B)
    if len(shape) != 4 or not min(shape):
        real("B of the model", model.B, (None, None, None, None))
        raise InputError(f"The model lacks problems, steps, states or controls: its B has shape {shape}.")
    free = np.zeros((*shape[:2], shape[3])) + np.inf
    local = kernels.Local(*[*_parts(model, cost, shape, finite=False), -free, free])
    if not kernels.finite(*local[:8]):
        _parts(model, cost, shape)
    policy, mu = kernels.solve(local)
    if np.count_nonzero(mu):  # a positive one means that the problem itself had no solution
        raise InputError(
            f"LQ problem {int(mu.argmax())} has no unique minimum: make the control weight positive definite."
        )
    return AffinePolicy(policy.K, policy.k, policy.V, policy.v, np.add.reduce(policy.parts, 1))


def _parts(model: Linearization, cost: Expansion, shape: tuple[int, ...], *, finite: bool = True) -> list[Array]:
    """Return A, B, o, q, r, Q, R and S, once they fit B's ``shape`` (N, T, n, m) and are finite, if that is asked."""
    n_problems, horizon, n, m = shape
    parts = expansion_shapes(n_problems, horizon, n, m).items()
    return [
        *_matrices(model, (n_problems, horizon, m, n), finite=finite),
        *(real(f"{name} of the cost", getattr(cost, name), size, finite=finite) for name, size in parts),
    ]


def _matrices(model: Linearization, shape: tuple[int, ...], *, finite: bool = True) -> tuple[Array, Array, Array]:
    """Return A, B and o of the model, once they fit gains of ``shape`` (N, T, m, n)."""
    n_problems, horizon, m, n = shape
    A = real("A of the model", model.A, (n_problems, horizon, n, n), finite=finite)
    B = real("B of the model", model.B, (n_problems, horizon, n, m), finite=finite)
    return A, B, real("o of the model", model.o, (n_problems, horizon, n), finite=finite)
