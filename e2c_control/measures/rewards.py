"""How well an embedding tells the rewards of episodes that it was not trained on, at once and after rolled steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from e2c_control.data.transitions import Transitions, stack_frames
from e2c_control.measures.encoded import Observations, encode_means
from e2c_control.models.embedding import Embedding
from e2c_control.models.planning_model import planning_model
from e2c_control.models.reward_cost import HeadCopy

AHEAD = (0, 4, 8, 15)
"""Steps rolled before the reward is told."""


def reward_r2(
    embedding: Embedding, transitions: Transitions, episodes: NDArray[np.int64], *, limit: int = 500
) -> dict[str, float]:
    """Return by tag the share of the rewards' variance that is told so many steps after the last image seen.

    The variance is that of all rewards, held out or not: those of a few good episodes hardly differ. Steps for which no
    episode is long enough, and rewards that never change, are left out.

    Args:
        embedding: with the head `reward`.
        transitions: that have rewards.
        episodes: held out.
        limit: windows that are looked at, spread evenly.
    """
    if embedding.reward is None or transitions.rewards is None:
        return {}
    stack, found = transitions.card.frame_stack, dict[str, float]()
    variance = float(np.var(np.asarray(transitions.rewards, np.float64)[transitions.windows(1)]))
    if not variance:
        return {}
    head, dynamics = HeadCopy(embedding.reward), planning_model(embedding.transition)
    for ahead in AHEAD:
        starts = transitions.windows(ahead + 1, stack, episodes=episodes, repeat_first=False)
        if not len(starts):
            break
        starts = starts[np.linspace(0, len(starts) - 1, min(limit, len(starts))).astype(np.int64)]
        actions = np.asarray(transitions.actions, np.float64)[starts[:, None] + np.arange(ahead + 1)]
        latents = encode_means(embedding, _observed(transitions, transitions.window_rows(starts, 0, stack)))
        states = dynamics.rollout(latents, actions)[:, -2:]
        told = head.values(states, actions[:, -1:])[:, 0]
        paid = np.asarray(transitions.rewards, np.float64)[starts + ahead]
        found[f"reward/r2_{ahead}"] = 1.0 - float(((told - paid) ** 2).mean()) / variance
    return found


def _observed(transitions: Transitions, rows: NDArray[np.int64]) -> Observations:
    """Return the observations whose frames, oldest first, are in these rows (N, stack)."""
    vectors = None if transitions.vectors is None else np.asarray(transitions.vectors)[rows].reshape(len(rows), -1)
    if not transitions.card.has_frames:
        assert vectors is not None  # a dataset has one of the two
        return vectors
    images = stack_frames(transitions.frames_at(rows))
    return images if vectors is None else {"image": images, "vector": vectors}
