"""Folders that appear under their name only when they are complete, and storage errors in one sentence."""

import errno
import os
import re
import shutil
import socket
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from e2c_control.errors import InputError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


def storage_error(path: Path, error: OSError) -> InputError:
    """Return what a user can do about a failed write under ``path``."""
    if error.errno in _FULL:
        return InputError(f"No space left to write {path}: free some space or choose another folder.")
    if error.errno in _FORBIDDEN:
        return InputError(f"No permission to write {path}: change its permissions or choose another folder.")
    return InputError(f"Cannot write {path} ({os.strerror(error.errno or 0)}): choose another folder.")


def unreadable(path: Path, error: OSError) -> InputError:
    """Return the error for a file or folder that is there, but may not be read."""
    return InputError(f"No permission to read {error.filename or path}: change its permissions.")


@contextmanager
def writing(path: Path) -> Generator[None]:
    """Around every write under ``path``: a full or forbidden disk becomes an `InputError`."""
    try:
        yield
    except OSError as error:
        raise storage_error(path, error) from error


def require_space(path: Path, n_bytes: int) -> None:
    """Raise `InputError` unless the disk that will hold ``path`` has ``n_bytes`` free."""
    with writing(path):
        existing = next(folder for folder in path.absolute().parents if folder.exists())
        free = shutil.disk_usage(existing).free
    if free < n_bytes:
        raise InputError(
            f"{path} needs {n_bytes / 1e6:,.0f} MB and the disk has {free / 1e6:,.0f} MB free: "
            "free some space, choose another folder or ask for less."
        )


def check_replaceable(path: Path, what: str, marks: Sequence[str], belongs: Callable[[str], bool]) -> None:
    """Raise `InputError` if writing the folder ``path`` would lose what is no part of such a folder.

    An empty folder gives way, and one that is nothing but what is to be written; anything else never does.

    Args:
        path: the folder to write.
        what: is to be written there, such as "dataset".
        marks: files by which such a folder is known.
        belongs: whether a file of that name is a part of it.
    """
    with writing(path):
        if not path.exists() or (path.is_dir() and not any(path.iterdir())):
            return
        if not all((path / mark).is_file() for mark in marks):
            raise InputError(f"{path} exists and is not a {what}: choose another path.")
        others = sorted(entry.name for entry in path.iterdir() if not belongs(entry.name))
    if others:
        raise InputError(
            f"{path} holds {others[0]!r} besides a {what}, which replacing it would lose: choose another path, or move "
            "that away."
        )


@contextmanager
def new_folder(path: Path, *, replace: bool = False) -> Generator[Path]:
    """Give a hidden folder beside ``path`` to write into; on success flush it to the disk and rename it to ``path``.

    On any failure, a kill included, whatever was at ``path`` stays as it was.

    Args:
        path: the name that the folder gets in the end.
        replace: whether a folder that is there already may give way; otherwise that is an `InputError`.
    """
    path = path.absolute()
    partial = _hidden(path, "partial")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent)
    _check_free(path, replace)
    try:
        with writing(path):
            partial.mkdir()
        yield partial
        publish(partial, path, replace=replace)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def publish(folder: Path, path: Path, *, replace: bool = False) -> None:
    """Flush a finished folder to the disk and rename it to ``path``, beside it; see `new_folder`."""
    _check_free(path, replace)
    with writing(path):
        for entry in folder.rglob("*"):
            sync(entry)
        sync(folder)
        _swap(folder, path)
        sync(path.parent)


def _check_free(path: Path, replace: bool) -> None:
    with writing(path):
        taken = path.exists()
    if taken and not replace:
        raise InputError(f"{path} exists already: choose another name or ask to replace it.")


def sync(path: Path) -> None:
    """Wait until the file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_bytes(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new one and nothing between."""
    partial = _hidden(path, "partial")
    with writing(path):
        try:
            partial.write_bytes(content)
            sync(partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def replace_text(path: Path, text: str) -> None:
    """Replace a file by a text, as `replace_bytes` does."""
    replace_bytes(path, text.encode("utf-8"))


def sweep(*folders: Path) -> None:
    """Remove from the folders what killed processes of this machine left half written, and put back what they moved
    aside: one that dies between the two renames of `_swap` leaves nothing at the name, and what stood there beside it.
    """
    host = re.escape(socket.gethostname())
    ours = re.compile(rf"\.(?P<name>.+)\.{host}-(?P<pid>\d+)-[0-9a-f]{{8}}\.(?P<kind>partial|replaced)")
    for entry in (entry for folder in folders if folder.is_dir() for entry in folder.glob(".*-*-*.*")):
        left = ours.fullmatch(entry.name)
        if left is None or _alive(int(left["pid"])):
            continue
        home = entry.with_name(left["name"])
        with suppress(OSError):
            if left["kind"] == "replaced" and not home.exists():
                entry.rename(home)
            else:
                erase(entry)


def erase(entry: Path) -> None:
    """Remove a file or a folder; of a link, not what it leads to."""
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink()


def remove(path: Path) -> None:
    """Remove a folder at once: it has another name before it goes, under which `sweep` finds the rest after a kill."""
    with writing(path):
        left = _hidden(path, "partial")
        path.rename(left)
        erase(left)


def _hidden(path: Path, kind: str) -> Path:
    """Return a name beside ``path`` for this process alone, by which `sweep` knows what is left of it."""
    return path.with_name(f".{path.name}.{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}.{kind}")


def _swap(partial: Path, path: Path) -> None:
    """Rename; a folder that stood there is moved aside first and comes back if that fails."""
    if not path.exists():
        partial.rename(path)
        return
    old = _hidden(path, "replaced")
    path.rename(old)
    try:
        partial.rename(path)
    except OSError:
        old.rename(path)
        raise
    if old.is_symlink():  # what it leads to stays
        old.unlink()
    shutil.rmtree(old, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # no process has a number like the latter
        return False
    except PermissionError:
        return True
    return True
