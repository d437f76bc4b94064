"""A folder that somebody else may have made: nothing in it leads out of it. `SECURITY.md` says what is promised."""

import os
import stat
from pathlib import Path

from e2c_control.errors import InputError


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds anything but folders and plain files, at any depth.

    A link would be followed out of the folder, by what is read as by what is written; a pipe or a device never ends.
    The folder itself may be reached through links: the user named it.

    Raises:
        InputError: naming the first such entry.
    """
    for parent, folders, files in os.walk(folder):
        for name in sorted([*folders, *files]):
            mode = os.lstat(os.path.join(parent, name)).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                kind = "a link" if stat.S_ISLNK(mode) else "no plain file"
                raise InputError(
                    f"{os.path.join(parent, name)} is {kind}, which is not followed inside a folder: put the file "
                    "itself there, or remove it."
                )


def file_inside(folder: Path, name: object) -> Path:
    """Return the path of the file ``name`` of a folder, as a document in that folder calls it.

    Raises:
        InputError: it is no plain name, but a path that may lead elsewhere, or what is there is no plain file.
    """
    if not isinstance(name, str) or not name or name in (".", "..") or "\0" in name or Path(name).name != name:
        raise InputError(f"{folder} names the file {name!r:.80}, which may lie outside it: do not use this folder.")
    path = folder / name
    if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
        raise InputError(f"{path} is no plain file: copy the folder again from its source.")
    return path
