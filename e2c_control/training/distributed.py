"""Data-parallel training: each process takes its slice of every batch, and all take the same optimiser step.

How a distributed step works:
1. Every process draws the same global batch and the same noise, from generators in the same state, and keeps its slice.
   Hence the loss does not depend on the number of processes, but for the order in which floats are added.
2. It computes the losses of its slice. A term that compares windows gathers the other slices first (`Job.gather`).
3. Gradients, losses and terms are averaged in one message (`Job.average`), so that every process then has the same
   numbers to the bit: the same step, the same decision about a restart, the same stop.
Only rank 0 logs, draws and writes; a checkpoint belongs to no number of processes.

torch's DistributedDataParallel is not used because the trainer calls the parts of the embedding instead of one
`forward`, and each phase trains other parts.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor

from e2c_control.errors import InputError


class JobEnded(InputError):
    """Another process of the job ended, or the job was told to stop."""

    def __init__(self) -> None:
        super().__init__(
            "A process of this job ended, or the job was stopped: see what the others say, and start again."
        )


@dataclass(frozen=True)
class Job:
    """This process's place among those that train together. For a single process every method is the identity.

    Every process must call the same methods in the same order.

    Attributes:
        rank: 0 for the process that speaks, logs and writes checkpoints.
        world_size: number of processes.
    """

    rank: int = 0
    world_size: int = 1

    def gather(self, values: Tensor, dim: int) -> Tensor:
        """Return the global batch of which `values` is this process's slice along `dim`; gradients flow back.

        The result must be used alike in every process, such as in a loss that compares all samples: the gradient is
        that of the sum of these losses over the processes, of which `average` then takes the mean.
        """
        if self.world_size == 1:
            return values
        return cast(Tensor, cast(Any, _Gather).apply(values, dim, self.rank, self.world_size))

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace every tensor, in place, by its mean over all processes."""
        if self.world_size == 1:
            return
        # One message for everything: latency, not bandwidth, is the cost of small networks.
        flat = torch.cat([tensor.detach().float().flatten() for tensor in tensors])
        with _others_there():
            dist.all_reduce(flat)
        flat /= self.world_size
        begin = 0
        for tensor in tensors:
            tensor.detach().copy_(flat[begin : begin + tensor.numel()].view_as(tensor))
            begin += tensor.numel()

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set in any process."""
        if self.world_size == 1:
            return flag
        count = torch.tensor(int(flag))  # on the CPU, where asking for it waits for no CUDA device
        with _others_there():
            dist.all_reduce(count)
        return bool(count)

    def from_first(self, act: Callable[[], str]) -> str:
        """Return the result of `act`, which rank 0 alone calls.

        Raises:
            SystemExit: in the other processes, where it raised in the first, which tells why.
        """
        if self.world_size == 1:
            return act()
        text = ""
        try:
            if self.rank == 0:
                text = act()
        finally:
            content = _broadcast(text.encode())
        if not content:
            raise SystemExit(1)
        return content.decode()


ALONE = Job()


@contextmanager
def join_job() -> Generator[Job]:
    """Join the job that `torchrun` started this process for, until the end of the block; `ALONE` without torchrun.

    Each process takes the CUDA device of its number on its machine, if there is one.
    """
    world_size = int(os.environ["WORLD_SIZE"]) if dist.is_available() and dist.is_torchelastic_launched() else 1
    if world_size == 1:
        yield ALONE
        return
    device = int(os.environ["LOCAL_RANK"])
    if device < torch.cuda.device_count():
        torch.cuda.set_device(device)
    dist.init_process_group()
    before = signal.signal(signal.SIGTERM, _told_to_stop)
    try:
        yield Job(dist.get_rank(), world_size)
    except BaseException:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends by itself, and has yet to say why
        raise
    else:
        signal.signal(signal.SIGTERM, before)
    finally:
        dist.destroy_process_group()


def check_devices(device: torch.device) -> None:
    """Refuse more processes on this machine than it has CUDA devices, if that is where they train."""
    processes, there = int(os.environ.get("LOCAL_WORLD_SIZE", 1)), torch.cuda.device_count()
    if device.type == "cuda" and processes > there:
        raise InputError(
            f"{processes} processes cannot share {there} CUDA devices: start one for each, or train with --device cpu."
        )


def _told_to_stop(signum: int, frame: FrameType | None) -> None:
    """Handle SIGTERM, which torchrun sends to the remaining processes when one is lost."""
    raise JobEnded


@contextmanager
def _others_there() -> Generator[None]:
    try:
        yield
    except RuntimeError as error:
        raise JobEnded from error


def _broadcast(content: bytes) -> bytes:
    """Return rank 0's content in every process."""
    size = torch.tensor(len(content))
    with _others_there():
        dist.broadcast(size, 0)
        text = torch.zeros(int(size), dtype=torch.uint8)
        text[: len(content)] = torch.tensor(list(content), dtype=torch.uint8)
        dist.broadcast(text, 0)
    return text.numpy().tobytes()


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, dim: int, rank: int, world_size: int) -> Tensor:
        ctx.place = dim, rank, world_size
        parts = [torch.empty_like(values, memory_format=torch.contiguous_format) for _ in range(world_size)]
        with _others_there():
            dist.all_gather(parts, values.contiguous())
        return torch.cat(parts, dim)

    @staticmethod
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *upstream: Tensor
    ) -> tuple[Tensor, None, None, None]:
        # Each process holds the gradient of its own copy of the loss in all slices. The copies are equal, so their sum
        # over processes, of which `average` takes the mean later, is world_size times the gradient in this slice.
        dim, rank, world_size = ctx.place
        mine = cast(Tensor, upstream[0].chunk(world_size, dim)[rank])
        return world_size * mine, None, None, None
