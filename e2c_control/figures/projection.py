"""Latents of any dimension on paper: one projection for all pictures of a run, kept in its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from e2c_control.fields import Bounds, Share
from e2c_control.runs.atomic import replace_text
from e2c_control.runs.document import Kind

Array = NDArray[np.float64]

NAME, MOST = "projection.json", 3
FAR = 1e6
Numbers = tuple[Annotated[float, Bounds(-FAR, FAR)], ...]
KEPT = Kind(
    "e2c-control projection",
    1,
    fields={"centre": Numbers, "axes": tuple[Numbers, ...], "shares": tuple[Share, ...]},
    remedy="remove it, and pictures choose their axes anew",
    again="remove it, which makes pictures choose their axes anew,",
)


@dataclass(frozen=True, eq=False)
class Projection:
    """Paper coordinates x -> (x - centre) @ axes.

    Attributes:
        centre: (k,).
        axes: (k, p).
        shares: of the spread of the points along each axis, (p,); none where latents are shown as they are.
    """

    centre: Array
    axes: Array
    shares: tuple[float, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the p coordinates."""
        if self.shares is None:
            return "latent 1", "latent 2"
        return tuple(f"axis {i} ({share:.0%} of the spread)" for i, share in enumerate(self.shares, 1))

    def __call__(self, latents: Array) -> Array:
        """Return coordinates (..., p) of latents (..., k)."""
        return (latents - self.centre) @ self.axes

    def keep(self, folder: Path) -> None:
        """Write it into a run folder."""
        parts = {"centre": self.centre.tolist(), "axes": self.axes.tolist(), "shares": self.shares}
        replace_text(folder / NAME, KEPT.text(parts))


def project(latents: Array, count: int = MOST, like: Projection | None = None) -> Projection:
    """Show two latents as they are, more by the first `count` principal components of the points (N, k).

    A component's sign is free, and so is the turn of two components that spread alike. Where there is a projection
    that pictures were drawn by before, the axes are turned to lie as near to its axes as they can (orthogonal
    Procrustes problem, Schoenemann 1966): no picture is a mirror image of the one before. Otherwise the latent that
    counts most in a component counts positively.

    Args:
        latents: (N, k).
        count: p, of more than two latents.
        like: an earlier projection of the same latents.
    """
    k = int(latents.shape[1])
    if k <= 2:
        return Projection(np.zeros(k), np.eye(k, 2))
    centre = latents.mean(0)
    _, _, rows = np.linalg.svd(latents - centre, full_matrices=False)
    axes = np.asarray(rows[: min(count, k)].T, np.float64)
    if like is not None and like.axes.shape == axes.shape:
        left, _, right = np.linalg.svd(axes.T @ like.axes)
        axes = axes @ left @ right
    else:
        axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
    spread = ((latents - centre) @ axes).var(0) / max(float(latents.var(0).sum()), np.finfo(np.float64).tiny)
    return Projection(centre, axes, tuple(float(share) for share in spread.clip(0, 1)))


def kept_projection(folder: Path, k: int) -> Projection | None:
    """Return the projection of a run folder for k latents; none if it has none, as runs of version 0.1.0.

    Raises:
        InputError: it is damaged, or of other latents.
    """
    path = folder / NAME
    if k <= 2 or not path.is_file():
        return None
    found = KEPT.read(path)
    shares: tuple[float, ...] = found["shares"]
    shape = (k, min(MOST, k))
    if len(found["centre"]) != k or len(shares) != shape[1] or [len(row) for row in found["axes"]] != [shape[1]] * k:
        raise KEPT.damage(path)
    centre, axes = np.asarray(found["centre"], np.float64), np.asarray(found["axes"], np.float64)
    if np.abs(axes.T @ axes - np.eye(shape[1])).max() > 1e-6:  # so that nothing is drawn larger than it is
        raise KEPT.damage(path)
    return Projection(centre, axes, shares)
