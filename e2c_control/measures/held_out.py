"""Held-out frames for measuring a latent map, read from a dataset once and used at every measurement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from e2c_control.data.transitions import Transitions, stack_frames
from e2c_control.errors import InputError
from e2c_control.measures.model_error import HORIZONS
from e2c_control.measures.step_graph import count_steps, same_places
from e2c_control.models.pixels import unit_pixels

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Features = Callable[[Array], Array]

LANDMARKS = 100
"""Number of frames from which steps to all others are counted."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """N frames of held-out episodes, in windows of K steps.

    Attributes:
        observations: (N, H, W, stack * C) uint8, each frame once.
        windows: (W, K + 1) int64, positions in `observations`.
        actions: (W, K, m) float64.
        landmarks: (L,) int64, positions in `observations`.
        steps: (L, N) steps from each landmark to each frame, see `step_graph`; infinite where there is no path.
        features: (N, f) of the true states, or none.
    """

    observations: NDArray[np.uint8]
    windows: Ints
    actions: Array
    landmarks: Ints
    steps: Array
    features: Array | None

    def __len__(self) -> int:
        return len(self.observations)


def hold_out(
    transitions: Transitions,
    episodes: Ints,
    *,
    stack: int | None = None,
    features: Features | None = None,
    limit: int = 1000,
) -> HeldOut:
    """Read windows spread evenly over the given episodes.

    Windows are as long as the farthest of `HORIZONS` that any of the episodes holds, and start where a whole stack of
    the episode's own frames is available.

    Args:
        transitions: the dataset.
        episodes: those to read.
        stack: frames in an observation (default: what the dataset says).
        features: states (N, n) to coordinates (N, f) in which distance makes sense, as `System.features`; without it
            the states themselves.
        limit: about how many frames.

    Raises:
        InputError: no episode has a step.
    """
    stack = transitions.card.frame_stack if stack is None else stack
    starts = _starts(transitions, episodes, stack)
    steps = next(n for n in reversed(HORIZONS) if len(starts[n]))
    chosen = _spread(starts[steps], max(limit // (steps + 1), 1))
    rows, flat = np.unique(transitions.window_rows(chosen, steps), return_inverse=True)
    windows = flat.reshape(-1, steps + 1).astype(np.int64)
    observations = stack_frames(transitions.frames_at(transitions.window_rows(rows, 0, stack)))
    landmarks = _spread(np.arange(len(rows)), LANDMARKS)
    return HeldOut(
        observations=observations,
        windows=windows,
        actions=transitions.actions[chosen[:, None] + np.arange(steps)].astype(np.float64),
        landmarks=landmarks,
        steps=count_steps(_edges(transitions, rows, windows, observations), len(rows), landmarks),
        features=_features(transitions, rows, features),
    )


def _starts(transitions: Transitions, episodes: Ints, stack: int) -> dict[int, Ints]:
    starts = {n: transitions.windows(n, stack, episodes=episodes, repeat_first=False) for n in HORIZONS}
    if len(starts[1]) == 0:
        raise InputError(
            f"{transitions.path} has no held-out episode with a step between observations of {stack} frames: "
            "collect longer episodes or hold out more of them."
        )
    return starts


def _spread(values: Ints, count: int) -> Ints:
    """Return at most `count` of the values, evenly spread."""
    if count >= len(values):
        return values
    return values[np.linspace(0, len(values) - 1, count).round().astype(np.int64)]


def _edges(transitions: Transitions, rows: Ints, windows: Ints, observations: NDArray[np.uint8]) -> Ints:
    """Return pairs of frames (E, 2) that are one step apart or show the same place."""
    taken = np.stack((windows[:, :-1].ravel(), windows[:, 1:].ravel()), axis=1)
    images = unit_pixels(torch.from_numpy(observations.reshape(len(rows), -1))).numpy()
    moved = np.linalg.norm(images[taken[:, 1]] - images[taken[:, 0]], axis=1)
    episode = np.searchsorted(transitions.episodes, rows, side="right")
    near_in_time = np.abs(np.subtract.outer(rows, rows)) < windows.shape[1]
    apart = ~(near_in_time & np.equal.outer(episode, episode))
    return np.concatenate((taken, same_places(images, apart, reach=float(np.median(moved)))))


def _features(transitions: Transitions, rows: Ints, features: Features | None) -> Array | None:
    if transitions.states is None:
        return None
    states = np.array(transitions.states[rows])
    return states if features is None else features(states)
