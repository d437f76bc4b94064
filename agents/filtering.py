"""A Kalman filter between the frames and the planner: what the model predicted, corrected by what was seen.

Both variances are measured on recorded transitions. The encoder's own variance is no substitute: recipes that train
the map by its means alone, the default among them, leave it where it started.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from e2c_control.data import Transitions, stack_frames
from e2c_control.errors import InputError
from e2c_control.fields import NotNegative, check
from e2c_control.measures import encode_means
from e2c_control.models.embedding import Embedding
from e2c_control.models.planning_model import planning_model
from e2c_control.planners import Belief, Dynamics
from e2c_control.planners.kalman import predict, update

Array = NDArray[np.float64]

WINDOWS = 2000
LEAST = 1e-8
"""Variance below which nothing is measured: float32 latents are no more exact."""


@dataclass(frozen=True)
class FrameFilter:
    """Fuses the predicted N(A mu + B u + o, A S A' + C) with each encoded frame N(z, E).

    Attributes:
        frame_variance: the diagonal of E, how far an encoded frame lies from where the system is, (k,).
        process_variance: the diagonal of C, how far a step leads from the predicted one, (k,).

    Raises:
        InputError: a variance is negative or not finite, or their numbers differ.
    """

    frame_variance: tuple[NotNegative, ...]
    process_variance: tuple[NotNegative, ...]

    def __post_init__(self) -> None:
        check(self)
        if len(self.frame_variance) != len(self.process_variance):
            raise InputError("A filter needs two variances for each latent dimension.")

    @classmethod
    def measured(cls, embedding: Embedding, transitions: Transitions, episodes: NDArray[np.int64]) -> Self:
        """Measure the variances that explain the model's errors on recorded episodes, to be held-out ones.

        Encoded frames err independently by E, steps by C. Then an error of prediction over one step has the variance
        C + E + A E A', and one over two steps C + A C A' + E + A² E A²'. A is near the identity where steps are short,
        so that their difference is C, and E is half of what remains. No true state is needed.

        Raises:
            InputError: no episode has two steps, or the latents are not finite.
        """
        stack = embedding.observation_shape[2] // transitions.card.frame_shape[2]
        starts = transitions.windows(2, stack, episodes=episodes, repeat_first=False)
        if len(starts) < 2:
            raise InputError(f"{transitions.path} has no episodes of two steps to measure a filter on: collect longer.")
        starts = starts[np.linspace(0, len(starts) - 1, min(WINDOWS, len(starts))).round().astype(np.int64)]
        rows = transitions.window_rows(starts, 2, stack)
        z0, z1, z2 = (
            encode_means(embedding, stack_frames(transitions.frames_at(rows[:, t : t + stack]))) for t in range(3)
        )
        u0, u1 = (transitions.actions[starts + t].astype(np.float64) for t in range(2))
        dynamics = planning_model(embedding.transition)
        over_one = ((z2 - dynamics.step(z1, u1)) ** 2).mean(0)
        over_two = ((z2 - dynamics.step(dynamics.step(z0, u0), u1)) ** 2).mean(0)
        process = np.clip(over_two - over_one, LEAST, over_one)
        frame = np.maximum((over_one - process) / 2, LEAST)
        return cls(tuple(map(float, frame)), tuple(map(float, process)))

    def first(self, latents: Array) -> Belief:
        """Return what encoded frames (N, k) alone say; where one is not finite, it stays so."""
        return Belief(latents, np.tile(np.diag(self.frame_variance), (len(latents), 1, 1)))

    def next(self, before: Belief, actions: Array, latents: Array, dynamics: Dynamics) -> Belief:
        """Return the belief after actions (N, m) led to encoded frames (N, k); one that is not finite is left out."""
        predicted = predict(before, actions, dynamics, np.diag(self.process_variance))
        return update(predicted, self.first(latents))
