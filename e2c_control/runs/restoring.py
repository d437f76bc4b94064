"""Objects made again from files: no more memory than the files explain, and one sentence where they do not fit."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from e2c_control.errors import InputError
from e2c_control.registry import names_from

SLACK_BYTES = 256 << 20
"""What an object may allocate beside its saved tensors: buffers, and copies while it is made."""

COPIES = 8
"""How many times the size of the saved tensors an object may allocate: a network, its twin, its optimiser."""

LEAST_BYTES = 64 << 10
"""What a tensor counts for at least: with the module around it, a small one takes more than its numbers."""

_FACTORIES = frozenset({torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.eye})
_MISFITS = (LookupError, AttributeError, TypeError, ValueError, ArithmeticError, AssertionError, RuntimeError)


class _TooLarge(Exception):
    pass


class _Budget(TorchFunctionMode):
    """Counts what torch is asked to allocate, before it does."""

    def __init__(self, n_bytes: int) -> None:
        super().__init__()
        self.left = n_bytes

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        kwargs = kwargs or {}
        if func in _FACTORIES:
            shaped = {name: value for name, value in kwargs.items() if name not in ("generator", "out", "pin_memory")}
            self.left -= max(func(*args, **{**shaped, "device": "meta"}).nbytes, LEAST_BYTES)
            if self.left < 0:
                raise _TooLarge
        return func(*args, **kwargs)


@contextmanager
def restoring(path: Path, tensors: Mapping[str, Mapping[str, Tensor]], data_bytes: int = 0) -> Generator[None]:
    """Turn whatever does not fit while an object is made from a checkpoint into an `InputError`.

    Sizes are numbers in a document, and a document may say anything: what they ask for is held against the tensors
    that were saved before any of it is allocated.

    Args:
        path: of the checkpoint, for the sentence.
        tensors: groups of named tensors that were read from it.
        data_bytes: of other files that it may take into memory as well.
    """
    for group, named in tensors.items():
        if any(tensor.is_floating_point() and bool(tensor.isnan().any()) for tensor in named.values()):
            raise InputError(f"{path} is damaged, {group} holds values that are not numbers: learn again.")
    saved = sum(tensor.nbytes for group in tensors.values() for tensor in group.values())
    try:
        with names_from(path), _Budget(SLACK_BYTES + COPIES * saved + data_bytes):
            yield
    except InputError:
        raise
    except (_TooLarge, MemoryError) as error:
        raise InputError(
            f"{path} is damaged: it names sizes that its {saved:,} bytes of weights do not have; copy the folder again "
            "from its source."
        ) from error
    except _MISFITS as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise InputError(
            f"{path} is damaged, or was written by another version of e2c-control ({reason}): install that version, or "
            "learn again."
        ) from error
