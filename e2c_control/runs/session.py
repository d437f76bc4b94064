"""A run at work that can be stopped at any time and resumed: what every such loop has around its own steps.

with Session.open(run) as session:
    search = session.resumed(make_search, FIELDS)
    session.begin(search.cycle, cycles, "cycle", progress=True)
    while search.cycle < cycles:
        session.logger.scalars(search.cycle, search.advance())
        session.save(search.cycle, search)
        session.bar.update()
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn, Self, TypeVar

from tqdm import tqdm

from e2c_control.runs.checkpoint import checkpoint_path, keep_last, latest
from e2c_control.runs.folder import RunFolder
from e2c_control.runs.logger import RunLogger
from e2c_control.runs.progress import progress_bar
from e2c_control.runs.stateful import Stateful, loading, save

Work = TypeVar("Work", bound=Stateful)


class Session:
    """One process's work in a run folder, which it holds. Get one from `Session.open`.

    Attributes:
        run: the folder.
        logger: of the curves, from `begin` on; what was logged after the newest checkpoint is gone from them.
        bar: of the progress, from `begin` on.
    """

    logger: RunLogger
    bar: tqdm[NoReturn]

    def __init__(self, run: RunFolder, keep: int, stack: ExitStack) -> None:
        self.run, self._keep, self._stack = run, keep, stack

    @classmethod
    @contextmanager
    def open(cls, run: RunFolder, keep: int = 2) -> Generator[Self]:
        """Hold the folder, and keep the newest `keep` checkpoints; InputError if another process holds it."""
        with run.held(), ExitStack() as stack:
            yield cls(run, keep, stack)

    def resumed(self, make: Callable[[], Work], fields: Mapping[str, object], data_bytes: int = 0) -> Work:
        """See `resumed`."""
        return resumed(self.run, make, fields, data_bytes)

    def begin(self, done: int, total: int, unit: str, *, progress: bool) -> None:
        """Go on with the curves and the bar after `done` steps of `total`."""
        self.logger = self._stack.enter_context(RunLogger(self.run, done))
        if not done:
            self.logger.text(0, "config", f"```\n{self.run.config_text().rstrip()}\n```")
        self.bar = self._stack.enter_context(progress_bar(total, done=done, unit=unit, enabled=progress))

    def save(self, step: int, work: Stateful | Callable[[Path], object]) -> None:
        """Write a checkpoint, with the curves up to it, and remove the oldest.

        Args:
            step: by which it is known.
            work: to save, or a function that writes the folder.
        """
        self.logger.flush()
        path = checkpoint_path(self.run.checkpoints, step)
        if isinstance(work, Stateful):
            save(path, work.state())
        else:
            work(path)
        keep_last(self.run.checkpoints, self._keep)


def resumed(run: RunFolder, make: Callable[[], Work], fields: Mapping[str, object], data_bytes: int = 0) -> Work:
    """Return what `make` makes, as the run's newest checkpoint left it, if it has one.

    Args:
        run: the folder.
        make: makes the object as it begins.
        fields: of the checkpoint's JSON, see `loading`.
        data_bytes: of other files that the object may take into memory.

    Raises:
        InputError: the checkpoint is damaged, or of another object.
    """
    newest = latest(run.checkpoints)
    if newest is None:
        return make()
    with loading(newest, fields, data_bytes=data_bytes) as state:
        work = make()
        work.restore(*state)
        return work


@contextmanager
def interrupt_flag() -> Generator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a flag, so that no step is left half done; a second one interrupts at once."""
    pressed = False

    def note(signum: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    try:
        previous = signal.signal(signal.SIGINT, note)
    except ValueError:  # not in the main thread, where signals cannot be caught
        yield lambda: False
        return
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, previous)
