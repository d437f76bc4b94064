"""Rank correlation of large samples, without scipy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def average_ranks(values: Array) -> Array:
    """Return the ranks (n,), from 1, of values (n,); equal values share the mean of their ranks."""
    order = np.argsort(values)
    ordered = values[order]
    begins = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    counts = np.diff(np.append(begins, len(values)))
    ranks = np.empty(len(values))
    # A run of c equal values that begins at position b holds the ranks b + 1 .. b + c.
    ranks[order] = np.repeat(begins + 0.5 * (counts + 1), counts)
    return ranks


def spearman(a: Array, b: Array) -> float:
    """Return Spearman's rank correlation of two samples (n,), in [-1, 1]; 0 if one is constant or n < 2."""
    if len(a) < 2:
        return 0.0
    x, y = (ranks - 0.5 * (len(a) + 1) for ranks in (average_ranks(a), average_ranks(b)))
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale > 0 else 0.0
