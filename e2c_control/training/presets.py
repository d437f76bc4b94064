"""Sizes of an embedding that suit an environment, in one place for the command line and the agent."""

from __future__ import annotations

from e2c_control.errors import InputError
from e2c_control.models.embedding import EmbeddingConfig

POOLED_SIDE = 24
"""Most pixels on a side that an encoder of fully connected layers needs to see of something larger than a dot."""

_PLANAR = ("E2C/Planar-v0", "E2C/PlanarWalls-v0")


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
    if latent_dim is not None and latent_dim < 1:
        raise InputError(f"An embedding cannot have {latent_dim} dimensions: give 1 or more.")
    planar = environment.rpartition(":")[2] in _PLANAR
    pool = 1 if planar else -(-max(frame_shape[:2]) // POOLED_SIDE)
    return EmbeddingConfig(latent_dim=latent_dim or (2 if planar else 3), pool=pool)
