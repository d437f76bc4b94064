"""Colours for true states: one colour for each place of a plane, or one for each value of a variable."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

Array = NDArray[np.float64]

# One axis goes from blue to orange and the other from dark to light, so that the plane can be read with any colour
# vision. Corners: sRGB at (0, 0), (0, 1), (1, 0), (1, 1).
CORNERS = np.array([[0.10, 0.16, 0.42], [0.60, 0.16, 0.02], [0.55, 0.80, 0.98], [1.00, 0.84, 0.40]])


def plane_colours(positions: Array) -> Array:
    """Return colours (N, 3) in [0, 1] of positions (N, 2), scaled to the range that they span."""
    low, high = positions.min(0), positions.max(0)
    u, v = ((positions - low) / np.maximum(high - low, np.finfo(np.float64).tiny)).T
    weights = np.stack([(1 - u) * (1 - v), (1 - u) * v, u * (1 - v), u * v], axis=1)
    # Mixed as light, not as its encoding: halfway between two hues is otherwise murky.
    return (weights @ CORNERS**2.2) ** (1 / 2.2)


def is_angle(values: Array) -> bool:
    """Return whether values (N,) look like an angle in radians that goes all the way round."""
    slack = 1e-6
    return bool(np.abs(values).max() <= np.pi + slack and np.ptp(values) > 0.9 * 2 * np.pi)


def value_colours(values: Array, cyclic: bool) -> tuple[Array, str]:
    """Return colours (N, 4) in [0, 1] of values (N,), and the name of the colour map."""
    name = "twilight_shifted" if cyclic else "viridis"
    low, high = value_range(values, cyclic)
    return np.asarray(colormaps[name]((values - low) / max(high - low, np.finfo(np.float64).tiny))), name


def value_range(values: Array, cyclic: bool) -> tuple[float, float]:
    """Return what the ends of the colour map stand for."""
    return (-np.pi, np.pi) if cyclic else (float(values.min()), float(values.max()))


def state_names(names: Sequence[str] | None, count: int) -> list[str]:
    """Return the given names, or "state 1", "state 2", ..."""
    return list(names) if names is not None else [f"state {i + 1}" for i in range(count)]
