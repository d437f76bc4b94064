"""Small data sets on which a generative model can be evaluated exactly, and the waves of novelty search."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from e2c_control.errors import InputError, whole


def parabola(n: int, generator: torch.Generator) -> Tensor:
    """Draw points (n, 3) on a paraboloid: x and y from N(0, 1), z = x² + y²."""
    plane = torch.randn(n, 2, generator=generator)
    return torch.cat([plane, plane.square().sum(1, keepdim=True)], dim=1)


def parabola_residual(points: Tensor) -> Tensor:
    """Return the height of points (n, 3) above the paraboloid, z - x² - y², (n,)."""
    return points[:, 2] - points[:, :2].square().sum(1)


def modes(count: int = 8, radius: float = 2.0) -> Tensor:
    """Return `count` centres (count, 2), evenly spaced on a circle."""
    angle = 2.0 * math.pi * torch.arange(count) / count
    return radius * torch.stack([angle.cos(), angle.sin()], dim=1)


def gaussians(
    n: int, generator: torch.Generator, count: int = 8, radius: float = 2.0, deviation: float = 0.1
) -> Tensor:
    """Draw points (n, 2) from a uniform mixture of `count` isotropic Gaussians on a circle."""
    chosen = torch.randint(count, (n,), generator=generator)
    return modes(count, radius)[chosen] + deviation * torch.randn(n, 2, generator=generator)


def mode_share(points: Tensor, centres: Tensor, deviation: float = 0.1, least: float = 0.02) -> tuple[float, int]:
    """Return the share of points (n, 2) within four deviations of a centre, and the number of centres covered.

    A centre is covered if more than the share `least` of all points is near it.
    """
    distance, nearest = torch.cdist(points, centres).min(1)
    near = distance <= 4.0 * deviation
    held = torch.bincount(nearest[near], minlength=len(centres)) / len(points)
    return float(near.float().mean()), int((held > least).sum())


def waves(
    n: int, generator: torch.Generator, *, length: int = 64, low: float = 1.0, high: float = 3.0, square: float = 0.5
) -> Tensor:
    """Draw waves (n, length) of amplitude 1: sines and a share of square waves, `low` to `high` cycles, any phase."""
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
