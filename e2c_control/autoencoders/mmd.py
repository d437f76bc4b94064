"""The maximum mean discrepancy between codes and a prior: an unbiased estimate, with its gradient, in blocks.

For codes q (n, d) and draws p (m, d) of the prior (Gretton et al. 2012, equation 3; Tolstikhin et al. 2018, algorithm
2):

    MMD² = sum_{i != j} k(q_i, q_j) / (n (n-1)) + sum_{i != j} k(p_i, p_j) / (m (m-1)) - 2 sum_{ij} k(q_i, p_j) / (n m)

The estimate is unbiased, hence negative in about half of all batches once the codes follow the prior. A clamp, a root
or a logarithm would bias it, so none is applied. Codes of any shape are flattened, because only the joint distribution
shows that channels depend on each other.

How it works: the pairs are visited in blocks. With D the squared distances of a block, one call of the kernel gives
k(D) for the sum and k'(D) for the gradient d/dq_i sum_j k(D_ij) = sum_j 2 k'_ij (q_i - q_j). The gradient is
accumulated in the forward pass and only scaled in the backward pass, so nothing of size n² is kept.
"""

from __future__ import annotations

from math import ceil
from typing import Any, cast

import torch
from torch import Tensor

from e2c_control.autoencoders.kernels import Gaussian, InverseMultiquadratic, Kernel
from e2c_control.autoencoders.priors import Prior, normal_prior
from e2c_control.errors import InputError

BLOCK = 2**22
"""Pairs of codes in a block. At most three matrices with so many entries are in memory."""


def mmd(codes: Tensor, draws: Tensor, kernel: Kernel | None = None, *, block: int = BLOCK) -> Tensor:
    """Return the unbiased estimate of MMD² between two sets of codes, a scalar; gradients flow into both.

    Args:
        codes: (n, ...), n >= 2; flattened to (n, d).
        draws: (m, ...), of the same shape but for m >= 2.
        kernel: the inverse multiquadratic mixture for N(0, I) in d dimensions, unless given.
        block: most pairs in a block; bounds the memory beside the O((n + m) d) of codes and gradients.

    Raises:
        InputError: fewer than two codes or draws, or shapes that differ.
    """
    if codes.shape[1:] != draws.shape[1:]:
        raise InputError(
            f"Codes of shape {tuple(codes.shape[1:])} cannot be compared with draws of shape {tuple(draws.shape[1:])}: "
            "draw from the prior with the shape of a code."
        )
    for name, given in (("codes", codes), ("draws", draws)):
        if len(given) < 2:
            raise InputError(f"An MMD needs two {name} or more, not {len(given)}: make the batch larger.")
    q, p = codes.reshape(len(codes), -1), draws.reshape(len(draws), -1)
    kernel = kernel or InverseMultiquadratic(normal_prior().base(q.shape[1]))
    with torch.autocast(q.device.type, enabled=False):  # distances are differences: half precision would lose them
        dtype = torch.promote_types(torch.promote_types(q.dtype, p.dtype), torch.float32)
        return cast(Tensor, cast(Any, _UStatistic).apply(q.to(dtype), p.to(dtype), kernel, block))


def prior_mmd(codes: Tensor, prior: Prior, generator: torch.Generator, kernel: Kernel | None = None) -> Tensor:
    """Return `mmd` between codes (n, ...) and as many draws of a prior, a scalar.

    Args:
        codes: of a deterministic encoder, or sampled from a random one: both are draws of the aggregate posterior.
        prior: the distribution that the codes should follow.
        generator: of the draws, on the device of the codes.
        kernel: the inverse multiquadratic mixture at the prior's base, unless given.
    """
    shape = codes.shape[1:]
    draws = prior.sample(len(codes), shape, generator).to(codes.device)
    return mmd(codes, draws, kernel or InverseMultiquadratic(prior.base(max(shape.numel(), 1))))


