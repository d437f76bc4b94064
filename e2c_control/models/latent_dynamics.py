"""A trained locally linear transition for planners: float64 NumPy, batched, without torch in the loop.

A latent has two to eight dimensions, where the overhead of a torch call is a hundred times its arithmetic. The weights
are copied once; a rollout is then a few small matrix products per step for all candidates at once.

The step is z' = A(z) z + B(z) u + o(z), so the network's A is not its derivative:

    dz'/dz = A(z) + (dA/dz) z + (dB/dz) u + do/dz.

Planners that linearise with the model's A (Watter et al. 2015) ignore the last three terms, here called drift. With
`linearization="jacobian"` they are added, and o is changed so that the linear model still equals the step at (z, u).
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import numpy as np

from e2c_control.models.matrix_network import LocallyLinearTransition
from e2c_control.models.network_copy import Array, CopiedTransition, NetworkCopy
from e2c_control.planners.dynamics import Linearization
from e2c_control.planners.lowered import Lowered


class LatentDynamics(CopiedTransition):
    """z' = A(z) z + B(z) u + o(z) with u in the environment's action units.

    Args:
        transition: the trained network; later changes of it are not seen.
        linearization: "model" takes the network's A, B, o; "jacobian" adds their derivatives in z to A.
    """

    def __init__(
        self, transition: LocallyLinearTransition, linearization: Literal["model", "jacobian"] = "model"
    ) -> None:
        super().__init__(transition.latent_dim, transition.action_dim, transition.noise_log_var)
        k, m, self._rank = self._k, self._m, 0 if transition.free else transition.rank
        factors = 2 * k * self._rank or k * k
        each = np.arange(factors + k * m + k)
        a, b, o = each[:factors], each[factors:-k].reshape(k, m), each[-k:, None]
        # The network's outputs, stored matrix by matrix, in the order of [A - I, B, o]; factors of A - I stay in front.
        order = (a, np.hstack((b, o)).ravel()) if self._rank else (np.hstack((a.reshape(k, k), b, o)).ravel(),)
        constant = transition.form == "global"
        self._network = NetworkCopy(transition.body, transition.head, constant, np.concatenate(order))
        self._exact, self._identity = linearization == "jacobian", np.eye(k)

    def step(self, states: Array, controls: Array) -> Array:
        """Return the next latents (N, k) of latents (N, k) under actions (N, m)."""
        change = self._affine(self._network.outputs(states))
        return states + np.einsum("nij,nj->ni", change, self._with_one(states, controls))

    def lower(self) -> Lowered:
        """Return the step for the compiled engine; local models stay in NumPy, one batched call for a whole plan."""
        return self._lowered

    @cached_property
    def _lowered(self) -> Lowered:
        from e2c_control.models.network_kernels import latent_step  # loads numba: not before

        return Lowered(latent_step, self._network.flat, np.array([self._rank, *self._network.widths], np.int64))

    def linearize(self, states: Array, controls: Array) -> Linearization:
        """Return A (N, k, k), B (N, k, m), o (N, k) at latents (N, k) and actions (N, m)."""
        outputs, slopes = self._network.outputs_and_slopes(states)
        change = self._affine(outputs)
        A, B, o = change[..., : self._k] + self._identity, change[..., self._k : -1], change[..., -1]
        if not self._exact:
            return Linearization(A, B, o)
        drift = self._network.pulled_back(self._influence(outputs, states, controls), slopes).swapaxes(0, 1)
        return Linearization(A + drift, B, o - np.einsum("nij,nj->ni", drift, states))

    def _affine(self, outputs: Array) -> Array:
        """Return [A - I, B, o] (N, k, k + m + 1) of the network's outputs (N, o)."""
        rest = outputs[:, 2 * self._k * self._rank :].reshape(len(outputs), self._k, -1)
        if not self._rank:
            return rest
        v, r = self._factors(outputs)
        return np.concatenate((v @ r.swapaxes(1, 2), rest), axis=-1)

    def _factors(self, outputs: Array) -> Array:
        """Return V and R (N, k, rank) of A = I + V R'."""
        return outputs[:, : 2 * self._k * self._rank].reshape(-1, 2, self._k, self._rank).swapaxes(0, 1)

    def _influence(self, outputs: Array, states: Array, controls: Array) -> Array:
        """Return the derivatives (k, N, o) of the next latent's coordinates by the network's outputs (N, o)."""
        (n, k), rank = states.shape, self._rank
        influence = np.zeros((k, *outputs.shape))
        rows = influence[..., 2 * k * rank :].reshape(k, n, k, -1)  # coordinate i sees row i of [A - I, B, o]
        row = self._with_one(states, controls)
        for i in range(k):
            rows[i, :, i] = row[:, -rows.shape[-1] :]
        if rank:
            v, r = self._factors(outputs)
            of_v, of_r = influence[..., : 2 * k * rank].reshape(k, n, 2, k, rank).transpose(2, 0, 1, 3, 4)
            of_v[range(k), :, range(k)] = np.einsum("njp,nj->np", r, states)
            of_r[:] = np.einsum("nip,nj->injp", v, states)
        return influence

    def _with_one(self, states: Array, controls: Array) -> Array:
        """Return (z, u, 1), what [A, B, o] multiplies."""
        row = np.ones((len(states), self._k + self._m + 1))
        row[:, : self._k], row[:, self._k : -1] = states, controls
        return row
