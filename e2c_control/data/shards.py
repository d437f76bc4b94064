"""A dataset made in parts, which may come from other processes or machines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from e2c_control.data.card import DatasetCard
from e2c_control.data.rows import Number
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
        rewards: (F,) float32 or None.
        endings: (E,) uint8 beside them.
        vectors: (F, v) float32 or None.
    """

    card: DatasetCard
    frames: NDArray[np.uint8]
    actions: NDArray[np.float32]
    episodes: NDArray[np.int64]
    states: NDArray[np.float64] | None = None
    rewards: NDArray[np.float32] | None = None
    endings: NDArray[np.uint8] | None = None
    vectors: NDArray[np.float32] | None = None

    @property
    def arrays(self) -> dict[str, NDArray[np.number]]:
        """Those that there are, by their names."""
        optional = {name: getattr(self, name) for name in ("states", "rewards", "endings", "vectors")}
        there: dict[str, NDArray[np.number]] = {name: array for name, array in optional.items() if array is not None}
        return {"frames": self.frames, "actions": self.actions, "episodes": self.episodes, **there}

    def fits(self) -> bool:
        """Return whether the arrays are those that the card describes."""
        count, ends, columns = len(self.frames), self.episodes, self.card.columns
        shapes = {name: array.shape for name, array in self.arrays.items() if name not in ("episodes", "endings")}
        if shapes != {name: (count, *column.row) for name, column in columns.items()} or ends.ndim != 1:
            return False
        endings = None if self.endings is None else self.endings.shape
        if endings != ((len(ends) - 1,) if self.card.rewards else None):
            return False
        return bool(ends[0] == 0 and ends[-1] == count and (np.diff(ends) > 0).all())

    @classmethod
    def read(cls, path: Path) -> Shard:
        """Read a dataset from the disk."""
        found = Transitions.open(path)
        return cls(
            card=found.card,
            frames=np.array(found.frames),
            actions=np.array(found.actions),
            episodes=found.episodes,
            states=_in_memory(found.states),
            rewards=_in_memory(found.rewards),
            endings=found.endings,
            vectors=_in_memory(found.vectors),
        )


def _in_memory(mapped: NDArray[Number] | None) -> NDArray[Number] | None:
    return None if mapped is None else np.array(mapped)


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
    """Return whether parts can be one dataset: made alike but for their seeds; one may lack states, or rewards."""
    return replace(one.as_begun_by(other), seed=other.seed).as_far_as(other) == other.as_far_as(one)


def append_shard(writer: TransitionsWriter, shard: Shard) -> None:
    """Add a shard's episodes one by one: they may be of different lengths.

    One without states, or without rewards, leaves none to any.
    """
    writer.keep(writer.card.as_far_as(shard.card))
    kept = writer.card.columns
    states, rewards = (shard.states if "states" in kept else None), (shard.rewards if "rewards" in kept else None)
    for episode, (begin, end) in enumerate(zip(shard.episodes[:-1], shard.episodes[1:], strict=True)):
        rows = slice(begin, end)
        writer.append(
            shard.frames[None, rows],
            shard.actions[None, rows],
            None if states is None else states[None, rows],
            rewards=None if rewards is None else rewards[None, rows],
            endings=None if rewards is None or shard.endings is None else shard.endings[None, episode],
            vectors=None if shard.vectors is None else shard.vectors[None, rows],
        )