def median_base(codes: Tensor, draws: Tensor, most: int = 1000) -> float:
    """Return the variance of a Gaussian kernel by the authors' rule.

    It is the median squared distance between codes and draws plus that among codes.

    Args:
        codes: (n, ...).
        draws: (m, ...).
        most: rows of each that are used.
    """
    with torch.no_grad():
        q, p = codes[:most].flatten(1), draws[:most].flatten(1)
        return float(squared_distances(q, p).median() + squared_distances(q, q).median())


def median_gaussian(codes: Tensor, draws: Tensor) -> Gaussian:
    """Return the Gaussian kernel of `median_base`."""
    return Gaussian(median_base(codes, draws))


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Return |a_i - b_j|², (n, m), of rows (n, d) and (m, d), by one matrix product, clamped at zero."""
    centre = b.mean(0)  # differences stay, and what cancels gets small
    a, b = a - centre, b - centre
    squared = torch.addmm(a.square().sum(1, keepdim=True) + b.square().sum(1), a, b.mT, alpha=-2.0)
    return squared.clamp_(min=0.0)


class _UStatistic(torch.autograd.Function):
    """MMD² and its gradients in one pass over blocks of pairs; nothing of size n² outlives its block."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, p: Tensor, kernel: Kernel, block: int) -> Tensor:
        n, m = len(q), len(p)
        wanted_q, wanted_p = ctx.needs_input_grad[:2]
        grad_q = torch.zeros_like(q) if wanted_q else None
        grad_p = torch.zeros_like(p) if wanted_p else None
        value = _within(q, kernel, block, 1.0 / (n * (n - 1)), grad_q)
        value += _within(p, kernel, block, 1.0 / (m * (m - 1)), grad_p)
        value += _between(q, p, kernel, block, -2.0 / (n * m), grad_q, grad_p)
        ctx.save_for_backward(grad_q, grad_p)
        return value

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *upstream: Tensor
    ) -> tuple[Tensor | None, Tensor | None, None, None]:
        grad_q, grad_p = ctx.saved_tensors
        (up,) = upstream
        return (None if grad_q is None else up * grad_q, None if grad_p is None else up * grad_p, None, None)


def _within(x: Tensor, kernel: Kernel, block: int, weight: float, grad: Tensor | None) -> Tensor:
    """Return weight * sum_{i != j} k(x_i, x_j); add its gradient to `grad`."""
    total = x.new_zeros(())
    for first, rows in _blocks(x, len(x), block):
        squared = squared_distances(rows, x)
        squared.diagonal(first).fill_(torch.inf)  # k(x_i, x_i) does not count
        found, slope = kernel.sum_and_slope(squared)
        total += weight * found
        if grad is not None:  # each pair occurs twice, in either order
            grad[first : first + len(rows)] += 2.0 * weight * _pull(slope, rows, x)
    return total


def _between(
    a: Tensor, b: Tensor, kernel: Kernel, block: int, weight: float, grad_a: Tensor | None, grad_b: Tensor | None
) -> Tensor:
    """Return weight * sum_{ij} k(a_i, b_j); add its gradients to `grad_a` and `grad_b`."""
    total = a.new_zeros(())
    for first, rows in _blocks(a, len(b), block):
        found, slope = kernel.sum_and_slope(squared_distances(rows, b))
        total += weight * found
        if grad_a is not None:
            grad_a[first : first + len(rows)] += weight * _pull(slope, rows, b)
        if grad_b is not None:
            grad_b += weight * _pull(slope.mT, b, rows)
    return total


def _pull(slope: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return d/da_i of sum_ij k(|a_i - b_j|²), which is sum_j 2 k'_ij (a_i - b_j)."""
    return 2.0 * (slope.sum(1, keepdim=True) * a - slope @ b)


def _blocks(x: Tensor, others: int, block: int) -> list[tuple[int, Tensor]]:
    """Split x into sets of rows, with the index of each first row; rows times `others` are at most a block."""
    count = min(max(ceil(len(x) * others / block), 1), len(x))
    parts = torch.tensor_split(x, count)
    starts = [0]
    for part in parts[:-1]:
        starts.append(starts[-1] + len(part))
    return list(zip(starts, parts, strict=True))
