"""Arguments that agents of all kinds take, as they are kept and saved."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from e2c_control.errors import InputError
from e2c_control.fields import is_named
from e2c_control.runs.config import to_json


def log_folder(tensorboard_log: object) -> str | None:
    """Return the folder of curves as a text, if there is to be one; raise InputError if it is no path."""
    if tensorboard_log is None:
        return None
    if not isinstance(tensorboard_log, str | os.PathLike):
        raise InputError(f"tensorboard_log is a {type(tensorboard_log).__name__}: give a folder, or none.")
    return str(Path(cast("os.PathLike[str]", tensorboard_log)))


def savable(name: str, options: Mapping[str, object]) -> dict[str, object]:
    """Return options as they are after saving and loading: numbers, texts, and lists and mappings of them.

    Raises:
        InputError: one is something else; the sentence begins with ``name``.
    """
    if not is_named(options):
        raise InputError(f"{name} is a {type(options).__name__}: give a mapping from names to values.")
    found: dict[str, object] = {}
    for key, value in options.items():
        try:
            found[key] = to_json(value)
        except TypeError as error:
            raise InputError(
                f"{name} has '{key}', a {type(value).__name__}, which cannot be saved: give numbers, texts, or lists "
                "and mappings of them."
            ) from error
    return found
