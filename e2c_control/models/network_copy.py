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
        """Return outputs (N, o), and their derivatives (N, i, o) by each input."""
        n, size = inputs.shape
        h, tangents = inputs, np.broadcast_to(np.eye(size), (n, size, size))
        for weight, bias in self._layers[:-1]:
            x = h @ weight.T + bias
            s = _sigmoid(x)
            tangents = (tangents @ weight.T) * (s * (1.0 + x * (1.0 - s)))[:, None, :]
            h = x * s
        weight, bias = self._layers[-1]
        return h @ weight.T + bias, tangents @ weight.T


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
    """Return 1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def _copy(tensor: torch.Tensor) -> Array:
    return tensor.detach().cpu().double().numpy().copy()
