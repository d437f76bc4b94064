"""One process at a time in a run folder."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from e2c_control.errors import InputError
from e2c_control.runs.atomic import writing

NAME = ".lock"


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Hold the folder for this process; its lock goes when the process does, however that ends.

    Raises:
        InputError: another process, or this one, holds it already.
    """
    with writing(folder):
        # The file stays: who removed it could take it from under the next one.
        descriptor = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        with writing(folder):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as held:
                raise InputError(f"{folder} is in use by another process: wait for it, or stop it.") from held
        yield
    finally:
        os.close(descriptor)
