"""Compilation of the inner loops, where numba is installed; without it the same source runs as plain Python."""

import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any, TypeVar

Kernel = TypeVar("Kernel", bound=Callable[..., object])

numba: Any = None
try:
    numba = import_module("numba")  # which has no types to import
except ImportError:
    warnings.warn("numba is not installed: the planners work, but much slower.", RuntimeWarning, stacklevel=2)
# Of the liberties of fast mathematics only one is taken: a b + c may be rounded once. NaN and infinity work as ever.
_OPTIONS: dict[str, object] = {"error_model": "numpy", "fastmath": {"contract"}}


def compiled(kernel: Kernel, **options: object) -> Kernel:
    """Decorate scalar loops over float64 arrays: compile them at their first call.

    The machine code is kept on disk, so that only the first run on a machine waits for it; where there is no place to
    write, each process compiles anew. No parallel=True: its threads were measured to slow torch down in the same
    process, and gained nothing here.
    """
    if numba is None:
        return kernel
    try:
        made = numba.njit(cache=True, **{**_OPTIONS, **options})(kernel)
    except RuntimeError:  # neither the installation nor the home folder can be written to
        return numba.njit(**{**_OPTIONS, **options})(kernel)
    made._cache.save_overload = _unless_full(made._cache.save_overload)
    return made


def _unless_full(save: Callable[..., None]) -> Callable[..., None]:
    """Let ``save`` fail silently where the disk is full or the folder has become unwritable: planning goes on."""

    def saved(*given: object) -> None:
        with suppress(OSError):
            save(*given)

    return saved


def inlined(kernel: Kernel) -> Kernel:
    """Decorate likewise, and copy into each kernel that calls it, so that sizes known there unroll the loops here."""
    return compiled(kernel, inline="always")


def any_order(kernel: Kernel) -> Kernel:
    """Decorate likewise, and let sums be taken in any order, so that they become sums of vectors."""
    return compiled(kernel, fastmath={"contract", "reassoc"})


class Pointer:
    """A compiled function as kernels take it for an argument, its type found once: numba's own would at each call."""

    def __init__(self, function: Any) -> None:
        self._function, self._numba_type_ = function, numba.typeof(function)

    def __call__(self, *given: object) -> None:
        self._function(*given)

    def __wrapper_address__(self) -> int:
        return self._function.address


@cache
def pointer(kernel: Callable[..., None], outputs: str) -> Pointer:
    """Return a pointer to the compiled function of (parameters, sizes, state, control, ...); only where numba is.

    It takes many rows and writes as many (``outputs`` is "rows"), or one, and writes two matrices ("matrices").
    """
    reals, whole, table = numba.float64[::1], numba.int64[::1], numba.float64[:, ::1]
    arrays = {"rows": (table, table, table), "matrices": (reals, reals, table, table)}[outputs]
    signature, options = numba.void(reals, whole, *arrays), {"error_model": "numpy"}
    try:
        return Pointer(numba.cfunc(signature, cache=True, **options)(kernel))
    # Typed at a prompt, nowhere to write, a full disk, or the machine code on disk is another program's.
    except (RuntimeError, ImportError, OSError):
        return Pointer(numba.cfunc(signature, **options)(kernel))
