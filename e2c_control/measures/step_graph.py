"""How many steps apart two frames are, without their true states.

Steps are counted along episodes. Where two episodes show the same place, the count goes on from one to the other; a
place is taken to be the same where two images are among each other's nearest. Episodes alone would see only as far as
one episode wanders, and a map may be right that far everywhere and still be folded or twisted as a whole.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

NEIGHBOURS = 3
"""Images that may be the same place. Only mutual neighbours count: where the moving part is hidden, a frame is close to
all others, but each of those has closer ones."""


def same_places(images: NDArray[np.float32], apart: NDArray[np.bool_], reach: float) -> Ints:
    """Pairs (P, 2) of images (N, p) that are mutually among the nearest of those `apart` (N, N), within `reach`.

    Args:
        images: flattened.
        apart: symmetric; which pairs may be linked at all.
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
    """Fewest edges from each source to each node, (S, N); infinite where there is no way.

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
    # All nodes one edge farther at once, until nothing changes: as many rounds as the graph is wide.
    length = (both[:, 0] != both[:, 1]).astype(np.float32)[:, None]
    while True:
        nearer = np.minimum.reduceat(steps[both[:, 0]] + length, begins, axis=0)
        if np.array_equal(nearer, steps):
            return steps.T.astype(np.float64)
        steps = nearer
