"""Sizes of an embedding that suit an environment, in one place for the command line and the agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from e2c_control.errors import InputError

if TYPE_CHECKING:  # the command line's help shows these numbers, and must not wait for torch
    from e2c_control.models.embedding import EmbeddingConfig

POOLED_SIDE = 24
"""Most pixels on a side that an encoder of fully connected layers needs to see of something larger than a dot."""

_PLANAR = ("E2C/Planar-v0", "E2C/PlanarWalls-v0")


EPISODE_LENGTH = 12
"""Steps after which a collection of random actions starts anew."""

HELD_OUT = 0.05
"""Share of the episodes that is only measured on."""

MOST_STEPS_SCALE = 1e6


def check_steps_scale(name: str, factor: float) -> None:
    """Refuse a factor for the numbers of steps that is 0, negative, endless or no number."""
    if not 0 < factor <= MOST_STEPS_SCALE:
        raise InputError(f"{name} is {factor}: give a number above 0 and up to {MOST_STEPS_SCALE:,.0f}.")


def default_embedding(
    environment: str, frame_shape: tuple[int, int, int], latent_dim: int | None = None
) -> EmbeddingConfig:
    """What to train on an environment that nothing else is known of.

    A position in the plane takes two latents and every pixel, because the thing that moves is four pixels large.
    Anything else gets three, room for what turns and for its rate, and images pooled to `POOLED_SIDE`.

    Args:
        environment: Gymnasium id.
        frame_shape: (H, W, C) of its frames.
        latent_dim: instead of the default.
    """
    from e2c_control.models.embedding import EmbeddingConfig

    if latent_dim is not None and latent_dim < 1:
        raise InputError(f"An embedding cannot have {latent_dim} dimensions: give 1 or more.")
    planar = environment.rpartition(":")[2] in _PLANAR
    pool = 1 if planar else -(-max(frame_shape[:2]) // POOLED_SIDE)
    return EmbeddingConfig(latent_dim=latent_dim or (2 if planar else 3), pool=pool)
