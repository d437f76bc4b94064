"""Dynamics written in torch: a module or function of a user's own, with derivatives by autograd.

This module imports torch, and so is loaded only when a name of it is asked for: ``from e2c_control.planners import
TorchDynamics``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from e2c_control.errors import InputError, of_class
from e2c_control.fields import Count, checked
from e2c_control.planners.checks import Array
from e2c_control.planners.dynamics import Linearization

# States (b, n) and controls (b, m) to the next states (b, n), row by row, by differentiable operations of torch.
TorchStep = Callable[[Tensor, Tensor], Tensor]


class TorchDynamics:
    """Dynamics of a ``torch.nn.Module`` or a torch function, for all planners; local models come from autograd.

    Arguments: ``step`` takes states (b, n) and controls (b, m) to the next states (b, n), each row by itself; it is a
    module, a method of one, or a function. ``device`` and ``dtype`` of the tensors that ``step`` is called with are by
    default those of the module's weights; without weights, the CPU and float64.

    A module is called in evaluation mode and with its present weights; its training flags are put back, and its weights
    get no gradients. Each call moves its arrays to the device and the result back once. Plans are as exact as ``dtype``
    allows: a float32 module's have about six digits.

    Raises InputError when there is no such device or type, or the module's weights have another one.
    """

    @checked
    def __init__(
        self,
        step: TorchStep,
        state_dim: Count,
        control_dim: Count,
        *,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        owner = getattr(step, "__self__", step)
        self._step, self._module = step, owner if isinstance(owner, nn.Module) else None
        self.state_dim, self.control_dim = state_dim, control_dim
        try:
            self._blank = torch.empty(0, device=device, dtype=dtype or torch.float64)
        except (RuntimeError, AssertionError, TypeError) as error:
            raise InputError(f"device is {device!r} and dtype {dtype!r}: torch has no such tensors here.") from error
        if not self._blank.is_floating_point():
            raise InputError(f"dtype is {dtype}: give a real one, such as torch.float32.")
        for name, given in (("device", device), ("dtype", dtype)):
            wanted, own = getattr(self._blank, name), getattr(self._like, name)
            if given is not None and own != wanted:
                raise InputError(
                    f"{name} is {wanted}, but the module's weights have {own}: leave it out, or use .to()."
                )

    def step(self, states: Array, controls: Array) -> Array:
        with self._evaluating(), torch.no_grad():
            return as_array(next_states(self._step, *self._tensors(states, controls)))

    def rollout(self, initial_states: Array, controls: Array) -> Array:
        with self._evaluating(), torch.no_grad():
            return as_array(rollout(self._step, *self._tensors(initial_states, controls)))

    def linearize(self, states: Array, controls: Array) -> Linearization:
        with self._evaluating():
            after, A, B = jacobians(self._step, *self._tensors(states, controls))
        model, n = as_array(torch.cat((A, B, after.unsqueeze(-1)), 2)), self.state_dim
        A, B = np.ascontiguousarray(model[..., :n]), np.ascontiguousarray(model[..., n:-1])
        drift = model[..., -1] - np.einsum("bij,bj->bi", A, states) - np.einsum("bij,bj->bi", B, controls)
        return Linearization(A, B, drift)

    @property
    def _like(self) -> Tensor:
        """Tensor with the device and type to work with."""
        weights = () if self._module is None else self._module.parameters()
        return next((weight for weight in weights if weight.is_floating_point()), self._blank)

    def _tensors(self, *arrays: Array) -> list[Tensor]:
        like = self._like
        return [torch.tensor(values, dtype=like.dtype, device=like.device) for values in arrays]

    @contextmanager
    def _evaluating(self) -> Generator[None]:
        """Switch off dropout and batch statistics for a while, whatever the module is doing otherwise."""
        parts = () if self._module is None else self._module.modules()
        training = [part for part in parts if part.training]
        for part in training:
            part.training = False
        try:
            yield
        finally:
            for part in training:
                part.training = True


def next_states(step: TorchStep, states: Tensor, controls: Tensor) -> Tensor:
    """Return what the step makes of states (b, n) and controls (b, m); another shape than (b, n) raises InputError."""
    after = of_class("what step returns", step(states.clone(), controls.clone()), Tensor)  # it may write into them
    if after.shape != states.shape:
        raise InputError(f"step must return the next states {tuple(states.shape)}, but returns {tuple(after.shape)}.")
    return after


def rollout(step: TorchStep, initial_states: Tensor, controls: Tensor) -> Tensor:
    """Return trajectories (N, T + 1, n) from states (N, n) under controls (N, T, m)."""
    states = [initial_states]
    for t in range(controls.shape[1]):
        states.append(next_states(step, states[-1], controls[:, t]))
    return torch.stack(states, 1)


def jacobians(step: TorchStep, states: Tensor, controls: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the next states f (b, n) with A = df/dz (b, n, n) and B = df/du (b, n, m), without gradients.

    Rows do not influence each other, so the derivative of a sum over the batch is that of each row: n sums are derived
    at once, in one backward pass that is vectorised over them.
    """
    n = states.shape[1]
    with torch.inference_mode(False), torch.enable_grad():
        z, u = (given.detach().clone().requires_grad_() for given in (states, controls))
        after = next_states(step, z, u)
        if not after.requires_grad:
            raise InputError(
                "What step returns has no derivative: keep to torch's operations, without no_grad or detach."
            )
        each = torch.eye(n, dtype=after.dtype, device=after.device)[:, None].expand(n, len(z), n)
        found = torch.autograd.grad(after, (z, u), each, is_grads_batched=True, allow_unused=True)
    # None where the step does not use an argument, which torch's types do not know.
    derivatives = zip(cast(tuple[Tensor | None, ...], found), (z, u), strict=True)
    A, B = (x.new_zeros(n, *x.shape) if part is None else part for part, x in derivatives)
    return after.detach(), A.transpose(0, 1), B.transpose(0, 1)


def as_array(values: Tensor) -> Array:
    """Return a tensor's numbers as float64, without gradients."""
    return values.detach().cpu().double().numpy()
