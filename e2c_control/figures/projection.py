"""Latents of any dimension on paper."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Projection:
    """Paper coordinates x -> (x - centre) @ axes.

    Attributes:
        centre: (k,).
        axes: (k, p).
        names: of the p coordinates.
    """

    centre: Array
    axes: Array
    names: tuple[str, ...]

    def __call__(self, latents: Array) -> Array:
        """Project latents (..., k) to coordinates (..., p)."""
        return (latents - self.centre) @ self.axes


def project(latents: Array, count: int) -> Projection:
    """Project latents: two are shown as they are, more by the first `count` principal components of the points (N, k).

    A component's sign is free. It is such that the latent that counts most in it counts positively, so that pictures
    of one map are not mirror images of each other.
    """
    k = int(latents.shape[1])
    if k <= 2:
        return Projection(np.zeros(k), np.eye(k, 2), ("latent 1", "latent 2"))
    centre = latents.mean(0)
    _, values, rows = np.linalg.svd(latents - centre, full_matrices=False)
    shares = values**2 / max(float(np.sum(values**2)), np.finfo(np.float64).tiny)
    names = tuple(f"component {i + 1} ({shares[i]:.0%})" for i in range(min(count, k)))
    axes = np.asarray(rows[: len(names)].T, np.float64)
    return Projection(centre, axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(len(names))]), names)
