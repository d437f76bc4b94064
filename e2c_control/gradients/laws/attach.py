"""Autograd nodes with a given value and a given derivative.

An estimator computes its gradient estimate g in closed form, outside autograd. `attach` puts it into the graph: forward
returns the value unchanged, backward multiplies the incoming gradient with g and passes it on to the parameters, as if
the value had derivative g. `follow` does the same for a sample and its derivatives with respect to several inputs.

The given derivatives are constants, although they depend on the parameters. A second derivative would count them as 0
and be wrong, so it raises InputError.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from e2c_control.errors import InputError

Tensors = tuple[Tensor, ...]


def attach(values: Tensor, event_dims: int, gradients: Tensors, parameters: Tensors) -> Tensor:
    """Return values (*batch) unchanged; derivatives (*code) in the parameters are added to those of their own graph."""
    apply = cast(Callable[..., Tensor], _Attach.apply)
    return apply(values, event_dims, gradients, *parameters)


def follow(value: Tensor, slopes: Sequence[Tensor] | None, paths: Sequence[Tensor]) -> Tensor:
    """Return a constant value (S, *code) with given derivatives (`slopes`) in `paths`, each (*code) or (S, *code).

    Without slopes, the derivatives are 1: the straight-through trick.
    """
    apply = cast(Callable[..., Tensor], _Follow.apply)
    return apply(value, slopes, *paths)


class _Attach(torch.autograd.Function):
    """A single node in place of about ten for `(score * (f - b)).sum()`."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, event_dims: int, gradients: Tensors, *parameters: Tensor) -> Tensor:
        ctx.event_dims, ctx.gradients, ctx.parameters = event_dims, gradients, parameters
        return values.clone()

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        first = _once(outer[0], ctx.parameters)
        lifted = first.reshape(first.shape + (1,) * ctx.event_dims)
        return first, None, None, *(lifted * gradient for gradient in ctx.gradients)


class _Follow(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, slopes: Sequence[Tensor] | None, *paths: Tensor) -> Tensor:
        ctx.slopes, ctx.paths = slopes, paths
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        first = _once(outer[0], ctx.paths)
        moved = (
            [first] * len(ctx.paths)
            if ctx.slopes is None
            else [(first * slope).to(first.dtype) for slope in ctx.slopes]
        )
        return None, None, *(_over_samples(x, path.ndim) for x, path in zip(moved, ctx.paths, strict=True))


class _Refused(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *parameters: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> Tensor:  # pyright: ignore
        raise InputError(
            "An estimate has no second derivative: do not differentiate its gradient again, or use Reparameterisation "
            "of a Normal, whose second derivative is right."
        )


def _over_samples(x: Tensor, ndim: int) -> Tensor:
    if x.ndim == ndim:
        return x
    return x.squeeze(0) if len(x) == 1 else x.sum(0)


def _once(outer: Tensor, parameters: Tensors) -> Tensor:
    """Return the incoming gradient; under `create_graph`, make a second derivative through it raise InputError."""
    if not torch.is_grad_enabled():
        return outer
    apply = cast(Callable[..., Tensor], _Refused.apply)
    return apply(outer, *parameters)
