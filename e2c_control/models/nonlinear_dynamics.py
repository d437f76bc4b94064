"""A trained non-linear transition for planners: float64 NumPy, batched, and a kernel for the compiled engine."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from e2c_control.models.network_copy import Array, CopiedTransition, NetworkCopy
from e2c_control.models.nonlinear import NonlinearTransition
from e2c_control.planners.dynamics import Linearization
from e2c_control.planners.lowered import Lowered


class NonlinearDynamics(CopiedTransition):
    """z' = z + g(z, u) with u in the environment's action units, linearised by its exact Jacobian.

    Args:
        transition: the trained network; later changes of it are not seen.
    """

    def __init__(self, transition: NonlinearTransition) -> None:
        super().__init__(transition.latent_dim, transition.action_dim, transition.noise_log_var)
        self._network = NetworkCopy(transition.body, transition.head)

    def step(self, states: Array, controls: Array) -> Array:
        """Return the next latents (N, k) of latents (N, k) under actions (N, m)."""
        return states + self._network.outputs(np.concatenate((states, controls), axis=1))

    def lower(self) -> Lowered:
        """Return the step for the compiled engine; local models stay in NumPy, one batched call for a whole plan."""
        return self._lowered

    @cached_property
    def _lowered(self) -> Lowered:
        from e2c_control.models.network_kernels import nonlinear_step  # loads numba: not before

        return Lowered(nonlinear_step, self._network.flat, np.array(self._network.widths, np.int64))

    def linearize(self, states: Array, controls: Array) -> Linearization:
        """Return A (N, k, k), B (N, k, m), o (N, k) of the linearisation at latents (N, k) and actions (N, m)."""
        change, tangents = self._network.outputs_and_tangents(np.concatenate((states, controls), axis=1))
        J = tangents.swapaxes(1, 2)
        A, B = J[:, :, : self._k] + np.eye(self._k), J[:, :, self._k :]
        o = states + change - np.einsum("nij,nj->ni", A, states) - np.einsum("nij,nj->ni", B, controls)
        return Linearization(A, B, o)
