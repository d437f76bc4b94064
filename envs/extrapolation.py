"""Equations of motion over one time step, to high accuracy, where a step is long for what happens in it."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from e2c_control.envs.system import FloatArray

Derivative: TypeAlias = Callable[[FloatArray], FloatArray]
"""States ``(..., S, N)`` to their derivatives by time, of the same shape."""

MIDPOINTS = np.array([12, 10, 8, 6, 4, 2])  # how many steps of the midpoint rule each column takes


def extrapolate(derivative: Derivative, states: FloatArray, seconds: FloatArray, sub_steps: int) -> FloatArray:
    """Return states ``(..., N)`` after ``seconds`` (N,).

    The method of Gragg, Bulirsch and Stoer, of order 12 with its six columns (Hairer, Nørsett and Wanner, Solving
    Ordinary Differential Equations I, II.9): what the midpoint rule gives for 2 to 12 steps, extrapolated to infinitely
    many. The columns advance side by side, in one array.
    """
    whole = np.asarray(seconds / sub_steps)
    for _ in range(sub_steps):
        states = _neville(_columns(derivative, states[..., None, :], whole))
    return states


def _columns(derivative: Derivative, start: FloatArray, seconds: FloatArray) -> FloatArray:
    """Return the smoothed midpoint rule with each number of steps, ``(..., S, N)``, from ``start`` (..., 1, N)."""
    h = seconds / MIDPOINTS[:, None]
    before = np.broadcast_to(start, (*start.shape[:-2], *h.shape)).copy()
    now = before + h * derivative(start)
    for done in range(1, MIDPOINTS[0]):
        more = int(np.count_nonzero(done < MIDPOINTS))
        active = (..., slice(more), slice(None))
        after = before[active] + 2 * h[:more] * derivative(now[active])
        before[active] = now[active]
        now[active] = after
    return (before + now + h * derivative(now)) / 2


def _neville(columns: FloatArray) -> FloatArray:
    """Return the value at a step of zero of the polynomial in the squared step through the columns, ``(..., N)``."""
    count = len(MIDPOINTS)
    for order in range(1, count):
        ratio = (MIDPOINTS[: count - order] / MIDPOINTS[order:])[:, None] ** 2
        finer, coarser = columns[..., :-1, :], columns[..., 1:, :]
        columns = finer + (finer - coarser) / (ratio - 1)
    return columns[..., 0, :]
