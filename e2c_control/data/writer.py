"""Writing a dataset: episodes are appended in a hidden folder, which gets its name when all is there."""

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray

from e2c_control.data.card import NAME, DatasetCard
from e2c_control.data.npy import NpyAppender
from e2c_control.errors import InputError, InputWarning, path_of
from e2c_control.fields import Bounds, checked
from e2c_control.runs.atomic import check_replaceable, new_folder, require_space, writing

Frames = Annotated[int, Bounds(0, 2**60)]

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
        kinds: dict[str, tuple[tuple[int, ...], type[np.generic], int]] = {
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
    @checked
    def create(
        cls, path: Path | str, card: DatasetCard, *, expected_frames: Frames = 0, overwrite: bool = False
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
        frames: ArrayLike,
        actions: ArrayLike,
        states: ArrayLike | None = None,
        lengths: ArrayLike | None = None,
    ) -> None:
        """Add N episodes at once: all of them, or none where something is wrong with one.

        Args:
            frames: (N, T + 1, H, W, C) uint8.
            actions: (N, T + 1, m); the rows from an episode's last frame on are ignored.
            states: (N, T + 1, n) if the card names a state dimension.
            lengths: (N,) transitions in each episode, at most T (default: T).

        Raises:
            InputError: an action that counts is outside [-1, 1], a state that counts is not finite, or an array does
                not fit the card or the frames.
        """
        card = self.card
        shown = _array("frames", frames, "u", (None, None, *card.frame_shape), "the card's (N, T + 1, H, W, C)")
        if shown.dtype != np.uint8:
            raise InputError(f"frames are {shown.dtype}: give uint8, 0 to 255.")
        n, n_rows = shown.shape[:2]
        if not n_rows:
            raise InputError(f"frames have shape {shown.shape}: an episode has one at least.")
        wanted = (n, n_rows, card.action_dim)
        why = "one for each of the frames; the last one's is never read"
        rows = {"frames": shown, "actions": _array("actions", actions, "iuf", wanted, why)}
        if card.state_dim is not None and states is not None:
            rows["states"] = _array("states", states, "iuf", (n, n_rows, card.state_dim), "one for each of the frames")
            rows["states"] = rows["states"].astype(np.float64, copy=False)
        elif card.state_dim is not None or states is not None:
            known = "no state_dim" if card.state_dim is None else f"state_dim={card.state_dim}"
            raise InputError(f"The dataset's card has {known}: give states exactly where it has one.")
        counts = np.full(n, n_rows - 1) if lengths is None else _array("lengths", lengths, "iu", (n,), "one an episode")
        if ((counts < 0) | (counts >= n_rows)).any():
            raise InputError(f"lengths go from {counts.min()} to {counts.max()}: give 0 to {n_rows - 1}.")
        counts = counts.astype(np.int64)
        steps: NDArray[np.int64] = np.arange(n_rows, dtype=np.int64)
        # As floats, since the absolute value of the least integer is no integer.
        taken = np.where((steps >= counts[:, None])[..., None], 0, rows["actions"].astype(np.float64))
        if not np.isfinite(taken).all():
            episode, step = np.argwhere(~np.isfinite(taken).all(axis=-1))[0].tolist()
            raise InputError(f"actions[{episode}, {step}] is {taken[episode, step].tolist()}: give finite numbers.")
        if not (np.abs(taken) <= 1).all():
            raise InputError(
                f"The actions of an episode reach {np.abs(taken).max():.4g}: scale them to [-1, 1], as by "
                "2 * (a - low) / (high - low) - 1, with the bounds of what the environment takes."
            )
        rows["actions"] = taken.astype(np.float32, copy=False)
        kept = None if (counts == n_rows - 1).all() else steps <= counts[:, None]
        flat = {name: v.reshape(-1, *v.shape[2:]) if kept is None else v[kept] for name, v in rows.items()}
        if "states" in flat and not np.isfinite(flat["states"]).all():
            raise InputError("states are not finite: leave the state dimension out of the card where none is known.")
        for name, column in self._columns.items():
            column.append(flat[name] if name in flat else self.frames + np.cumsum(counts + 1))
        self.frames += int((counts + 1).sum())
        self.episodes += n

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
        """Complete the files.

        Raises:
            InputError: nothing was appended.
        """
        if not self.episodes:
            raise InputError("No episode was appended: a dataset has one at least.")
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


def _array(name: str, given: ArrayLike, kinds: str, shape: tuple[int | None, ...], why: str) -> NDArray[np.number]:
    """Return an array of real numbers whose dtype is of one of these kinds, if it has the shape; None: any length."""
    try:
        array: NDArray[np.number] = np.asarray(given)
    except (TypeError, ValueError, RuntimeError) as error:  # rows of several lengths, a tensor with a gradient
        raise InputError(f"{name} are no array ({str(error).partition(chr(10))[0]}): give one of numbers.") from error
    fits = array.ndim == len(shape) and all(w in (None, g) for w, g in zip(shape, array.shape, strict=True))
    if fits and array.dtype.kind in kinds:
        return array
    sizes = ", ".join("any" if size is None else str(size) for size in shape)
    whole = "" if "f" in kinds else "whole "
    raise InputError(f"{name} are {array.dtype} of shape {array.shape}: give {whole}numbers of shape ({sizes}), {why}.")
