"""Where in latent space one has been, and where one could not go."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from e2c_control.fields import Positive, check

Array = NDArray[np.float64]


STEP = 2.0
"""Spacings in a step: around what was blocked, so far is blocked."""


@dataclass(frozen=True, eq=False)
class Experience:
    """Latents that stand for all known ones, at least a spacing apart, so that their number has a limit.

    Attributes:
        spacing: how far apart latents are that count as different.
        known: reached, (M, k).
        blocked: predicted, but the system fell short of it, and it was never reached, (B, k).

    Raises:
        InputError: the spacing is not positive and finite.
    """

    spacing: Positive
    known: Array
    blocked: Array

    def __post_init__(self) -> None:
        check(self)

    @classmethod
    def empty(cls, spacing: float, latent_dim: int) -> Experience:
        """Nothing is known yet."""
        return cls(spacing, np.zeros((0, latent_dim)), np.zeros((0, latent_dim)))

    def reached(self, latents: Array) -> Experience:
        """Add latents (N, k) to the known ones; those that are not finite are left out."""
        return replace(self, known=_spread_out(self.known, latents, self.spacing))._without_doubt()

    def refused(self, latents: Array) -> Experience:
        """Add latents (N, k) that were predicted in vain."""
        return replace(self, blocked=_spread_out(self.blocked, latents, self.spacing))._without_doubt()

    def _without_doubt(self) -> Experience:
        """Drop what was reached once: it is not blocked, there the model was wrong about something else."""
        return replace(self, blocked=self.blocked[distance_to(self.known, self.blocked) >= self.spacing])


def distance_to(points: Array, latents: Array) -> Array:
    """Return how far the latents (..., k) are from the nearest of the points (M, k), (...,); infinite if M is 0."""
    if not len(points):
        return np.full(latents.shape[:-1], np.inf)
    rows = latents.reshape(-1, latents.shape[-1])
    # |z - p|² by one product of matrices; rounding may leave less than nothing.
    squared = (points**2).sum(1) - 2.0 * rows @ points.T
    nearest = squared.min(axis=1) + (rows**2).sum(1)
    return np.sqrt(np.maximum(nearest, 0.0)).reshape(latents.shape[:-1])


def _spread_out(points: Array, latents: Array, spacing: float) -> Array:
    """Return the points (M, k), and those of the latents (N, k) that are a spacing away from all before them."""
    latents = latents[np.isfinite(latents).all(axis=1)]
    latents = latents[distance_to(points, latents) >= spacing]
    while len(latents):
        points = np.concatenate([points, latents[:1]])
        latents = latents[np.linalg.norm(latents - latents[0], axis=1) >= spacing]
    return points
