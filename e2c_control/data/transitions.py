"""Transitions: episodes of frames and actions in a folder of plain ``.npy`` arrays.

frames.npy    (F, H, W, C) uint8    single frames, the episodes one after another
actions.npy   (F, m)       float32  row i is the action taken at frame i; an episode's last row is zero, never read
episodes.npy  (E + 1,)     int64    episode e has the rows episodes[e] .. episodes[e + 1] - 1
rewards.npy   (F,)         float32  row i is what the action at frame i was paid; in rows and values like actions
endings.npy   (E,)         uint8    beside rewards: how each episode ended, see `card.STOPPED` and those after it
vectors.npy   (F, v)       float32  what is observed as numbers; alone, the frames have shape (F, 0, 0, 0)
states.npy    (F, n)       float64  true states, if the environment tells them: to measure with, never to train on
dataset.json                        what they are; see `DatasetCard`
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from reprlib import repr as short
from typing import Self

import numpy as np
from numpy.typing import NDArray

from e2c_control.data.card import NAME, TERMINATED, TRUNCATED, DatasetCard, read_card
from e2c_control.data.choices import Choices
from e2c_control.data.npy import REMEDY, open_npy
from e2c_control.data.rows import FileRows, Number
from e2c_control.errors import InputError, path_of, whole
from e2c_control.fields import MOST_AT_ONCE, Count, CountOrZero, Seed, ShareBelowOne, checked, conform, is_array
from e2c_control.runs.foreign import check_folder

_ROWS_AT_ONCE = 1 << 20


@dataclass(frozen=True, eq=False)
class Transitions:
    """A dataset on the disk, mapped for reading. Make one with `collect` or `TransitionsWriter`.

    Attributes:
        path: the folder.
        card: what it holds.
        frames: (F, H, W, C) uint8.
        actions: (F, m) float32, in [-1, 1].
        episodes: (E + 1,) int64 offsets.
        states: (F, n) float64 or None.
        rewards: (F,) float32 or None; each for the action of its row.
        endings: (E,) uint8, exactly where rewards are: how each episode ended (`card.STOPPED`, ...).
        vectors: (F, v) float32 or None: observed beside the frames, or in their place.
    """

    path: Path
    card: DatasetCard
    frames: NDArray[np.uint8]
    actions: NDArray[np.float32]
    episodes: NDArray[np.int64]
    states: NDArray[np.float64] | None
    rewards: NDArray[np.float32] | None = None
    endings: NDArray[np.uint8] | None = None
    vectors: NDArray[np.float32] | None = None

    @classmethod
    @checked
    def open(cls, path: Path | str) -> Self:
        """Map the folder ``path`` and check all but the pixels.

        Raises:
            InputError: a file is missing, truncated or of another kind, the format version is another one, the
                offsets do not fit, an action is not in [-1, 1], or a state, a reward or a vector is not finite.
        """
        path = path_of("path", path)
        card = read_card(path)
        check_folder(path)
        dataset = cls(
            path=path,
            card=card,
            frames=open_npy(path / "frames.npy", np.uint8, 4),
            actions=open_npy(path / "actions.npy", np.float32, 2),
            episodes=np.array(open_npy(path / "episodes.npy", np.int64, 1)),
            states=open_npy(path / "states.npy", np.float64, 2) if card.state_dim is not None else None,
            rewards=open_npy(path / "rewards.npy", np.float32, 1) if card.rewards else None,
            endings=np.array(open_npy(path / "endings.npy", np.uint8, 1)) if card.rewards else None,
            vectors=open_npy(path / "vectors.npy", np.float32, 2) if card.vector_dim is not None else None,
        )
        dataset._check()
        return dataset

    def _check(self) -> None:
        for name, column in self.card.columns.items():
            found, expected = self._column(name).shape, (len(self.frames), *column.row)
            if found != expected:
                raise InputError(f"{self.path / name}.npy has shape {found} instead of {expected}: {REMEDY}.")
        ends = self.episodes
        if len(ends) < 2 or ends[0] != 0 or ends[-1] != len(self.frames) or np.any(np.diff(ends) < 1):
            raise InputError(f"{self.path / 'episodes.npy'} does not fit the {len(self.frames)} frames: {REMEDY}.")
        if self.card.frame_stack > np.diff(ends).max():
            raise InputError(
                f"{self.path / NAME} asks for {self.card.frame_stack} frames in an observation, and the longest "
                f"episode has {np.diff(ends).max()}: {REMEDY}."
            )
        if self.endings is not None:
            fit = len(self.endings) == self.n_episodes and self.endings.max() <= TRUNCATED
            if not fit or self.endings[np.diff(ends) == 1].any():
                raise InputError(f"{self.path / 'endings.npy'} does not fit the {self.n_episodes} episodes: {REMEDY}.")
        for name in self.card.columns:
            if name == "frames":
                continue  # any byte is a pixel
            values = self._column(name)
            if (row := _first_beyond(values, 1.0 if name == "actions" else np.inf)) is not None:
                what = "in [-1, 1]" if np.isfinite(values[row]).all() else "finite"
                episode = int(np.searchsorted(ends, row, side="right")) - 1
                raise InputError(
                    f"{self.path / name}.npy holds {name} that are not {what}, first in episode {episode}, row "
                    f"{row - ends[episode]} of it: {REMEDY}."
                )

        if self.card.choices is not None and not self._are_chosen(self.card.choices):
            raise InputError(f"{self.path / 'actions'}.npy holds actions that are not one-hot: {REMEDY}.")

    def _are_chosen(self, choices: Choices) -> bool:
        """Return whether every action that was taken is one-hot."""
        last, begun = np.zeros(len(self.frames), bool), 0
        last[self.episodes[1:] - 1] = True
        for block in _blocks(self.actions):
            if not (choices.are_chosen(block) | last[begun : begun + len(block)]).all():
                return False
            begun += len(block)
        return True

    def _column(self, name: str) -> NDArray[np.number]:
        """Return the array of this name, which the card says is there."""
        arrays = {"rewards": self.rewards, "vectors": self.vectors, "states": self.states}
        found = {"frames": self.frames, "actions": self.actions, **arrays}[name]
        assert found is not None, name
        return found

    def frames_at(self, rows: NDArray[np.int64], out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """Return ``frames[rows]``, and keep nothing of the file in memory: the way to read many of a large dataset.

        Args:
            rows: of any shape.
            out: where to put them, (*rows.shape, H, W, C) uint8.

        Raises:
            InputError: there is no such row.
        """
        try:
            return self._frame_rows.take(conform(NDArray[np.int64], rows, "rows"), out)
        except IndexError as error:
            raise InputError(f"{self.path} has no such row ({error}): give 0 to {len(self.frames) - 1}.") from error

    def all_actions(self) -> NDArray[np.float32]:
        """Return ``actions`` in memory, (F, m)."""
        return FileRows(self.actions).all()

    @cached_property
    def _frame_rows(self) -> FileRows[np.uint8]:
        return FileRows(self.frames)

    @property
    def terminal_rows(self) -> NDArray[np.int64]:
        """Rows whose action ended its episode by termination, ascending."""
        if self.endings is None:
            return np.zeros(0, np.int64)
        return self.episodes[1:][self.endings == TERMINATED] - 2

    @property
    def n_episodes(self) -> int:
        """E."""
        return len(self.episodes) - 1

    @property
    def n_transitions(self) -> int:
        """Steps that were taken: one less than frames in each episode."""
        return len(self.frames) - self.n_episodes

    def checksum(self) -> int:
        """CRC-32 of offsets and actions: no two collections took the same actions."""
        checksum = zlib.crc32(self.episodes.data)
        for block in _blocks(self.actions):
            checksum = zlib.crc32(block.data, checksum)
        return checksum

    @checked
    def windows(
        self,
        steps: CountOrZero,
        stack: Count = 1,
        *,
        episodes: NDArray[np.int64] | None = None,
        repeat_first: bool = True,
    ) -> NDArray[np.int64]:
        """Return the rows at which a window of ``steps`` transitions may start, ascending: (W,) int64.

        Args:
            steps: K ≥ 0; a window at row t reaches to the frame t + K of the same episode.
            stack: frames that an observation joins.
            episodes: look in these episodes only (default: all).
            repeat_first: whether a stack may reach before its episode, where the first frame stands in. That is what
                an environment shows after a reset; without it a window starts ``stack - 1`` frames later.
        """
        chosen = np.arange(self.n_episodes) if episodes is None else np.sort(episodes, axis=None)
        _check_rows("episodes", chosen, self.n_episodes)
        skipped = 0 if repeat_first else stack - 1
        first = self.episodes[chosen] + skipped
        counts = np.maximum(self.episodes[chosen + 1] - steps - first, 0)
        # Counting up inside each episode: steps of one, and at an episode's first window the step to its first row.
        first, counts = first[counts > 0], counts[counts > 0]
        rows = np.ones(counts.sum(), np.int64)
        if len(rows):
            last = first + counts - 1
            rows[0], rows[np.cumsum(counts)[:-1]] = first[0], first[1:] - last[:-1]
        return np.cumsum(rows, out=rows)

    def window_rows(self, starts: NDArray[np.int64], steps: int, stack: int = 1) -> NDArray[np.int64]:
        """Return the rows (N, stack + steps) int64 of the frames of windows that start at ``starts`` (N,).

        Columns ``k .. k + stack - 1`` make the observation after k steps, oldest first; before its episode a stack
        repeats the first frame.
        """
        most = max(MOST_AT_ONCE, len(self.frames))
        steps, stack = whole("steps", steps, 0, most), whole("stack", stack, 1, MOST_AT_ONCE)
        _check_rows("starts", starts, len(self.frames))
        episode = np.searchsorted(self.episodes, starts, side="right") - 1
        if (starts + steps >= self.episodes[episode + 1]).any():
            raise InputError(f"A window of {steps} steps leaves its episode: take starts from `windows`.")
        rows = starts[:, None] + np.arange(1 - stack, steps + 1)
        return np.maximum(rows, self.episodes[episode][:, None])

    @checked
    def split(self, held_out: ShareBelowOne, seed: Seed = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Split episodes into those to train on and those to hold out, each ascending; the same seed, the same split.

        Args:
            held_out: share of the episodes, in [0, 1); above 0 at least one episode is held out and one is not. A
                training run holds out `e2c_control.training.presets.HELD_OUT`.
            seed: of the choice.
        """
        if held_out > 0 and self.n_episodes < 2:
            raise InputError(f"{self.path} has one episode, none can be held out: collect more episodes.")
        n_held_out = 0 if held_out == 0 else min(max(round(held_out * self.n_episodes), 1), self.n_episodes - 1)
        order = np.random.default_rng(seed).permutation(self.n_episodes)
        return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])


