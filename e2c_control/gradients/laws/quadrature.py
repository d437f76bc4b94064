"""Quadrature rules for expectations over noise."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def double_exponential(nodes: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return nodes in (0, 1) and weights (Q,), of the dtype and device of ``like``; tuned for float64.

    Takahasi and Mori, 1974: the trapezoidal rule after u = 1 / (1 + exp(-pi sinh t)). Integrands may be infinite at
    either end, as logits and logarithms of uniform noise are.
    """
    reach = 3.2  # as far as the end can be told from the last node in float64
    t = torch.linspace(-reach, reach, nodes, dtype=torch.float64, device=like.device)
    u = torch.sigmoid(math.pi * t.sinh())
    weights = math.pi * t.cosh() * u * torch.sigmoid(-math.pi * t.sinh())
    return u.to(like.dtype), (weights / weights.sum()).to(like.dtype)


def panels(edges: Tensor, nodes: int) -> tuple[Tensor, Tensor]:
    """Return nodes and weights (P Q, ...) on (0, 1), split into panels at edges (P + 1, ...) that rise from 0 to 1."""
    u, weights = double_exponential(nodes, edges)
    u, weights = (x.reshape(-1, *(1,) * (edges.ndim - 1)) for x in (u, weights))
    low, width = edges[:-1, None], edges.diff(dim=0)[:, None]
    return (low + width * u).flatten(0, 1), (width * weights).flatten(0, 1)


def normal_grid(nodes: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return nodes and weights (Q,) of a standard normal, by the trapezoidal rule.

    Exact to rounding for integrands that grow slowly.
    """
    z = torch.linspace(-11, 11, nodes, dtype=torch.float64, device=like.device)
    weights = (-z.square() / 2).exp()
    return z.to(like.dtype), (weights / weights.sum()).to(like.dtype)
