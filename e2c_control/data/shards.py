"""A dataset made in parts, which may come from other processes or machines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from e2c_control.data.card import DatasetCard
from e2c_control.data.transitions import Transitions
from e2c_control.data.writer import TransitionsWriter
from e2c_control.errors import InputError


@dataclass(frozen=True, eq=False)
class Shard:
    """The arrays of a small dataset, in memory; see `Transitions`.

    Attributes:
        card: what it holds.
        frames: (F, H, W, C) uint8.
        actions: (F, m) float32.
        episodes: (E + 1,) int64 offsets.
        states: (F, n) float64 or None.
    """

    card: DatasetCard
    frames: NDArray[np.uint8]
    actions: NDArray[np.float32]
    episodes: NDArray[np.int64]
    states: NDArray[np.float64] | None

    @classmethod
    def read(cls, path: Path) -> Shard:
        """Read a dataset from the disk."""
        found = Transitions.open(path)
        states = None if found.states is None else np.array(found.states)
        return cls(found.card, np.array(found.frames), np.array(found.actions), found.episodes, states)


def join_shards(path: Path, shards: Iterable[Shard], *, seed: int, overwrite: bool = False) -> Transitions:
    """Write one dataset of all episodes, in the order of the shards, each of which is read once.

    Args:
        path: the folder to make.
        shards: at least one; those that follow must be of the first one's kind.
        seed: noted in the card, in place of those of the shards.
        overwrite: whether a dataset at ``path`` may be replaced.

    Raises:
        InputError: the path is taken, or the shards are of different environments or package versions.
    """
    coming = iter(shards)
    first = next(coming)
    card = replace(first.card, seed=seed)
    with TransitionsWriter.create(path, card, expected_frames=len(first.frames), overwrite=overwrite) as writer:
        append_shard(writer, first)
        for shard in coming:
            if not alike(shard.card, card):
                raise InputError(f"The parts of {path} were not made alike: use the same versions on all machines.")
            append_shard(writer, shard)
    return Transitions.open(path)


def alike(one: DatasetCard, other: DatasetCard) -> bool:
    """Return whether parts can be one dataset: made alike but for their seeds; one may have lost its states."""
    no_states = None in (one.state_dim, other.state_dim)
    one = one.as_begun_by(other)
    return replace(one, seed=other.seed, state_dim=other.state_dim if no_states else one.state_dim) == other


def append_shard(writer: TransitionsWriter, shard: Shard) -> None:
    """Add a shard's episodes one by one: they may be of different lengths. One without states leaves none to any."""
    if shard.states is None:
        writer.drop_states()
    for begin, end in zip(shard.episodes[:-1], shard.episodes[1:], strict=True):
        rows = slice(begin, end)
        states = None if shard.states is None or writer.card.state_dim is None else shard.states[None, rows]
        writer.append(shard.frames[None, rows], shard.actions[None, rows], states)
