"""Distances between a set of generated samples and a set of true ones."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from e2c_control.errors import InputError


def energy_distance(x: Tensor, y: Tensor, block: int = 1000) -> float:
    """Return an unbiased estimate of the energy distance 2 E|X - Y| - E|X - X'| - E|Y - Y'|.

    Its expectation is 0 only for equal distributions (Szekely and Rizzo 2013).

    Args:
        x: (n, ...), n >= 2; flattened.
        y: (m, ...), m >= 2.
        block: rows of x that are compared at once.
    """
    if len(x) < 2 or len(y) < 2:
        raise InputError(f"A distance between {len(x)} and {len(y)} samples is no estimate: give two or more of each.")
    x, y = x.flatten(1).double(), y.flatten(1).double()
    centre = y.mean(0)  # distances stay, and what cancels in them gets small
    x, y = x - centre, y - centre
    n, m = len(x), len(y)
    between = 2.0 * _sum(x, y, block) / (n * m)
    return between - _sum(x, x, block) / (n * (n - 1)) - _sum(y, y, block) / (m * (m - 1))


def _sum(x: Tensor, y: Tensor, block: int) -> float:
    parts: tuple[Tensor, ...] = torch.split(x, block)
    return sum(float(torch.cdist(rows, y).sum()) for rows in parts)


def auc(low: Tensor, high: Tensor) -> float:
    """Return the probability that a number of `high` (m,) exceeds one of `low` (n,), ties counting half.

    This is the area under the ROC curve.
    """
    both = torch.cat([low, high]).double()
    found = cast(tuple[Tensor, ...], torch.unique(both, return_inverse=True, return_counts=True))
    place, counts = found[1:]
    ends = counts.cumsum(0).double()
    ranks = (ends - (counts.double() - 1.0) / 2.0)[place]
    m, n = len(high), len(low)
    return float((ranks[n:].sum() - m * (m + 1) / 2.0) / (m * n))
