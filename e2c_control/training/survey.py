"""The survey: landmarks laid out over a dataset, once an embedding knows which of its images are near."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from e2c_control.data.transitions import Transitions, stack_frames
from e2c_control.errors import InputWarning
from e2c_control.measures.encoded import encode_means, encode_places
from e2c_control.models.embedding import Embedding
from e2c_control.models.reachability import LANDMARKS, MOST_LANDMARKS
from e2c_control.planners.landmarks import Landmarks

MOST = 100_000
"""Frames that are looked at: whole episodes, spread evenly over the dataset."""


def survey(embedding: Embedding, transitions: Transitions, episodes: NDArray[np.int64]) -> None:
    """Lay out landmarks over episodes of a dataset and keep them in the embedding's `Reachability`.

    The places are encoded a part at a time; images whose stack would reach before its episode are left out.
    """
    if embedding.reachability is None:
        return
    stack = embedding.observation_shape[2] // transitions.card.frame_shape[2]
    lengths = np.diff(transitions.episodes)[episodes]
    chosen = episodes[:: max(-(-int(lengths.sum()) // MOST), 1)]
    found, rows = list[NDArray[np.float64]](), list[NDArray[np.int64]]()
    for part in np.array_split(chosen, max(len(chosen) // 50, 1)):
        starts = transitions.windows(0, stack, episodes=part, repeat_first=False)
        places = encode_places(embedding, _observations(transitions, starts, stack))
        borders = np.flatnonzero(np.diff(np.searchsorted(transitions.episodes, starts, side="right"))) + 1
        found += np.split(places, borders)
        rows.append(starts)
    graph, at = Landmarks.of(found, LANDMARKS, MOST_LANDMARKS)
    shown = _observations(transitions, np.concatenate(rows)[at], stack)
    embedding.reachability.keep(graph, encode_means(embedding, shown))
    if embedding.passage is not None:
        embedding.passage.fit(np.concatenate(found))
    if not graph.moves.any():
        warnings.warn(
            "No recorded step leads from one place to another, so that nothing is known of ways: collect more, or with "
            "larger actions.",
            InputWarning,
            stacklevel=2,
        )


def _observations(transitions: Transitions, starts: NDArray[np.int64], stack: int) -> NDArray[np.uint8]:
    return stack_frames(transitions.frames_at(transitions.window_rows(starts, 0, stack)))
