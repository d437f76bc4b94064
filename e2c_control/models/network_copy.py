"""A small trained network for planners: float64 NumPy, batched, with outputs and their exact derivatives."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

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
        order: of the outputs, where it is another.
    """

    def __init__(self, body: nn.Sequential, head: nn.Linear, constant: bool = False, order: Ints | None = None) -> None:
        linears = [layer for layer in body if isinstance(layer, nn.Linear)] + [head]
        self._layers = [(_copy(layer.weight), _copy(layer.bias)) for layer in linears]
        if constant:
            self._layers[0] = (np.zeros_like(self._layers[0][0]), self._layers[0][1])
        if order is not None:
            self._layers[-1] = (self._layers[-1][0][order], self._layers[-1][1][order])

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
            h = h @ weight.T
            h += bias
            h *= _sigmoid(h)
        return h @ self._layers[-1][0].T + self._layers[-1][1]

    def outputs_and_tangents(self, inputs: Array) -> tuple[Array, Array]:
        """Return outputs (N, o) of inputs (N, i), and their derivatives (N, i, o)."""
        rows = self.rows(inputs)
        return rows[0], rows[1:].swapaxes(0, 1)

    def rows(self, inputs: Array) -> Array:
        """Return outputs of inputs (N, i), and then their derivatives by each input, (1 + i, N, o).

        Forward mode: the network carries both from layer to layer.
        """
        activate, (weight, bias) = fastest_activation(), self._layers[0]
        rows = np.empty((1 + inputs.shape[1], len(inputs), len(bias)))
        rows[0], rows[1:] = inputs @ weight.T, weight.T[:, None]
        for weight, after in self._layers[1:]:
            activate(rows, bias)
            rows, bias = rows @ weight.T, after
        rows[0] += bias
        return rows


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


def activate(rows: Array, bias: Array) -> None:
    """Put SiLU(x + bias) in the place of x, ``rows[0]`` (N, n), and its derivatives in the place of those (i, N, n)."""
    rows[0] += bias
    s = _sigmoid(rows[0])
    rows[0] *= s
    rows[1:] *= s + rows[0] * (1.0 - s)  # the slope of x s(x)


@cache
def fastest_activation() -> Callable[[Array, Array], None]:
    """Return `activate` in machine code where numba is installed."""
    from e2c_control.planners.compiled import numba  # not before it is needed

    if numba is None:
        return activate
    from e2c_control.models import network_kernels

    return network_kernels.activate


def _sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)); exp(-x) may be infinite, which gives zero."""
    s = -x
    with np.errstate(over="ignore"):
        np.exp(s, out=s)  # half the time of the hyperbolic tangent
    s += 1.0
    return np.divide(1.0, s, out=s)


def _copy(tensor: torch.Tensor) -> Array:
    return tensor.detach().cpu().double().numpy().copy()
