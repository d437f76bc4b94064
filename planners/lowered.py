"""The protocol by which dynamics hand their inner loop to the compiled engine."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np

from e2c_control.planners.checks import Array, Ints, real

Kernel: TypeAlias = Callable[..., None]


@dataclass(frozen=True, eq=False)
class Lowered:
    """Dynamics as functions that numba can compile, and the numbers that they work with.

    ``step(parameters, sizes, states, controls, after)`` writes the next states of r rows: ``parameters`` (p,) float64
    and ``sizes`` (s,) int64 are those given here, ``states`` (r, n), ``controls`` (r, m) and ``after`` (r, n) float64.
    ``derivatives(parameters, sizes, state, control, A, B)``, where given, writes the local model at one row, (n,) and
    (m,), A (n, n) and B (n, m); else the engine asks ``Dynamics.linearize``.

    Both are plain functions of a module, written with scalars, NumPy arrays and loops, and must agree with the
    Dynamics that they belong to. They are compiled once per machine, whatever the parameters are.
    """

    step: Kernel
    parameters: Array  # (p,)
    sizes: Ints  # (s,)
    derivatives: Kernel | None = None

    def __post_init__(self) -> None:
        given = real("the lowered parameters", self.parameters, (None,))
        # On a whole cache line, where NumPy starts arrays in the middle of one: a network's step takes 0.7 of its time.
        room = np.empty(len(given) + 8)
        parameters = room[-room.ctypes.data // 8 % 8 :][: len(given)]
        parameters[:] = given
        object.__setattr__(self, "parameters", parameters)
        object.__setattr__(self, "sizes", np.ascontiguousarray(self.sizes, dtype=np.int64))


@runtime_checkable
class LowerableDynamics(Protocol):
    """Dynamics that the compiled engine can run without leaving machine code."""

    def lower(self) -> Lowered | None:
        """Return the kernels, or None where these dynamics have none after all."""
        ...
