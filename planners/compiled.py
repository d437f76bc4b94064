"""Compilation of the inner loops, where numba is installed; without it the same source runs as plain Python."""

import warnings
from collections.abc import Callable
from typing import Any, TypeVar, cast

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def _compiler() -> Callable[..., Any] | None:
    try:
        from numba import njit  # pyright: ignore[reportUnknownVariableType]
    except ImportError:
        warnings.warn("numba is not installed: the planners work, but much slower.", RuntimeWarning, stacklevel=3)
        return None
    return cast(Callable[..., Any], njit)


_njit = _compiler()


def compiled(kernel: Kernel) -> Kernel:
    """Decorator: scalar loops over float64 arrays, compiled at their first call.

    The machine code is kept on disk, so that only the first run on a machine waits for it. No parallel=True: its
    threads were measured to slow torch down in the same process, and gained nothing here.
    """
    return kernel if _njit is None else cast(Kernel, _njit(cache=True, error_model="numpy")(kernel))


def inlined(kernel: Kernel) -> Kernel:
    """The same, and copied into each kernel that calls it, so that sizes known there unroll the loops here."""
    return kernel if _njit is None else cast(Kernel, _njit(cache=True, error_model="numpy", inline="always")(kernel))
