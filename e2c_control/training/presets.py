"""Defaults that the command line, the agents and the benchmark share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from e2c_control.fields import Bounds

if TYPE_CHECKING:  # the command line's help shows these numbers, and must not wait for torch
    from e2c_control.data.stepper import Starts
    from e2c_control.envs import Task
    from e2c_control.models.embedding import EmbeddingConfig

POOLED_SIDE = 24
"""Most pixels on a side that an encoder of fully connected layers needs to see of something larger than a dot."""

LATENT_DIM = 3
"""Of an embedding of a world that nothing is known of."""

RECIPE = "unfold"
"""Trained by default, and what the benchmark compares the others with."""

TRANSITIONS = 20_000
"""Collected to train on."""

_AT_ONCE = {True: 256, False: 8}
"""Environments that a collection runs at the same time: this project's are one batch, others one after another."""

EPISODE_LENGTH: Mapping[Starts, int] = {"sampled": 12, "reset": 40}
"""Steps after which a collection of random actions starts anew: short where episodes begin all over the world, and
longer where each begins at a reset, since what is farther from there than an episode is never seen."""

HELD_OUT = 0.05
"""Share of the episodes that is only measured on."""

StepsScale = Annotated[float, Bounds(above=0, most=1e6)]
"""A factor for the numbers of training steps."""


def default_starts(native: bool) -> Starts:
    """Where episodes of random actions begin: all over the world, in the environments that can do that."""
    return "sampled" if native else "reset"


def default_environments(native: bool, transitions: int, episode_length: int) -> int:
    """How many environments a collection runs at the same time; another number gives other transitions.

    No more than there are episodes to come: steps that nobody keeps would be taken for nothing.

    Args:
        native: whether they are this project's.
        transitions: to collect.
        episode_length: the most steps in an episode.
    """
    return min(_AT_ONCE[native], -(-transitions // episode_length))


def default_embedding(
    frame_shape: tuple[int, int, int], latent_dim: int | None = None, task: Task | None = None
) -> EmbeddingConfig:
    """What to train on an environment.

    Each side of an image is pooled to `POOLED_SIDE`, but what moves is never smaller than two pixels. A task tells how
    small that is, and how many latents it needs; other environments get three, room for what turns and for its rate.

    Args:
        frame_shape: (H, W, C) of its frames.
        latent_dim: instead of the default.
        task: behind the environment, if it has one.
    """
    from e2c_control.models.embedding import EmbeddingConfig

    rows, columns = (-(-side // POOLED_SIDE) for side in frame_shape[:2])
    suits = LATENT_DIM
    if task is not None:
        most, suits = max(int(task.system.detail) // 2, 1), task.latent_dim
        rows, columns = min(rows, most), min(columns, most)
    suits = suits if latent_dim is None else latent_dim
    return EmbeddingConfig(latent_dim=suits, pool=rows if rows == columns else (rows, columns))
