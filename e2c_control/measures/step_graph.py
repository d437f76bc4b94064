"""Count the steps between two frames, without their true states.

The frames are nodes of a graph. Its edges join consecutive frames of an episode, and frames of the same place, which
are images that are mutually nearest neighbours. The steps between two frames are the shortest path. Within single
episodes, counts would reach only as far as one episode goes, and a map can be right at that scale and still be folded
or twisted as a whole.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

NEIGHBOURS = 3
"""Nearest images that may show the same place. Only mutual neighbours count: where the moving part is hidden, a frame
is close to all others, but each of those has closer ones."""


def same_places(images: NDArray[np.float32], apart: NDArray[np.bool_], reach: float) -> Ints:
    """Return pairs (P, 2) of images (N, p) that are mutual near neighbours among those `apart` (N, N), within `reach`.

    Args:
        images: flattened.
        apart: symmetric; whether a pair may be linked.
        reach: largest Euclidean distance of the two images.
    """
    images = images - images.mean(0)  # distances stay, and what cancels in them gets small
    squares = np.einsum("np,np->n", images, images)
    distance = squares[:, None] + squares - 2.0 * (images @ images.T)
    distance[~apart] = np.inf
    count = min(NEIGHBOURS, len(images) - 1)
    if count < 1:
        return np.empty((0, 2), np.int64)
    nearest = np.argpartition(distance, count - 1, axis=1)[:, :count]
    linked = np.zeros(distance.shape, np.bool_)
    np.put_along_axis(linked, nearest, np.take_along_axis(distance, nearest, axis=1) <= reach**2, axis=1)
    return np.argwhere(np.triu(linked & linked.T))


def count_steps(edges: Ints, n_nodes: int, sources: Ints) -> Array:
    """Return the length of the shortest path from each source to each node, (S, N); infinite where there is none.

    Args:
        edges: pairs of nodes (E, 2), passable both ways.
        n_nodes: N.
        sources: nodes (S,).
    """
    loops = np.repeat(np.arange(n_nodes)[:, None], 2, axis=1)
    both = np.concatenate((edges, edges[:, ::-1], loops))
    both = both[np.argsort(both[:, 1], kind="stable")]
    begins = np.searchsorted(both[:, 1], np.arange(n_nodes))
    steps = np.full((n_nodes, len(sources)), np.inf, np.float32)
    steps[sources, np.arange(len(sources))] = 0.0
    # Extend all paths by one edge at a time until nothing changes: as many rounds as the graph's diameter.
    length = (both[:, 0] != both[:, 1]).astype(np.float32)[:, None]
    while True:
        nearer = np.minimum.reduceat(steps[both[:, 0]] + length, begins, axis=0)
        if np.array_equal(nearer, steps):
            return steps.T.astype(np.float64)
        steps = nearer
