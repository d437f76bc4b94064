"""A trained non-linear transition as planners see it: float64 NumPy, batched, and a kernel for the compiled engine."""

from __future__ import annotations

import numpy as np
from torch import nn

from e2c_control.models.latent_dynamics import Array, Ints, numpy_copy, sigmoid
from e2c_control.models.nonlinear import NonlinearTransition
from e2c_control.planners.dynamics import Linearization, rollout_by_steps
from e2c_control.planners.lowered import Lowered


def nonlinear_step(parameters: Array, sizes: Ints, state: Array, control: Array, after: Array) -> None:
    """z' = z + g(z, u) of one latent, in the subset of Python that the compiled engine takes.

    ``sizes`` holds the widths of all layers from (z, u) to g; ``parameters`` each layer's transposed weight (in, out)
    and bias (out,), one after another.
    """
    k, m, last, at = state.shape[0], control.shape[0], sizes.shape[0] - 1, 0
    h = np.empty(k + m)
    h[:k], h[k:] = state, control
    for layer in range(last):
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
    for i in range(k):
        after[i] = state[i] + h[i]


class NonlinearDynamics:
    """z' = z + g(z, u) with u in the environment's action units, linearised by its exact Jacobian.

    Args:
        transition: the trained network; later changes of it are not seen.
    """

    def __init__(self, transition: NonlinearTransition) -> None:
        linears = [layer for layer in transition.body if isinstance(layer, nn.Linear)] + [transition.head]
        self._layers = [(numpy_copy(layer.weight), numpy_copy(layer.bias)) for layer in linears]
        self._k, self._m = transition.latent_dim, transition.action_dim
        log_var = transition.noise_log_var
        self._noise = np.zeros(self._k) if log_var is None else np.exp(numpy_copy(log_var))

    @property
    def state_dim(self) -> int:
        return self._k

    @property
    def control_dim(self) -> int:
        return self._m

    def step(self, states: Array, controls: Array) -> Array:
        """Latents (N, k) and actions (N, m) to the next latents (N, k)."""
        h = np.concatenate((states, controls), axis=1)
        for weight, bias in self._layers[:-1]:
            h = h @ weight.T + bias
            h *= sigmoid(h)
        return states + h @ self._layers[-1][0].T + self._layers[-1][1]

    def rollout(self, initial_states: Array, controls: Array) -> Array:
        """Latents (N, k) and actions (N, T, m) to trajectories (N, T + 1, k)."""
        return rollout_by_steps(self.step, initial_states, controls)

    def lower(self) -> Lowered:
        """The step for the compiled engine; local models stay with NumPy, one batched call for all of a plan."""
        widths = [weight.shape[1] for weight, _ in self._layers] + [self._k]
        flat = [part.ravel() for weight, bias in self._layers for part in (weight.T, bias)]
        return Lowered(nonlinear_step, np.concatenate(flat), np.array(widths, np.int64))

    def linearize(self, states: Array, controls: Array) -> Linearization:
        """A (N, k, k), B (N, k, m), o (N, k) of the tangent at latents (N, k) and actions (N, m)."""
        h = np.concatenate((states, controls), axis=1)
        size = self._k + self._m
        tangents = np.broadcast_to(np.eye(size), (len(states), size, size))  # [sample, input coordinate, unit]
        for weight, bias in self._layers[:-1]:
            x = h @ weight.T + bias
            s = sigmoid(x)
            tangents = (tangents @ weight.T) * (s * (1.0 + x * (1.0 - s)))[:, None, :]
            h = x * s
        weight, bias = self._layers[-1]
        J = (tangents @ weight.T).swapaxes(1, 2)
        A, B = J[:, :, : self._k] + np.eye(self._k), J[:, :, self._k :]
        moved = states + h @ weight.T + bias
        o = moved - np.einsum("nij,nj->ni", A, states) - np.einsum("nij,nj->ni", B, controls)
        return Linearization(A, B, o)

    def noise_covariance(self, states: Array, controls: Array) -> Array:
        """The transition's process noise H, (N, k, k)."""
        return np.broadcast_to(np.diag(self._noise), (len(states), self._k, self._k))
