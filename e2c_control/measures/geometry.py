"""Compare the geometry of two sets of points: distances, neighbours, an affine map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def distances(points: Array) -> Array:
    """Return the Euclidean distances (N, N) of points (N, d).

    Summed coordinate by coordinate: unlike the product form, equal points are exactly 0 apart and ties stay ties.
    """
    squares = np.zeros((len(points), len(points)))
    for coordinate in points.T:
        squares += np.subtract.outer(coordinate, coordinate) ** 2
    return np.sqrt(squares)


def neighbour_overlap(found: Array, true: Array, count: int = 8) -> float:
    """Return the mean share of a point's `count` nearest by distances `found` (N, N) that are also nearest by `true`.

    A neighbour that ties with the last of the true ones counts as one of them. Chance is `count` / (N - 1).
    """
    count = min(count, len(found) - 1)
    if count < 1:
        return 0.0
    found, true = found.copy(), true.copy()
    np.fill_diagonal(found, np.inf)
    np.fill_diagonal(true, np.inf)
    nearest = np.argpartition(found, count - 1, axis=1)[:, :count]
    reach = np.partition(true, count - 1, axis=1)[:, count - 1]
    return float(np.mean(np.take_along_axis(true, nearest, axis=1) <= reach[:, None]))


def affine_r2(points: Array, targets: Array) -> float:
    """Return the R² of the best affine map from points (N, d) to targets (N, f), coordinates pooled.

    0 where the targets do not vary.
    """
    centred = targets - targets.mean(0)
    total = float(np.sum(centred**2))
    rounding = targets.size * (np.finfo(np.float64).eps * float(np.abs(targets).max(initial=0.0))) ** 2
    if total <= rounding:
        return 0.0
    inputs = points - points.mean(0)
    solution = np.asarray(np.linalg.lstsq(inputs, centred, rcond=None)[0], np.float64)
    return 1.0 - float(np.sum((centred - inputs @ solution) ** 2)) / total
