"""Defaults that the command line, the agents and the benchmark share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from e2c_control.fields import Bounds

if TYPE_CHECKING:  # the command line's help shows these numbers, and must not wait for torch
    from e2c_control.envs import Task
    from e2c_control.models.embedding import EmbeddingConfig

POOLED_SIDE = 24
"""Most pixels on a side that an encoder of fully connected layers needs to see of something larger than a dot."""

LATENT_DIM = 3
"""Of an embedding of a world that nothing is known of."""

RECIPE = "unfold"
"""Trained by default, and what the benchmark compares the others with."""

ROUNDABOUT = "unfold-roadmap"
"""Trained by default in a world whose task says that walls block the straight way."""

HELD_OUT = 0.05
"""Share of the episodes that is only measured on."""

StepsScale = Annotated[float, Bounds(above=0, most=1e6)]
"""A factor for the numbers of training steps."""


def default_embedding(
    frame_shape: tuple[int, int, int], latent_dim: int | None = None, task: Task | None = None
) -> EmbeddingConfig:
    """Return what to train on an environment.

    Each side of an image is pooled to `POOLED_SIDE`, but what moves is never smaller than two pixels. A task tells how
    small that is, and how many latents it needs; other environments get three, room for what turns and for its rate.

    Args:
        frame_shape: (H, W, C) of its frames; zeros where it shows vectors alone.
        latent_dim: instead of the default.
        task: behind the environment, if it has one.
    """
    from e2c_control.models.embedding import EmbeddingConfig

    rows, columns = (max(-(-side // POOLED_SIDE), 1) for side in frame_shape[:2])
    suits = LATENT_DIM
    if task is not None:
        most, suits = max(int(task.system.detail) // 2, 1), task.latent_dim
        rows, columns = min(rows, most), min(columns, most)
    suits = suits if latent_dim is None else latent_dim
    return EmbeddingConfig(latent_dim=suits, pool=rows if rows == columns else (rows, columns))


def default_recipe(task: Task | None) -> str:
    """Return the name of the recipe that suits a task, or an environment without one."""
    return ROUNDABOUT if task is not None and task.roundabout else RECIPE
