"""Compilation of the inner loops, where numba is installed; without it the same source runs as plain Python."""

import warnings
from collections.abc import Callable
from contextlib import suppress
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
# Of the liberties of fast mathematics only one is taken: a b + c may be rounded once. NaN and infinity work as ever.
_OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}}


def _machine_code(kernel: Kernel, **options: Any) -> Kernel:
    """Compile at the first call; kept on disk where there is a place to write, else compiled anew by each process."""
    if _njit is None:
        return kernel
    try:
        made = _njit(cache=True, **_OPTIONS, **options)(kernel)
    except RuntimeError:  # neither the installation nor the home folder can be written to
        return cast(Kernel, _njit(**_OPTIONS, **options)(kernel))
    cache = made._cache
    cache.save_overload = _unless_full(cache.save_overload)
    return cast(Kernel, made)


def _unless_full(save: Callable[..., None]) -> Callable[..., None]:
    """Let ``save`` fail silently where the disk is full or the folder has become unwritable: planning goes on."""

    def saved(*given: Any) -> None:
        with suppress(OSError):
            save(*given)

    return saved


def compiled(kernel: Kernel) -> Kernel:
    """Decorate scalar loops over float64 arrays: compile them at their first call.

    The machine code is kept on disk, so that only the first run on a machine waits for it. No parallel=True: its
    threads were measured to slow torch down in the same process, and gained nothing here.
    """
    return _machine_code(kernel)


def inlined(kernel: Kernel) -> Kernel:
    """Decorate likewise, and copy into each kernel that calls it, so that sizes known there unroll the loops here."""
    return _machine_code(kernel, inline="always")


def _pointers() -> Callable[[Callable[..., None], str], Any] | None:
    if _njit is None:
        return None
    from numba import cfunc, types  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

    reals, whole, table = types.float64[::1], types.int64[::1], types.float64[:, ::1]
    signatures = {
        "vectors": types.void(reals, whole, reals, reals, reals),
        "matrices": types.void(reals, whole, reals, reals, table, table),
    }

    def make(kernel: Callable[..., None], outputs: str) -> Any:
        options: dict[str, Any] = {"error_model": "numpy"}
        try:
            return cast(Any, cfunc)(signatures[outputs], cache=True, **options)(kernel)
        # Typed at a prompt, nowhere to write, a full disk, or the machine code on disk is another program's.
        except (RuntimeError, ImportError, OSError):
            return cast(Any, cfunc)(signatures[outputs], **options)(kernel)

    return make


# Compiles pointer(kernel, outputs): a pointer to a function of (parameters, sizes, state, control, ...) that writes a
# vector ("vectors") or two matrices ("matrices"). None without numba.
pointer = _pointers()
