"""Statistics of a training set that an embedding takes before it learns: of pixels, vectors, rewards and ends."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from e2c_control.data.card import DatasetCard
from e2c_control.data.transitions import Transitions
from e2c_control.models.embedding import Embedding, EmbeddingConfig
from e2c_control.models.pixels import unit_pixels

MOST_ROWS = 8192
"""Frames that are looked at, spread evenly."""

NEVER = -30.0
"""Log odds of an end where none was ever seen."""


def vectors_seen(config: EmbeddingConfig, card: DatasetCard) -> int:
    """Return how many numbers of each vector of a dataset an embedding sees: none, unless it is to, beside images."""
    return (card.vector_dim or 0) if config.vectors or not card.has_frames else 0


def fit_statistics(
    embedding: Embedding, transitions: Transitions, episodes: NDArray[np.int64], *, go_on: bool = False
) -> None:
    """Give an embedding the statistics of a training set.

    Args:
        embedding: that will be trained on it.
        transitions: the dataset.
        episodes: those of its episodes that are trained on.
        go_on: whether it was trained before: then what it sees keeps its statistics, since its weights go by these.
    """
    stack = transitions.card.frame_stack
    if not go_on and embedding.decoder is not None:
        embedding.fit_pixels(*train_pixel_statistics(transitions, episodes, stack))
    if not go_on and embedding.vectors is not None and transitions.vectors is not None:
        vectors = np.asarray(transitions.vectors[_some_rows(transitions, episodes, MOST_ROWS)], np.float64)
        mean, deviation = (torch.from_numpy(value).float().repeat(stack) for value in (vectors.mean(0), vectors.std(0)))
        embedding.vectors.fit(mean, deviation)
    _fit_heads(embedding, transitions, episodes, keep=go_on)


def _some_rows(transitions: Transitions, episodes: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    rows = transitions.windows(0, episodes=episodes)
    return rows[np.linspace(0, len(rows) - 1, min(limit, len(rows))).astype(np.int64)]


def train_pixel_statistics(
    transitions: Transitions, episodes: NDArray[np.int64], stack: int, limit: int = MOST_ROWS
) -> tuple[Tensor, Tensor]:
    """Return mean and deviation of each pixel over at most `limit` frames, in [0, 1], each (H, W, stack * C)."""
    # Frames spread evenly over the dataset, read in blocks: the dataset may be larger than memory.
    rows = _some_rows(transitions, episodes, limit)
    sums = squares = 0.0
    for block in np.array_split(rows, -(-len(rows) // 512)):
        frames = unit_pixels(torch.from_numpy(transitions.frames_at(block)), torch.float64)
        sums, squares = sums + frames.sum(0), squares + frames.square().sum(0)
    mean = torch.as_tensor(sums) / len(rows)
    deviation = (torch.as_tensor(squares) / len(rows) - mean.square()).clamp(min=0.0).sqrt()
    return mean.float().repeat(1, 1, stack), deviation.float().repeat(1, 1, stack)


def _fit_heads(embedding: Embedding, transitions: Transitions, episodes: NDArray[np.int64], keep: bool) -> None:
    """Give an embedding's heads the units of what they tell, and keep what they tell so far, if they have learnt it."""
    rows = transitions.windows(1, episodes=episodes)
    if embedding.reward is not None and transitions.rewards is not None:
        rewards = np.asarray(transitions.rewards[rows], np.float64)
        embedding.reward.fit(float(rewards.mean()), float(rewards.std()), keep=keep and embedding.reward.varies)
    if embedding.termination is not None and transitions.endings is not None:
        ends = len(transitions.terminal_rows) > 0
        embedding.termination.fit(0.0 if ends else NEVER, float(ends))
