"""What of a map was recorded: latents of held-out frames, the length of a step, and which goals are unlike all of them.

Kept in the run's folder, so that a drive can say how near it came, and whether a goal is unlike all data, without data.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from e2c_control.fields import Bounds
from e2c_control.measures.encoded import Images, encode_means, redrawing_errors
from e2c_control.measures.geometry import distances
from e2c_control.measures.held_out import HeldOut
from e2c_control.models.embedding import Embedding
from e2c_control.runs.atomic import replace_text
from e2c_control.runs.document import Kind

Array = NDArray[np.float64]

NAME, LARGEST = "recorded.json", 1e6
AWAY, MUCH = 3.0, 2.0
"""Unlike all that was recorded is what is so many steps from it and so many times the gaps that there are in it, or is
redrawn so many times worse than the worst of it: also an image like no other is encoded somewhere, even amid others."""

FEWEST = 100
"""Held-out frames below which nothing is called unlike them: they show too little of what was recorded."""

Number = Annotated[float, Bounds(-LARGEST, LARGEST)]
Length = Annotated[float, Bounds(0, LARGEST)]
Nats = Annotated[float, Bounds(0, 1e12)]
KEPT = Kind(
    "e2c-control recorded latents",
    1,
    fields={"latents": tuple[tuple[Number, ...], ...], "step": Length, "gap": Length, "error": Nats | None},
    remedy="remove it, and drives do not say how far goals are from what was recorded",
    again="remove it, so that drives do not say how far goals are from what was recorded,",
)


@dataclass(frozen=True, eq=False)
class Recorded:
    """Latents of frames that were recorded.

    Attributes:
        latents: (N, k).
        step: distance between the latents of a frame and the next one, in the mean; 0 where nothing moves.
        gap: distance from a frame to the nearest one of other windows, which 99 of 100 frames have within it.
        error: with which the worst of them is redrawn, see `redrawing_errors`; none before a decoder is trained.
    """

    latents: Array
    step: float
    gap: float
    error: float | None = None

    @classmethod
    def measured(cls, embedding: Embedding, held_out: HeldOut, draws: bool = False) -> Recorded:
        """Encode held-out frames, and redraw them if the decoder is trained."""
        latents, windows = encode_means(embedding, held_out.observations), held_out.windows
        step = np.linalg.norm(latents[windows[:, 1:]] - latents[windows[:, :-1]], axis=-1).mean()
        whose = np.zeros(len(latents), np.int64)
        whose[windows] = np.arange(len(windows))[:, None]
        apart = np.where(np.equal.outer(whose, whose), np.inf, distances(latents)).min(1)
        gap = float(np.quantile(apart, 0.99)) if len(windows) > 1 else 0.0
        error = float(redrawing_errors(embedding, latents, held_out.observations).max()) if draws else None
        return cls(latents, float(step), gap, error)

    def steps(self, distance: float) -> float:
        """Return a distance on the map in recorded steps."""
        return distance / self.step if self.step > 0 else float("inf")

    def away(self, latents: Array) -> Array:
        """Return the distances (M,) of latents (M, k) from the nearest recorded one."""
        return np.stack([np.linalg.norm(self.latents - latent, axis=1).min() for latent in latents])

    def beyond(self, latents: Array) -> NDArray[np.bool_]:
        """Return which latents (M, k) are far from all that was recorded, (M,)."""
        return self.away(latents) > max(AWAY * self.step, MUCH * self.gap)

    def unlike(self, embedding: Embedding, images: Images) -> NDArray[np.bool_]:
        """Return which images (M, H, W, C) are unlike all that was recorded, (M,); of few frames, none is."""
        if len(self.latents) < FEWEST:
            return np.zeros(len(images), np.bool_)
        latents = encode_means(embedding, images)
        far = self.beyond(latents)
        return far if self.error is None else far | (redrawing_errors(embedding, latents, images) > MUCH * self.error)

    def doubt(self, embedding: Embedding, goals: Images) -> str | None:
        """Return a sentence where goals (N, H, W, C) are unlike everything recorded; None where none is."""
        unlike = self.unlike(embedding, goals)
        if not unlike.any():
            return None
        steps = self.steps(float(self.away(encode_means(embedding, goals))[unlike].max()))
        which = "The goal is" if len(goals) == 1 else f"{unlike.sum()} of {len(goals)} goals are"
        return (
            f"{which} unlike everything recorded, by the map or the decoder ({steps:.1f} steps on the map from the "
            "nearest held-out frame): where the map puts it says little. Choose another, or collect it."
        )

    def keep(self, folder: Path) -> None:
        """Write it into a run folder."""
        parts = {"latents": self.latents.round(6).tolist(), "step": self.step, "gap": self.gap, "error": self.error}
        replace_text(folder / NAME, KEPT.text(parts))


def kept_latents(folder: Path, k: int) -> Recorded | None:
    """Return what a run folder keeps of k latents; none where nothing was kept.

    Raises:
        InputError: it is damaged, or of other latents.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    found = KEPT.read(path)
    rows: tuple[tuple[float, ...], ...] = found["latents"]
    if not rows or any(len(row) != k for row in rows):
        raise KEPT.damage(path)
    return Recorded(np.asarray(rows, np.float64), found["step"], found["gap"], found["error"])
