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
def locked(folder: Path, name: str = NAME, held: str | None = None) -> Generator[None]:
    """Hold the folder for this process; its lock goes when the process does, however that ends.

    Args:
        folder: to hold.
        name: of the file in it that is locked; it is made if it is not there, and stays.
        held: what to say if the folder is held already.

    Raises:
        InputError: another process, or this one, holds it already.
    """
    path = folder / name
    with writing(folder):
        # The file stays: who removed it could take it from under the next one.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        with writing(folder):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                free = _is_at(descriptor, path)
            except BlockingIOError:
                free = False
        # A folder that got another name while this waited is not the one that was asked for.
        if not free:
            raise InputError(held or f"{folder} is in use by another process: wait for it, or stop it.")
        yield
    finally:
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    return path.exists() and os.path.samestat(os.fstat(descriptor), path.stat())
