"""Where frames are gathered from: the device's memory, or a file that is never resident as a whole."""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

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
        step = max(_UPLOAD_BYTES // max(transitions.frames[:1].nbytes, 1), 1)
        for start in range(0, len(self._frames), step):
            rows = np.arange(start, min(start + step, len(self._frames)))
            self._frames[start : start + step] = torch.as_tensor(transitions.frames_at(rows)).to(device)

    def gather(self, rows: Tensor) -> Tensor:
        flat = self._frames.index_select(0, rows.reshape(-1).to(self._device, non_blocking=True))
        return flat.view(*rows.shape, *self._frames.shape[1:])


class StreamedFrames:
    """Frames read from the file at each batch, with bounded resident memory."""

    def __init__(self, transitions: Transitions, device: torch.device) -> None:
        self._device = device
        self._transitions = transitions

    def gather(self, rows: Tensor) -> Tensor:
        on_cuda = self._device.type == "cuda"
        frame_shape = self._transitions.frames.shape[1:]
        batch = torch.empty(*rows.shape, *frame_shape, dtype=torch.uint8, pin_memory=on_cuda)
        self._transitions.frames_at(rows.numpy(), batch.numpy())
        return batch.to(self._device, non_blocking=True)
