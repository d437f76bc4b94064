"""How well an embedding's `Reachability` counts steps and tells moves that nothing comes of, on held-out frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from e2c_control.measures.encoded import encode_places
from e2c_control.measures.held_out import HeldOut
from e2c_control.measures.ranks import spearman
from e2c_control.models.embedding import Embedding
from e2c_control.models.reachability import PassageDynamics
from e2c_control.planners import Landmarks

Array = NDArray[np.float64]


def measure_ways(embedding: Embedding, held_out: HeldOut) -> tuple[dict[str, float], Array] | None:
    """Return measures by tag, and the steps (N,) from each frame to the first of the landmarks of `held_out`.

    None where the embedding has no landmarks, or not yet.

    Whether a move changed anything is seen in the images alone: those before and after it are the same, or they
    differ. A small action may change nothing, too.
    """
    graph = None if embedding.reachability is None else embedding.reachability.graph()
    if graph is None or embedding.passage is None:
        return None
    places = encode_places(embedding, held_out.observations)
    steps = _steps(graph, places, held_out)
    known = np.isfinite(held_out.steps) & np.isfinite(steps)
    before, after = held_out.windows[:, :-1].ravel(), held_out.windows[:, 1:].ravel()
    images = held_out.observations.reshape(len(places), -1)
    stopped = (images[before] == images[after]).all(1)
    actions = held_out.actions.reshape(len(before), -1)
    expected = PassageDynamics(embedding.passage).moves(places[before], actions)[0] < 0.5
    found = {
        "ways/step_rank": spearman(held_out.steps[known], steps[known]),
        "ways/joined": float(np.isfinite(steps).mean()),
        "ways/alike": float(graph.aliased.sum()),
    }
    for tag, which, said in (("stopped", stopped, expected), ("passed", ~stopped, ~expected)):
        if which.any():
            found[f"ways/{tag}_told"] = float(said[which].mean())
    return found, steps[0]


def _steps(graph: Landmarks, places: Array, held_out: HeldOut) -> Array:
    """Return the steps (L, N) from each frame to the landmarks of the held-out frames."""
    return graph.steps_to(places[held_out.landmarks])[:, graph.cells(places, sound=True)]
