"""Where frames, and vectors, are gathered from: the device's memory, or a file that is never resident as a whole."""

from typing import Generic, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from e2c_control.data.rows import FileRows, Number
from e2c_control.data.transitions import Transitions

_CPU_BUDGET = 256 << 20
_CUDA_SHARE = 0.25
_UPLOAD_BYTES = 32 << 20


class FrameStore(Protocol):
    """Frames of a dataset by their row."""

    def gather(self, rows: Tensor) -> Tensor:
        """Return frames (N, L, H, W, C) uint8, on the device, of ``rows`` (N, L) int64, on the CPU."""
        ...


def open_store(transitions: Transitions, device: torch.device | str, budget_bytes: int | None = None) -> FrameStore:
    """Put the frames on the device if they fit the budget; otherwise read them from the file at each batch.

    Args:
        transitions: whose frames.
        device: where batches are wanted.
        budget_bytes: default: a quarter of the free memory of a CUDA device, 256 MiB otherwise; 0 always streams.
    """
    return store_of(transitions.frames, device, budget_bytes)


def store_of(mapped: NDArray[Number], device: torch.device | str, budget_bytes: int | None = None) -> FrameStore:
    """Do what `open_store` does with the rows of any mapped array."""
    device = torch.device(device)
    if budget_bytes is None:
        budget_bytes = _default_budget(device)
    return (ResidentRows if mapped.nbytes <= budget_bytes else StreamedRows)(FileRows(mapped), device)


def _default_budget(device: torch.device) -> int:
    if device.type != "cuda":
        return _CPU_BUDGET
    free, _ = torch.cuda.mem_get_info(device)
    return int(_CUDA_SHARE * free)


class ResidentRows:
    """All rows in the memory of the device; a batch never passes through the host."""

    def __init__(self, rows: FileRows[Number], device: torch.device) -> None:
        self._device = device
        first = torch.as_tensor(rows.take(np.zeros(1, np.int64)))
        self._rows = torch.empty((len(rows), *rows.row_shape), dtype=first.dtype, device=device)
        step = max(_UPLOAD_BYTES // max(first.nbytes, 1), 1)
        for start in range(0, len(rows), step):
            chosen = np.arange(start, min(start + step, len(rows)))
            self._rows[start : start + step] = torch.as_tensor(rows.take(chosen)).to(device)

    def gather(self, rows: Tensor) -> Tensor:
        flat = self._rows.index_select(0, rows.reshape(-1).to(self._device, non_blocking=True))
        return flat.view(*rows.shape, *self._rows.shape[1:])


class StreamedRows(Generic[Number]):
    """Rows read from the file at each batch, with bounded resident memory."""

    def __init__(self, rows: FileRows[Number], device: torch.device) -> None:
        self._device = device
        self._rows = rows
        self._dtype = torch.as_tensor(rows.take(np.zeros(1, np.int64))).dtype

    def gather(self, rows: Tensor) -> Tensor:
        pinned = self._device.type == "cuda"
        batch = torch.empty(*rows.shape, *self._rows.row_shape, dtype=self._dtype, pin_memory=pinned)
        self._rows.take(rows.numpy(), batch.numpy())
        return batch.to(self._device, non_blocking=True)
