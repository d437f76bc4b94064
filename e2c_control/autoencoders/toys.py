"""Small data sets on which a generative model can be judged exactly, and the waves of novelty search."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from e2c_control.errors import InputError, whole


def parabola(n: int, generator: torch.Generator) -> Tensor:
    """Points (n, 3): x and y from N(0, 1), z = x² + y²."""
    plane = torch.randn(n, 2, generator=generator)
    return torch.cat([plane, plane.square().sum(1, keepdim=True)], dim=1)


def parabola_residual(points: Tensor) -> Tensor:
    """How far points (n, 3) are above the paraboloid, z - x² - y², (n,)."""
    return points[:, 2] - points[:, :2].square().sum(1)


def modes(count: int = 8, radius: float = 2.0) -> Tensor:
    """Centres (count, 2) on a circle."""
    angle = 2.0 * math.pi * torch.arange(count) / count
    return radius * torch.stack([angle.cos(), angle.sin()], dim=1)


def gaussians(
    n: int, generator: torch.Generator, count: int = 8, radius: float = 2.0, deviation: float = 0.1
) -> Tensor:
    """Points (n, 2) of as many round Gaussians on a circle, each as likely."""
    chosen = torch.randint(count, (n,), generator=generator)
    return modes(count, radius)[chosen] + deviation * torch.randn(n, 2, generator=generator)


def mode_share(points: Tensor, centres: Tensor, deviation: float = 0.1, least: float = 0.02) -> tuple[float, int]:
    """Share of points (n, 2) within four deviations of a centre, and how many centres have at least `least` of them."""
    distance, nearest = torch.cdist(points, centres).min(1)
    near = distance <= 4.0 * deviation
    held = torch.bincount(nearest[near], minlength=len(centres)) / len(points)
    return float(near.float().mean()), int((held > least).sum())


def waves(
    n: int, generator: torch.Generator, *, length: int = 64, low: float = 1.0, high: float = 3.0, square: float = 0.5
) -> Tensor:
    """Waves (n, length) of amplitude 1: sines, and a share of square ones, of `low` to `high` cycles and any phase."""
    if not 0 < low <= high <= length / 2:
        raise InputError(
            f"Waves of {low:g} to {high:g} cycles do not fit into {length} numbers: stay within {length / 2:g}."
        )
    whole("length", length, least=2)
    cycles = low + (high - low) * torch.rand(n, 1, generator=generator)
    phase = 2.0 * math.pi * torch.rand(n, 1, generator=generator)
    sines = torch.sin(2.0 * math.pi * cycles * torch.arange(length) / length + phase)
    squares = torch.rand(n, 1, generator=generator) < square
    return torch.where(squares, torch.sign(sines) + (sines == 0), sines)
