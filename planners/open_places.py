"""Steps to a goal over the places of a picture that are open, where an action adds the same to every place.

Sources: Dijkstra, "A note on two problems in connexion with graphs", Numerische Mathematik 1, 1959; Bellman, "On a
routing problem", Quarterly of Applied Mathematics 16, 1958 (relaxation in rounds, which many pictures can share).
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from e2c_control.planners.checks import Array, Bools, Ints

CLOSED = 100.0
"""Steps that a closed place costs: ways through one are taken where there is no other, and known by that."""
SEED = 1.5
"""Pixels around a goal from which ways begin."""
WIDTH = 1e-3
"""Least width of what a step reaches, over the largest: across it, no step leads, or next to none."""
_AROUND = np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)])
_NEIGHBOURS = _AROUND[(_AROUND != 0).any(1)]


@dataclass(frozen=True, eq=False)
class OpenPlaces:
    """The steps from all places in N pictures to a goal in each.

    An action u in [-1, 1]^m adds G u to a place. What one step reaches is a zonotope, whose sides are along the columns
    of G, and the steps along an offset x with nothing between are its gauge, max_v |v'x| / sum_j |v'G_j| over the
    normals v of these sides. Ways lead from a pixel to one of its eight neighbours.

    Attributes:
        goals: (row, column) in pixels, (N, 2).
        gain: G, (2, m).
        steps: from the middle of each pixel, (N, H, W).
    """

    goals: Array
    gain: Array
    steps: Array

    @classmethod
    def towards(cls, goals: Array, gain: Array, open_places: Bools) -> Self:
        """Count the steps to goals (N, 2), where the mover's centre may be in pixels `open_places` (N, H, W)."""
        middles = np.indices(open_places.shape[1:]).transpose(1, 2, 0) + 0.5
        offsets, closed = middles - goals[:, None, None], np.where(open_places, 0.0, CLOSED)
        begun = np.where(np.linalg.norm(offsets, axis=3) < SEED, straight(offsets, gain) + closed, np.inf)
        return cls(goals, gain, _relaxed(begun, closed, straight(_NEIGHBOURS, gain)))

    def updated(self, rows: Ints, others: Self) -> Self:
        """Return the same with the rows (R,) replaced by those of `others`."""
        goals, steps = self.goals.copy(), self.steps.copy()
        goals[rows], steps[rows] = others.goals, others.steps
        return replace(self, goals=goals, steps=steps)

    def to_go(self, places: Array) -> Array:
        """Return the steps (N, K) from places (N, K, 2): by the best of the nine pixels around each."""
        last = np.array(self.steps.shape[1:]) - 1
        cells = np.clip(np.floor(places).astype(np.int64), 0, last)
        around = np.clip(cells[..., None, :] + _AROUND, 0, last)
        known = self.steps[np.arange(len(places))[:, None, None], around[..., 0], around[..., 1]]
        steps = (known + straight(around + 0.5 - places[..., None, :], self.gain)).min(-1)
        home = straight(places - self.goals[:, None], self.gain)
        return np.where((home < 1.0) & (steps < 2.0), np.minimum(home, steps), steps)


def straight(offsets: Array, gain: Array) -> Array:
    """Return the steps (...) along offsets (..., 2) with nothing between, by a gain (2, m)."""
    normals = np.vstack((gain.T @ [[0.0, 1.0], [-1.0, 0.0]], np.eye(2)))
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.divide(normals, length, where=length > 0, out=normals)  # an action without effect has no side
    widths = np.abs(normals @ gain).sum(1)
    return np.asarray((np.abs(offsets @ normals.T) / np.maximum(widths, WIDTH * widths.max())).max(-1))


def _relaxed(steps: Array, closed: Array, lengths: Array) -> Array:
    """Return the least steps (N, H, W) to where they are finite, when each pixel costs what `closed` says besides."""
    height, width = steps.shape[1:]
    padded = np.pad(steps, ((0, 0), (1, 1), (1, 1)), constant_values=np.inf)
    inner, before = padded[:, 1:-1, 1:-1], np.empty(0)
    while not np.array_equal(before, inner):
        before = inner.copy()
        for (i, j), length in zip(_NEIGHBOURS, lengths, strict=True):
            np.minimum(inner, padded[:, 1 + i : 1 + i + height, 1 + j : 1 + j + width] + (length + closed), out=inner)
    return before
