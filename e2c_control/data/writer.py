"""Writing a dataset: episodes are appended in a hidden folder, which gets its name when all is there."""

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e2c_control.data.card import NAME, DatasetCard
from e2c_control.data.npy import NpyAppender
from e2c_control.errors import InputError, InputWarning, path_of
from e2c_control.runs.atomic import check_replaceable, new_folder, require_space, writing

FILES = frozenset({NAME, "frames.npy", "actions.npy", "episodes.npy", "states.npy"})


def check_writable(path: Path, overwrite: bool) -> None:
    """Raise `InputError` if something is at ``path`` that a new dataset may not replace."""
    check_replaceable(path, "dataset", [NAME, "frames.npy"], FILES.__contains__)
    if (path / NAME).is_file() and not overwrite:
        raise InputError(f"The dataset {path} exists already: choose another path, or overwrite=True to replace it.")


class TransitionsWriter:
    """Appends episodes to a dataset that is being made. Get one from `TransitionsWriter.create`.

    Attributes:
        card: what the dataset holds.
        frames, episodes: how many so far.
    """

    def __init__(self, folder: Path, card: DatasetCard, frames: int = 0, episodes: int = 0) -> None:
        """Begin, or go on after so many frames and episodes."""
        self._folder = folder
        self.card = card
        self.frames, self.episodes = frames, episodes
        kinds: dict[str, tuple[tuple[int, ...], Any, int]] = {
            "frames": (card.frame_shape, np.uint8, frames),
            "actions": ((card.action_dim,), np.float32, frames),
            "episodes": ((), np.int64, episodes and episodes + 1),
        }
        if card.state_dim is not None:
            kinds["states"] = ((card.state_dim,), np.float64, frames)
        self._columns: dict[str, NpyAppender] = {}
        try:
            for name, (shape, dtype, rows) in kinds.items():
                self._columns[name] = NpyAppender(folder / f"{name}.npy", shape, dtype, rows)
            if not episodes:
                self._columns["episodes"].append(np.zeros(1, np.int64))
        except BaseException:
            self.abandon()
            raise

    @classmethod
    @contextmanager
    def create(
        cls, path: Path | str, card: DatasetCard, *, expected_frames: int = 0, overwrite: bool = False
    ) -> Generator["TransitionsWriter"]:
        """Context in which to write the dataset ``path``; leaving it without an error makes the dataset appear.

        Args:
            path: the folder to make.
            card: what the dataset holds.
            expected_frames: frames to come; the disk must have room for them before anything starts.
            overwrite: whether a dataset that is there already may be replaced; nothing else ever is.
        """
        path = path_of("path", path)
        check_writable(path, overwrite)
        require_space(path, expected_frames * card.frame_bytes)
        with new_folder(path, replace=path.exists()) as folder:
            writer = cls(folder, card)
            try:
                yield writer
                writer.finish()
            finally:
                writer.abandon()

    def append(
        self,
        frames: NDArray[np.uint8],
        actions: NDArray[np.float32],
        states: NDArray[np.float64] | None = None,
        lengths: NDArray[np.int64] | None = None,
    ) -> None:
        """Add N episodes at once: all of them, or none where something is wrong with one.

        Args:
            frames: (N, T + 1, H, W, C).
            actions: (N, T + 1, m); the rows from an episode's last frame on are ignored.
            states: (N, T + 1, n) if the card names a state dimension.
            lengths: (N,) transitions in each episode, at most T (default: T).

        Raises:
            InputError: an action that counts is outside [-1, 1] or not finite, or an array does not fit the card.
        """
        n_rows = int(frames.shape[1])
        if lengths is None:
            lengths = np.repeat(np.int64(n_rows - 1), len(frames))
        beyond = np.arange(n_rows) >= lengths[:, None]
        rows: dict[str, NDArray[Any]] = {"frames": frames, "actions": np.where(beyond[..., None], 0, actions)}
        if not (np.abs(rows["actions"]) <= 1).all():
            raise InputError(
                f"The actions of an episode reach {np.abs(rows['actions']).max():.4g}: divide them by the largest that "
                "the environment takes, so that they are in [-1, 1] and finite."
            )
        if states is not None:
            rows["states"] = states
        kept = None if (lengths == n_rows - 1).all() else np.arange(n_rows) <= lengths[:, None]
        ends = self.frames + np.cumsum(lengths + 1)
        for name, column in self._columns.items():
            if name == "episodes":
                column.append(ends)
            else:
                values = rows[name]
                column.append(values.reshape(-1, *values.shape[2:]) if kept is None else values[kept])
        self.frames += int((lengths + 1).sum())
        self.episodes += len(lengths)

    def drop_states(self) -> None:
        """Keep no states, nor those that were already written: from some point on, they are not known."""
        if self.card.state_dim is None:
            return
        self._columns.pop("states").abandon()
        self.card = replace(self.card, state_dim=None)
        warnings.warn(
            f"{self.card.environment} tells no state any more, or one of another size: the dataset keeps none.",
            InputWarning,
            stacklevel=3,
        )

    def sync(self) -> None:
        """Wait until all that was appended is on the disk."""
        for column in self._columns.values():
            column.sync()

    def finish(self) -> None:
        """Complete the files."""
        for column in self._columns.values():
            column.close()
        with writing(self._folder):
            if self.card.state_dim is None:
                (self._folder / "states.npy").unlink(missing_ok=True)
            (self._folder / NAME).write_text(self.card.to_json(), encoding="utf-8")

    def abandon(self) -> None:
        """Close the files as they are."""
        for column in self._columns.values():
            column.abandon()
