"""Writing a dataset: episodes are appended in a hidden folder, which gets its name when all is there."""

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray

from e2c_control.data.card import NAME, STOPPED, TERMINATED, TRUNCATED, Column, DatasetCard
from e2c_control.data.npy import NpyAppender
from e2c_control.errors import InputError, InputWarning, path_of
from e2c_control.fields import Bounds, checked
from e2c_control.runs.atomic import check_replaceable, new_folder, require_space, writing

Frames = Annotated[int, Bounds(0, 2**60)]

_ARRAYS = ("frames", "actions", "episodes", "rewards", "endings", "vectors", "states")
FILES = frozenset({NAME, *(f"{name}.npy" for name in _ARRAYS)})
_OF_ACTIONS = ("actions", "rewards")
_UNREAD = "; the last one's is never read"


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
        kinds = {name: (column, frames) for name, column in card.columns.items()}
        kinds["episodes"] = Column((), np.int64), episodes and episodes + 1
        if card.rewards:
            kinds["endings"] = Column((), np.uint8), episodes
        self._columns: dict[str, NpyAppender] = {}
        try:
            for name, (column, rows) in kinds.items():
                self._columns[name] = NpyAppender(folder / f"{name}.npy", column.row, column.dtype, rows)
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
        *,
        rewards: ArrayLike | None = None,
        endings: ArrayLike | None = None,
        vectors: ArrayLike | None = None,
    ) -> None:
        """Add N episodes at once: all of them, or none where something is wrong with one.

        Args:
            frames: (N, T + 1, H, W, C) uint8.
            actions: (N, T + 1, m); the rows from an episode's last frame on are ignored.
            states: (N, T + 1, n) if the card names a state dimension.
            lengths: (N,) transitions in each episode, at most T (default: T).
            rewards: (N, T + 1) if the card has them, each for the action in its row; ignored where actions are.
            endings: (N,) how each episode ended, beside rewards: `card.STOPPED` (the default), `TERMINATED` or
                `TRUNCATED`.
            vectors: (N, T + 1, v) if the card names their size.

        Raises:
            InputError: an action that counts is outside [-1, 1], a state, a reward or a vector that counts is not
                finite, or an array does not fit the card or the frames.
        """
        card = self.card
        shown = _array("frames", frames, "u", (None, None, *card.frame_shape), "the card's (N, T + 1, H, W, C)")
        if shown.dtype != np.uint8:
            raise InputError(f"frames are {shown.dtype}: give uint8, 0 to 255.")
        n, n_rows = shown.shape[:2]
        if not n_rows:
            raise InputError(f"frames have shape {shown.shape}: an episode has one at least.")
        rows = {"frames": shown}
        given = {"actions": actions, "rewards": rewards, "vectors": vectors, "states": states}
        for name, values in given.items():
            if name != "actions" and (values is None) == (name in card.columns):
                known = "no " if name not in card.columns else ""
                raise InputError(f"The dataset's card has {known}{name}: give {name} exactly where it has them.")
            if name in card.columns:
                wanted = (n, n_rows, *card.columns[name].row)
                why = "one for each of the frames" + (_UNREAD if name in _OF_ACTIONS else "")
                rows[name] = _array(name, values, "iuf", wanted, why)
        counts = np.full(n, n_rows - 1) if lengths is None else _array("lengths", lengths, "iu", (n,), "one an episode")
        if ((counts < 0) | (counts >= n_rows)).any():
            raise InputError(f"lengths go from {counts.min()} to {counts.max()}: give 0 to {n_rows - 1}.")
        counts = counts.astype(np.int64)
        endings = np.full(n, STOPPED) if endings is None else endings
        ended = _array("endings", endings, "iu", (n,), "one an episode")
        if not np.isin(ended, (STOPPED, TERMINATED, TRUNCATED)).all() or ended[counts == 0].any():
            raise InputError(
                f"endings are {ended.tolist()}: give 0 (stopped; the only one for an episode of one frame), "
                "1 (terminated) or 2 (truncated)."
            )
        if ended.any() and not card.rewards:
            raise InputError("The dataset's card has no rewards: give endings only beside them.")
        steps: NDArray[np.int64] = np.arange(n_rows, dtype=np.int64)
        before_last, seen = steps < counts[:, None], steps <= counts[:, None]
        for name in rows.keys() - {"frames"}:
            counting = before_last if name in _OF_ACTIONS else seen
            rows[name] = _counted(name, rows[name], counting, card.columns[name].dtype)
        if not (np.abs(rows["actions"]) <= 1).all():
            raise InputError(
                f"The actions of an episode reach {np.abs(rows['actions']).max():.4g}: scale them to [-1, 1], as by "
                "2 * (a - low) / (high - low) - 1, with the bounds of what the environment takes."
            )
        if card.choices is not None and not (card.choices.are_chosen(rows["actions"]) | ~before_last).all():
            raise InputError(
                "The actions of an episode are not one-hot, as the card says: give 0, and 1 for what is chosen."
            )
        kept = slice(None) if seen.all() else seen
        total = int((counts + 1).sum())
        flat = {name: v[kept].reshape(total, *v.shape[2:]) for name, v in rows.items()}
        flat |= {"episodes": self.frames + np.cumsum(counts + 1), "endings": ended.astype(np.uint8)}
        for name, column in self._columns.items():
            column.append(flat[name])
        self.frames += total
        self.episodes += n

    def drop_states(self) -> None:
        """Keep no states, nor those that were already written: from some point on, they are not known."""
        self.keep(self.card.without(states=True))

    def keep(self, card: DatasetCard) -> None:
        """Keep no more than a card says that lacks states or rewards, even of what was already written."""
        name, lacking = self.card.environment, self.card.columns.keys() - card.columns.keys()
        reasons = {
            "states": f"{name} tells no state any more, or one of another size: the dataset keeps none.",
            "rewards": f"A part of the dataset of {name} was recorded without rewards: the dataset keeps none.",
        }
        for column in lacking:
            warnings.warn(reasons[column], InputWarning, stacklevel=4)
        for column in lacking | ({"endings"} if "rewards" in lacking else set[str]()):
            self._columns.pop(column).abandon()
        self.card = card

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
            for name in _ARRAYS:
                if name not in self._columns:
                    (self._folder / f"{name}.npy").unlink(missing_ok=True)
            (self._folder / NAME).write_text(self.card.to_json(), encoding="utf-8")

    def abandon(self) -> None:
        """Close the files as they are."""
        for column in self._columns.values():
            column.abandon()


def _counted(
    name: str, given: NDArray[np.number], counting: NDArray[np.bool_], dtype: type[np.number]
) -> NDArray[np.number]:
    """Return rows (N, T + 1, ...) in the dtype of their file, those that count finite, and the others 0."""
    counting = counting.reshape(*counting.shape, *[1] * (given.ndim - 2))
    with np.errstate(over="ignore"):  # what the file's dtype cannot hold is infinite
        # As floats first, since the absolute value of the least integer is no integer.
        rows = np.where(counting, given, 0).astype(np.float64).astype(dtype)
    if not np.isfinite(rows).all():
        episode, step, *_ = np.argwhere(~np.isfinite(rows))[0].tolist()
        raise InputError(f"{name}[{episode}, {step}] is {given[episode, step].tolist()}: give finite numbers.")
    return rows


def _array(name: str, given: object, kinds: str, shape: tuple[int | None, ...], why: str) -> NDArray[np.number]:
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
