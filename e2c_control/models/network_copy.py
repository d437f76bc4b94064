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
        outputs, slopes = self.outputs_and_slopes(inputs)
        each = np.broadcast_to(np.eye(outputs.shape[1])[:, None], (outputs.shape[1], *outputs.shape))
        return outputs, self.pulled_back(each, slopes).transpose(1, 2, 0)

    def outputs_and_slopes(self, inputs: Array) -> tuple[Array, list[Array]]:
        """Return outputs (N, o) of inputs (N, i), and the slope of each hidden unit there, (N, width) of each layer."""
        activate, h, slopes = fastest_activation(), inputs, list[Array]()
        for weight, bias in self._layers[:-1]:
            h = h @ weight.T
            slopes.append(np.empty(h.shape))
            activate(h, bias, slopes[-1])
        return h @ self._layers[-1][0].T + self._layers[-1][1], slopes

    def pulled_back(self, weights: Array, slopes: list[Array]) -> Array:
        """Return derivatives (r, N, i) by the inputs of sums of outputs with ``weights`` (r, N, o), in reverse mode."""
        for (weight, _), slope in zip(self._layers[:0:-1], slopes[::-1], strict=True):
            weights = weights @ weight
            weights *= slope
        return weights @ self._layers[0][0]

    def curvature(self, inputs: Array) -> tuple[Array, Array, Array]:
        """Return outputs (N,) of a network that has one, with their gradients (N, i) and Hessians (N, i, i).

        With y the output, h_l what enters the activation a of layer l, and J_l its derivative by the inputs, the
        Hessian is the sum over layers of J_l' diag(dy/da_l a''(h_l)) J_l: the J_l come from the inputs on, as in
        `outputs_and_tangents`, dy/da_l from the output back.
        """
        n, size = inputs.shape
        values, tangents, seen = inputs, np.broadcast_to(np.eye(size), (n, size, size)), list[tuple[Array, ...]]()
        for weight, bias in self._layers[:-1]:
            h, J = values @ weight.T + bias, tangents @ weight.T  # (N, w) and (N, i, w)
            s = _sigmoid(h)
            slope, bend = s * (1.0 + h * (1.0 - s)), s * (1.0 - s) * (2.0 + h * (1.0 - 2.0 * s))
            seen.append((J, slope, bend))
            values, tangents = h * s, J * slope[:, None]
        weight, bias = self._layers[-1]
        back, hessian = np.broadcast_to(weight[0], values.shape), np.zeros((n, size, size))
        for (J, slope, bend), (before, _) in zip(reversed(seen), reversed(self._layers[:-1]), strict=True):
            hessian += (J * (back * bend)[:, None]) @ J.swapaxes(1, 2)
            back = (back * slope) @ before
        return (values @ weight[0] + bias[0]), tangents @ weight[0], hessian


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


def activate(x: Array, bias: Array, slope: Array) -> None:
    """Put SiLU(x + bias) in the place of x (N, n), and write its slope (N, n)."""
    x += bias
    s = _sigmoid(x)
    x *= s
    slope[:] = s + x * (1.0 - s)


@cache
def fastest_activation() -> Callable[[Array, Array, Array], None]:
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
