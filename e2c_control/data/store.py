"""Where frames are gathered from: the device's memory, or a file that is never resident as a whole."""

import mmap
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from e2c_control.data.transitions import Transitions

_CPU_BUDGET = 1 << 30
_CUDA_SHARE = 0.25
_UPLOAD_BYTES = 32 << 20
# A page fault maps up to 64 KiB on either side of what was asked for.
_FAULT_BYTES = 128 << 10
_RESIDENT_BYTES = 128 << 20


class FrameStore(Protocol):
    """Frames of a dataset by their row."""

    def gather(self, rows: Tensor) -> Tensor:
        """``rows (N, L)`` int64, on the CPU → frames (N, L, H, W, C) uint8, on the device."""
        ...


def open_store(transitions: Transitions, device: torch.device | str, budget_bytes: int | None = None) -> FrameStore:
    """Put the frames on the device if they fit the budget; otherwise read them from the file at each batch.

    Args:
        transitions: whose frames.
        device: where batches are wanted.
        budget_bytes: default: a quarter of the free memory of a CUDA device, 1 GiB otherwise; 0 always streams.
    """
    device = torch.device(device)
    if budget_bytes is None:
        budget_bytes = _default_budget(device)
    if transitions.frames.nbytes <= budget_bytes:
        return ResidentFrames(transitions, device)
    return StreamedFrames(transitions, device)


def _default_budget(device: torch.device) -> int:
    if device.type != "cuda":
        return _CPU_BUDGET
    free, _ = torch.cuda.mem_get_info(device)
    return int(_CUDA_SHARE * free)


class ResidentFrames:
    """All frames in the memory of the device; a batch never passes through the host."""

    def __init__(self, transitions: Transitions, device: torch.device) -> None:
        self._device = device
        self._frames = torch.empty(transitions.frames.shape, dtype=torch.uint8, device=device)
        mapped = MappedFrames(transitions)
        step = max(_UPLOAD_BYTES // max(mapped.frame_bytes, 1), 1)
        for start in range(0, len(self._frames), step):
            rows = np.arange(start, min(start + step, len(self._frames)))
            self._frames[start : start + step] = torch.as_tensor(mapped.take(rows)).to(device)

    def gather(self, rows: Tensor) -> Tensor:
        flat = self._frames.index_select(0, rows.reshape(-1).to(self._device, non_blocking=True))
        return flat.view(*rows.shape, *self._frames.shape[1:])


class StreamedFrames:
    """Frames read from the file at each batch, with bounded resident memory."""

    def __init__(self, transitions: Transitions, device: torch.device) -> None:
        self._device = device
        self._mapped = MappedFrames(transitions)

    def gather(self, rows: Tensor) -> Tensor:
        on_cuda = self._device.type == "cuda"
        batch = torch.empty(*rows.shape, *self._mapped.frame_shape, dtype=torch.uint8, pin_memory=on_cuda)
        self._mapped.take(rows.numpy(), batch.numpy())
        return batch.to(self._device, non_blocking=True)


class MappedFrames:
    """A memory map of ``frames.npy`` that gives its pages back to the system after so many were touched."""

    def __init__(self, transitions: Transitions) -> None:
        path: Path = transitions.path / "frames.npy"
        shape = transitions.frames.shape
        offset = int(cast("np.memmap[tuple[int, ...], np.dtype[np.uint8]]", transitions.frames).offset)
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._frames = np.frombuffer(self._map, np.uint8, offset=offset).reshape(shape)
        self._touched = 0
        self.frame_shape: tuple[int, ...] = shape[1:]
        self.frame_bytes = int(np.prod(self.frame_shape))

    def take(self, rows: NDArray[np.int64], out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """Copy the frames at ``rows`` (any shape) into ``out``, a run of neighbouring rows counting as one touch."""
        # Every row was made from the offsets of episodes; "clip" only spares NumPy a second buffer.
        frames = np.take(self._frames, rows, axis=0, out=out, mode="clip")
        runs = rows.size // rows.shape[-1]
        self._touched += frames.nbytes + runs * _FAULT_BYTES
        if self._touched > _RESIDENT_BYTES and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
            self._touched = 0
        return frames
