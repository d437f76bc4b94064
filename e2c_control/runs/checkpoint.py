"""Checkpoints: a folder of safetensors and one JSON file, complete or not there at all. Nothing is ever unpickled."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as bytes_from_tensors
from torch import Tensor

from e2c_control.errors import InputError
from e2c_control.runs.atomic import check_replaceable, new_folder, remove, unreadable, writing
from e2c_control.runs.document import Kind
from e2c_control.runs.foreign import check_folder, file_inside

CHECKPOINT = Kind(
    "e2c-control checkpoint",
    1,
    {"files": dict[str, int], "meta": dict[str, object]},
    remedy="remove {folder} to go on from the checkpoint before it",
    damaged="truncated or damaged",
)
_META = "checkpoint.json"
_SUFFIX = ".safetensors"
_LONGEST_HEADER = 16 << 20
"""Bytes; ours have thousands."""

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """What `load_checkpoint` gives back.

    Attributes:
        path: the folder.
        tensors: groups of named tensors, on the CPU.
        meta: the JSON that was saved with them.
    """

    path: Path
    tensors: Mapping[str, Tensors]
    meta: Mapping[str, Any]


def save_checkpoint(path: Path, tensors: Mapping[str, Tensors], meta: Mapping[str, object]) -> None:
    """Write the folder ``path`` and wait until it is on the disk.

    A checkpoint that is there already is replaced in the end; a failure leaves it as it was. Nothing else ever is.

    Args:
        path: see `checkpoint_path`.
        tensors: groups of named tensors, such as {"model": ..., "optimizer": ...}; each becomes one file.
        meta: JSON to keep with them.

    Raises:
        InputError: the disk is full or forbids it, or something that is no checkpoint is there.
    """
    check_replaceable(path, "checkpoint", [_META], lambda name: name == _META or name.endswith(_SUFFIX))
    with new_folder(path, replace=True) as folder:
        files = {f"{group}{_SUFFIX}": _write_group(folder, path, group, named) for group, named in tensors.items()}
        text = CHECKPOINT.text({"files": files, "meta": dict(meta)})
        with writing(path):
            (folder / _META).write_text(text, encoding="utf-8")


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        InputError: it is missing, truncated, damaged, or of another format version.
    """
    if not (path / _META).is_file():
        raise InputError(f"{path} is not a checkpoint, it has no {_META}: check the path.")
    check_folder(path)
    text = CHECKPOINT.read(path / _META)
    groups = {
        name.removesuffix(_SUFFIX): _read_group(file_inside(path, name), checksum)
        for name, checksum in text["files"].items()
    }
    return Checkpoint(path, groups, text["meta"])


def checkpoint_path(checkpoints: Path, step: int) -> Path:
    """Return the path of a step's checkpoint, ``step-00001000``, so that names sort like steps."""
    return checkpoints / f"step-{step:08d}"


def checkpoint_paths(checkpoints: Path) -> list[Path]:
    """Return the complete checkpoints in a folder, oldest first."""
    return [path for path in _steps(checkpoints) if (path / _META).is_file()]


def latest(checkpoints: Path) -> Path | None:
    """Return the newest complete checkpoint in a folder, or None."""
    paths = checkpoint_paths(checkpoints)
    return paths[-1] if paths else None


def keep_last(checkpoints: Path, count: int) -> None:
    """Remove all complete checkpoints but the newest ``count``."""
    for path in checkpoint_paths(checkpoints)[:-count]:
        remove(path)


def remove_torn(checkpoints: Path) -> None:
    """Remove what a killed process of version 0.1.0 left of a checkpoint that it was removing."""
    for path in _steps(checkpoints):
        if path.is_dir() and not path.is_symlink() and not (path / _META).exists():
            remove(path)


def _steps(checkpoints: Path) -> list[Path]:
    try:
        found = [path for path in checkpoints.iterdir() if path.name.startswith("step-") and path.name[5:].isdecimal()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError as error:
        raise unreadable(checkpoints, error) from error
    return sorted(found, key=lambda path: int(path.name[5:]))


def _write_group(folder: Path, path: Path, group: str, named: Tensors) -> int:
    """Write one file of the checkpoint ``path`` into its hidden folder; returns the checksum."""
    # A copy of each: safetensors refuses tensors that share memory, as tied weights do.
    content = bytes_from_tensors({name: _own_copy(tensor) for name, tensor in named.items()})
    with writing(path):
        (folder / f"{group}{_SUFFIX}").write_bytes(content)
    return zlib.crc32(content)


def _own_copy(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True).contiguous()


def _check_size(path: Path) -> None:
    """Raise ValueError unless the file is as large as its header says, before any of the rest is read.

    A safetensors file begins with the header's length, 8 bytes, and the header, JSON with where each tensor ends.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= min(size - 8, _LONGEST_HEADER):
            raise ValueError("no header")
        header: dict[str, dict[str, Any]] = json.loads(file.read(length))
    try:
        ends = [int(tensor["data_offsets"][1]) for name, tensor in header.items() if name != "__metadata__"]
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise ValueError("no table of tensors") from error
    if size != 8 + length + max(ends, default=0):
        raise ValueError(f"{size:,} bytes are not those of its tensors")


def _read_group(path: Path, checksum: int) -> Tensors:
    try:
        _check_size(path)
        content = path.read_bytes()
        if zlib.crc32(content) != checksum:
            raise CHECKPOINT.damage(path)
        return tensors_from_bytes(content)
    except PermissionError as error:
        raise unreadable(path, error) from error
    except (OSError, SafetensorError, ValueError, RecursionError) as error:
        raise CHECKPOINT.damage(path) from error
