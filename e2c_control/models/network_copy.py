"""A small trained network for planners: float64 NumPy, batched, with outputs and their exact derivatives."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from e2c_control.planners.dynamics import rollout_by_steps

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


class NetworkCopy:
    """Linear layers with SiLU between them, copied: later training of the original does not change it.

    Args:
        body: hidden layers, as `layers.mlp` makes them.
        head: the last layer.
        constant: whether the outputs are those of the origin, whatever the inputs.
    """

    def __init__(self, body: nn.Sequential, head: nn.Linear, constant: bool = False) -> None:
        linears = [layer for layer in body if isinstance(layer, nn.Linear)] + [head]
        self._layers = [(_copy(layer.weight), _copy(layer.bias)) for layer in linears]
        if constant:
            self._layers[0] = (np.zeros_like(self._layers[0][0]), self._layers[0][1])

    @property
    def widths(self) -> list[int]:
        """Widths of all layers, from the inputs to the outputs."""
        return [weight.shape[1] for weight, _ in self._layers] + [len(self._layers[-1][1])]

    @property
    def flat(self) -> Array:
        """Each layer's transposed weight (in, out) and bias (out,), one after another."""
        return np.concatenate([part.ravel() for weight, bias in self._layers for part in (weight.T, bias)])

    def outputs(self, inputs: Array) -> Array:
        """Return outputs (N, o) of inputs (N, i)."""
        h = inputs
        for weight, bias in self._layers[:-1]:
            h = h @ weight.T + bias
            h *= _sigmoid(h)
        return h @ self._layers[-1][0].T + self._layers[-1][1]

    def outputs_and_tangents(self, inputs: Array) -> tuple[Array, Array]:
        """Return outputs (N, o) of inputs (N, i), and their derivatives (N, i, o).

        Forward mode: beside the values, the network carries their derivative by each input. All of them are rows of one
        matrix product a layer, (1 + i) N of them, because many small products take twice as long.
        """
        n, size = inputs.shape
        rows = np.empty((1 + size, n, size))  # the values, and then their derivative by each input
        rows[0], rows[1:] = inputs, np.eye(size)[:, None]
        for weight, bias in self._layers[:-1]:
            rows = self._product(rows, weight)
            rows[0] += bias
            s = _sigmoid(rows[0])
            slope = s * (1.0 + rows[0] * (1.0 - s))  # of x s(x)
            rows[0] *= s
            rows[1:] *= slope
        weight, bias = self._layers[-1]
        rows = self._product(rows, weight)
        return rows[0] + bias, rows[1:].swapaxes(0, 1)

    @staticmethod
    def _product(rows: Array, weight: Array) -> Array:
        return (rows.reshape(-1, rows.shape[-1]) @ weight.T).reshape(*rows.shape[:-1], -1)


class CopiedTransition:
    """Base of the planners' copies of transitions; a subclass adds `step` and `linearize`."""

    def __init__(self, latent_dim: int, action_dim: int, noise_log_var: torch.Tensor | None) -> None:
        self._k, self._m = latent_dim, action_dim
        self._noise = np.zeros(latent_dim) if noise_log_var is None else np.exp(_copy(noise_log_var))

    @property
    def state_dim(self) -> int:
        return self._k

    @property
    def control_dim(self) -> int:
        return self._m

    def step(self, states: Array, controls: Array) -> Array:
        """Return the next latents (N, k) of latents (N, k) under actions (N, m)."""
        raise NotImplementedError

    def rollout(self, initial_states: Array, controls: Array) -> Array:
        """Return trajectories (N, T + 1, k) of latents (N, k) under actions (N, T, m)."""
        return rollout_by_steps(self.step, initial_states, controls)

    def noise_covariance(self, states: Array, controls: Array) -> Array:
        """Return the covariance H of the transition's process noise, (N, k, k)."""
        return np.broadcast_to(np.diag(self._noise), (len(states), self._k, self._k))


def _sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)); exp(-x) may be infinite, which gives zero."""
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(-x))  # half the time of the hyperbolic tangent


def _copy(tensor: torch.Tensor) -> Array:
    return tensor.detach().cpu().double().numpy().copy()
