"""What speaks against training on a finished collection, noticed in its data, each with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from e2c_control.data.transitions import Transitions

LOOKED_AT = 400
"""Frames, evenly spread, and at most `SIDE` pixels of a side of each."""
SIDE = 64

SHORT, SEVERAL = 5, 10
"""Steps of an episode that shows too little, and episodes from which on that is no accident."""

SEEN_AGAIN = 0.05
"""Share of the usual difference between two frames, below which a frame has been seen before."""


def doubts(transitions: Transitions, episode_length: int, resets: bool) -> Iterator[str]:
    """Yield a sentence with a remedy for each thing that would make a map of these data useless.

    Args:
        transitions: as they were collected, by random actions.
        episode_length: steps after which episodes were to end, if not by themselves.
        resets: whether they began where resets put them. Then random actions may not get far, which is so where frames
            of the second half are almost all in the first half, too: more of the same would show nothing new.
    """
    lengths = np.diff(transitions.episodes) - 1
    if episode_length > SHORT and len(lengths) >= SEVERAL and np.median(lengths) <= SHORT:
        yield (
            f"Half of the {len(lengths)} episodes end by themselves within {int(np.median(lengths))} steps, which is "
            "little to learn motion from: make the environment end later (--env-args), or begin where it ends late."
        )
    pixels = transitions.card.has_frames
    frames = _frames(transitions) if pixels else _vectors(transitions)
    if (frames == frames[0]).all():
        return  # said while it was collected
    if pixels and (frames.min(1) == frames.max(1)).all():
        yield "Each frame is of one colour, so that nothing can be told by its place: look at what the camera sees."
    elif resets and len(frames) == LOOKED_AT and (share := _novelty(frames)) < SEEN_AGAIN:
        yield (
            "Random actions see little here: frames of the second half differ from the nearest of the first half by "
            f"{share:.1%} of what two frames differ by on average (below {SEEN_AGAIN:.0%}): `e2c explore` gathers by "
            "curiosity what they do not reach."
        )


def _frames(transitions: Transitions) -> NDArray[np.float32]:
    """Return frames from all over the dataset as rows (N, pixels), fewer pixels of large ones."""
    rows = _rows(transitions)
    stride = max(1, -(-max(transitions.card.frame_shape[:2]) // SIDE))
    # One at a time: a few hundred large frames are more than what is left of them.
    found = [transitions.frames_at(rows[i : i + 1])[:, ::stride, ::stride] for i in range(len(rows))]
    return np.concatenate(found).reshape(len(rows), -1).astype(np.float32)


def _vectors(transitions: Transitions) -> NDArray[np.float32]:
    """Return vectors from all over the dataset, each number in units of its deviation."""
    assert transitions.vectors is not None
    found = transitions.vectors[_rows(transitions)]
    deviation = np.asarray(found.std(axis=0), np.float32)
    return (found / np.where(deviation > 0, deviation, 1)).astype(np.float32)


def _rows(transitions: Transitions) -> NDArray[np.int64]:
    count = len(transitions.frames)
    return np.linspace(0, count - 1, min(count, LOOKED_AT)).astype(np.int64)


def _novelty(frames: NDArray[np.float32]) -> float:
    """Return the mean distance of the second half's frames to the nearest of the first, over that between any two."""
    half = len(frames) // 2
    known, new = frames[:half], frames[half:]
    squares = (new**2).sum(1)[:, None] + (known**2).sum(1)[None] - 2 * new @ known.T
    distances = np.sqrt(np.maximum(squares, 0))
    return float(distances.min(1).mean() / max(distances.mean(), 1e-12))
