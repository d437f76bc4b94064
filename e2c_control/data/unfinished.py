"""A dataset that is not finished: it grows under a hidden name beside its own, unit by unit.

A unit is what depends on nothing before it: a round of a collection, or a part that a process of its own collected.
The files may end in the middle of one; the journal says how many rows are whole, and going on begins after those.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from e2c_control.data.card import DatasetCard
from e2c_control.data.writer import FILES, TransitionsWriter, check_writable
from e2c_control.errors import InputError, path_of
from e2c_control.runs.atomic import erase, publish, replace_text, require_space, sweep, writing
from e2c_control.runs.document import Kind
from e2c_control.runs.foreign import check_folder
from e2c_control.runs.lock import locked
from e2c_control.runs.typed_json import from_json, to_json

JOURNAL = Kind(
    "e2c-control unfinished dataset",
    2,
    {"card": object, "request": Mapping[str, object], "units": int, "frames": int, "episodes": int},
    remedy="remove {folder} and collect anew",
    again="remove its folder and collect anew",
    oldest=1,
)
_JOURNAL = "unfinished.json"
PARTS = "parts"
"""Folder of parts that were collected before one that precedes them."""


def unfinished_folder(path: Path) -> Path:
    """Return where dataset ``path`` grows until it is finished; as nobody named it, no link there is followed."""
    path = path.absolute()
    folder = path.with_name(f".{path.name}.unfinished")
    if folder.is_symlink():
        raise InputError(f"{folder} is a link, which is not followed: remove it, or choose another path.")
    return folder


def is_kept(folder: Path) -> bool:
    """Return whether a folder of `unfinished_folder` has something whole in it."""
    return any((folder / name).exists() for name in (_JOURNAL, PARTS))


class Unfinished:
    """Gathers the units of one dataset. Get one from `Unfinished.open`.

    Attributes:
        folder: where it grows.
        units: how many are whole.
        transitions: in them.
        request: what they depend on beside their card, see `describe`.
    """

    def __init__(self, path: Path, overwrite: bool, resume: bool) -> None:
        self.path, self.folder = path, unfinished_folder(path)
        self.units = self.transitions = 0
        self._overwrite = overwrite
        self._writer: TransitionsWriter | None = None
        self._card: DatasetCard | None = None
        self.request: Mapping[str, Any] = {}
        if not resume:
            self._empty(keep=["frames.npy"])
        elif (self.folder / _JOURNAL).is_file():
            self._go_on(JOURNAL.read(self.folder / _JOURNAL))

    def _go_on(self, noted: Mapping[str, Any]) -> None:
        self.units, frames, episodes = noted["units"], noted["frames"], noted["episodes"]
        try:
            card = from_json(DatasetCard, noted["card"])
        except ValueError as error:
            raise JOURNAL.damage(self.folder / _JOURNAL) from error
        if not 0 < self.units <= episodes < frames:
            raise JOURNAL.damage(self.folder / _JOURNAL)
        self.transitions = frames - episodes
        self._card, self.request = card, noted["request"]
        self._writer = TransitionsWriter(self.folder, card, frames, episodes)

    @classmethod
    @contextmanager
    def open(cls, path: Path | str, *, overwrite: bool = False, resume: bool = False) -> Generator[Unfinished]:
        """Context in which the dataset ``path`` grows; leaving it without an error makes the dataset appear.

        Left with an error, or killed, what is whole stays.

        Args:
            path: the folder to make.
            overwrite: whether a dataset that is there already may be replaced; nothing else ever is.
            resume: whether to go on with what was left; otherwise that goes.

        Raises:
            InputError: another process is at work on it, or something is there that may not be replaced.
        """
        path = path_of("path", path)
        folder = unfinished_folder(path)
        with writing(path):
            folder.mkdir(parents=True, exist_ok=True)
        check_folder(folder)
        held = f"{path} is being collected by another process: wait for it, stop it, or choose another path."
        # The file that is locked goes with the folder when that gets its name.
        with locked(folder, "frames.npy", held):
            growing = None
            try:
                sweep(folder.parent, folder)
                check_writable(path, overwrite)
                growing = cls(path, overwrite, resume)
                yield growing
                growing._finish()
            finally:
                if growing is not None and growing._writer is not None:
                    growing._writer.abandon()
                if not is_kept(folder):
                    shutil.rmtree(folder, ignore_errors=True)

    def describe(self, card: DatasetCard, request: Mapping[str, object], expected_frames: int) -> DatasetCard:
        """Say what the dataset holds, before the first unit; returns that, without what was dropped or never kept.

        Args:
            card: as `TransitionsWriter.create` takes it.
            request: all else that the units depend on, as JSON.
            expected_frames: in the end; the disk must have room for them before anything starts.

        Raises:
            InputError: what was left is of another collection.
        """
        if self._card is not None:
            card = card.as_begun_by(self._card).as_far_as(self._card)
            if (self._card.as_far_as(card), self.request) != (card, request):
                raise InputError(
                    f"What there is of {self.path} was collected otherwise, or by other versions: go on as it began, "
                    f"or remove {self.folder}."
                )
            self.writer.keep(card)
        known = 0 if self._writer is None else self._writer.frames
        require_space(self.path, (expected_frames - known) * card.frame_bytes)
        if self._writer is None:
            self._writer = TransitionsWriter(self.folder, card)
        self._card, self.request = card, request
        return card

    @property
    def writer(self) -> TransitionsWriter:
        """Where the rows of the present unit go."""
        assert self._writer is not None, "describe it first"
        return self._writer

    def commit(self) -> None:
        """Keep the present unit, which is whole: a kill from now on does not lose it."""
        writer = self.writer
        writer.sync()
        self.units += 1
        self.transitions = writer.frames - writer.episodes
        counts = {"units": self.units, "frames": writer.frames, "episodes": writer.episodes}
        what = {"card": to_json(writer.card), "request": dict(self.request)}
        replace_text(self.folder / _JOURNAL, JOURNAL.text({**counts, **what}))

    def _finish(self) -> None:
        self.writer.finish()
        check_writable(self.path, self._overwrite)
        self._empty(keep=FILES)
        publish(self.folder, self.path.absolute(), replace=self._overwrite)

    def _empty(self, keep: Collection[str]) -> None:
        with writing(self.path):
            for entry in self.folder.iterdir():
                if entry.name not in keep:
                    erase(entry)
