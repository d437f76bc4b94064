"""A trained locally linear transition for planners: float64 NumPy, batched, without torch in the loop.

A latent has two to eight dimensions, where the overhead of a torch call is a hundred times its arithmetic. The weights
are copied once; a rollout is then a few small matrix products per step for all candidates at once.

The step is z' = A(z) z + B(z) u + o(z), so the network's A is not its derivative:

    dz'/dz = A(z) + (dA/dz) z + (dB/dz) u + do/dz.

Planners that linearise with the model's A (Watter et al. 2015) ignore the last three terms, here called drift. With
`linearization="jacobian"` they are added, and o is changed so that the linear model still equals the step at (z, u).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from e2c_control.models.matrix_network import LocallyLinearTransition
from e2c_control.models.network_copy import Array, CopiedTransition, Ints, NetworkCopy
from e2c_control.planners.dynamics import Linearization
from e2c_control.planners.lowered import Lowered


def latent_step(parameters: Array, sizes: Ints, state: Array, control: Array, after: Array) -> None:
    """Write z' = A(z) z + B(z) u + o(z) of one latent into `after`, in the subset of Python that Numba compiles.

    ``sizes`` is the rank of A - I (0 if it is full) and then the widths of all layers from latent to head;
    ``parameters`` holds each layer's transposed weight (in, out) and bias (out,), one after another.
    """
    k, m, rank, last, at = state.shape[0], control.shape[0], sizes[0], sizes.shape[0] - 1, 0
    h = state
    for layer in range(1, last):
        n_in, n_out = sizes[layer], sizes[layer + 1]
        bias = at + n_in * n_out
        W, x = parameters[at:bias].reshape(n_in, n_out), parameters[bias : bias + n_out].copy()
        for i in range(n_in):  # rows of the transposed weight: the inner loop runs along memory
            y = h[i]
            for j in range(n_out):
                x[j] += y * W[i, j]
        if layer < last - 1:
            for j in range(n_out):
                x[j] /= 1.0 + np.exp(-x[j])
        h, at = x, bias + n_out
    B, o = h.shape[0] - k - k * m, h.shape[0] - k
    for i in range(k):
        after[i] = state[i] + h[o + i]
        for j in range(m):
            after[i] += h[B + i * m + j] * control[j]
        if rank == 0:
            for j in range(k):
                after[i] += h[i * k + j] * state[j]
    for p in range(rank):  # A = I + V R' with V and R (k, rank)
        y = 0.0
        for j in range(k):
            y += h[(k + j) * rank + p] * state[j]
        for i in range(k):
            after[i] += h[i * rank + p] * y


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
        self._network = NetworkCopy(transition.body, transition.head, constant=transition.form == "global")
        self._rank = None if transition.free else transition.rank
        self._exact = linearization == "jacobian"

    def step(self, states: Array, controls: Array) -> Array:
        """Return the next latents (N, k) of latents (N, k) under actions (N, m)."""
        A, B, o = self._matrices(self._network.outputs(states))
        return np.einsum("nij,nj->ni", A, states) + np.einsum("nij,nj->ni", B, controls) + o

    def lower(self) -> Lowered:
        """Return the step for the compiled engine; local models stay in NumPy, one batched call for a whole plan."""
        return Lowered(latent_step, self._network.flat, np.array([self._rank or 0, *self._network.widths], np.int64))

    def linearize(self, states: Array, controls: Array) -> Linearization:
        """Return A (N, k, k), B (N, k, m), o (N, k) at latents (N, k) and actions (N, m)."""
        if not self._exact:
            return Linearization(*self._matrices(self._network.outputs(states)))
        p, tangents = self._network.outputs_and_tangents(states)
        A, B, o = self._matrices(p)
        drift = self._drift(states, controls, p, tangents)
        return Linearization(A + drift, B, o - np.einsum("nij,nj->ni", drift, states))

    def _matrices(self, p: Array) -> tuple[Array, Array, Array]:
        a, b, o = self._split(p)
        v, r = (a, a) if self._rank is None else self._factors(a)
        A = a.reshape(-1, self._k, self._k).copy() if self._rank is None else v @ r.swapaxes(-1, -2)
        A[:, range(self._k), range(self._k)] += 1.0
        return A, b.reshape(-1, self._k, self._m), o

    def _split(self, p: Array) -> tuple[Array, Array, Array]:
        b, o = self._k * self._m, self._k
        return p[..., : -b - o], p[..., -b - o : -o], p[..., -o:]

    def _factors(self, a: Array) -> tuple[Array, Array]:
        halves = a.reshape(*a.shape[:-1], 2, self._k, self._rank or 1)
        return halves[..., 0, :, :], halves[..., 1, :, :]

    def _drift(self, states: Array, controls: Array, p: Array, tangents: Array) -> Array:
        """Return (dA/dz) z + (dB/dz) u + do/dz, (N, k, k): the terms of the Jacobian that the model's A leaves out."""
        n, k = states.shape
        da, db, do = self._split(tangents)  # [sample, input coordinate, ...]
        if self._rank is None:
            dA = da.reshape(n, k, k, k)
        else:
            v, r = self._factors(self._split(p)[0])
            dv, dr = self._factors(da)
            dA = np.einsum("nlip,njp->nlij", dv, r) + np.einsum("nip,nljp->nlij", v, dr)
        change = np.einsum("nlij,nj->nli", dA, states) + do
        change += np.einsum("nlij,nj->nli", db.reshape(n, k, k, self._m), controls)
        return change.swapaxes(1, 2)