def _check_rows(name: str, rows: object, count: int) -> None:
    """Raise `InputError` unless the rows are some of so many."""
    if not is_array(rows) or rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise InputError(f"{name} are {short(rows)}: give an array (N,) of whole numbers.")
    if rows.size and (rows.min() < 0 or rows.max() >= count):
        raise InputError(f"{name} go from {rows.min()} to {rows.max()}: give 0 to {count - 1}.")


def _first_beyond(values: NDArray[np.number], most: float) -> int | None:
    """Return the first row with a number that is not one, or farther from 0 than `most`; none without one."""
    begun = 0
    for block in _blocks(values):
        fits = (np.isfinite(block) & (np.abs(block) <= most)).reshape(len(block), -1).all(axis=1)
        if not fits.all():
            return begun + int(np.argmin(fits))
        begun += len(block)
    return None


def _blocks(mapped: NDArray[Number]) -> Iterator[NDArray[Number]]:
    """Yield all rows, in blocks that are read from the file one after another."""
    rows = FileRows(mapped)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        yield rows.take(np.arange(start, min(start + _ROWS_AT_ONCE, len(rows))))


def stack_frames(frames: NDArray[Number]) -> NDArray[Number]:
    """Join a stack (..., stack, H, W, C) into channels (..., H, W, stack * C), oldest first."""
    *batch, stack, height, width, channels = frames.shape
    return np.moveaxis(frames, -4, -2).reshape(*batch, height, width, stack * channels)
