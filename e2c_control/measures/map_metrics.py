"""Measures of a latent map's quality on held-out episodes.

The likelihood can be good while the map is folded or twisted and planning on it fails. So the map itself is measured:
whether it keeps neighbours and far distances, how well the model predicts, and whether its A is the derivative of its
step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2c_control.data.transitions import Transitions
from e2c_control.measures.encoded import encode_means, image_nats
from e2c_control.measures.geometry import affine_r2, distances, neighbour_overlap
from e2c_control.measures.held_out import Features, HeldOut, hold_out
from e2c_control.measures.model_error import jacobian_gap, prediction_errors
from e2c_control.measures.ranks import spearman
from e2c_control.models.embedding import Embedding
from e2c_control.models.planning_model import planning_model

Array = NDArray[np.float64]


@dataclass(frozen=True)
class StateMetrics:
    """Agreement of the map with the true states; for reports, never for training or model selection.

    Attributes:
        neighbour_overlap: share of the 8 nearest latents that are among the 8 nearest true states, ties included.
        distance_rank: rank correlation of latent and true distance over all pairs of frames.
        far_distance_rank: the same over the half of the pairs that is truly farther apart: low where the map is
            right locally and twisted as a whole.
        affine_r2: share of the features' variance that an affine map of the latent explains.
    """

    neighbour_overlap: float
    distance_rank: float
    far_distance_rank: float
    affine_r2: float


@dataclass(frozen=True)
class MapMetrics:
    """One measurement of a map. Latents are means of q(z | x) and predictions step the mean: nothing is random.

    Attributes:
        state_loss: -log p(x_t | z_t), nats per image.
        next_state_loss: -log p(x_{t+1} | predicted z_{t+1}), nats per image.
        prediction_error: for n steps, mean |predicted - encoded z_{t+n}| / mean |z_{t+n} - z_t|; 1 is no better than
            to predict no motion. A horizon for which no episode is long enough is left out.
        step_rank: rank correlation of latent distance with the number of steps between frames, counted along
            episodes and on into others at the same place (see `step_graph`). It needs no true state.
        jacobian_gap: mean of ||J - A||_F / ||J||_F, J the derivative of the whole step by z, at encoded latents and
            the dataset's actions.
        latent_std: standard deviation of each latent dimension, (k,).
        states: how the map agrees with the true states, where the dataset has them.
    """

    state_loss: float
    next_state_loss: float
    prediction_error: dict[int, float]
    step_rank: float
    jacobian_gap: float
    latent_std: tuple[float, ...]
    states: StateMetrics | None

    def scalars(self) -> dict[str, float]:
        """Return every number by its TensorBoard tag, "map/..."."""
        values = {
            "map/state_loss": self.state_loss,
            "map/next_state_loss": self.next_state_loss,
            **{f"map/prediction_error_{n}": error for n, error in self.prediction_error.items()},
            "map/step_rank": self.step_rank,
            "map/jacobian_gap": self.jacobian_gap,
            **{f"map/latent_std_{i}": deviation for i, deviation in enumerate(self.latent_std)},
        }
        if self.states is not None:
            values |= {f"map/{name}": value for name, value in vars(self.states).items()}
        return values


def measure_map(
    embedding: Embedding,
    transitions: Transitions,
    episodes: NDArray[np.int64],
    *,
    features: Features | None = None,
    limit: int = 1000,
) -> MapMetrics:
    """Measure an embedding once; see `hold_out` for the arguments.

    To measure again and again, call `hold_out` once and `measure` each time.
    """
    stack = embedding.observation_shape[2] // transitions.card.frame_shape[2]
    return measure(embedding, hold_out(transitions, episodes, stack=stack, features=features, limit=limit))


def measure(embedding: Embedding, held_out: HeldOut) -> MapMetrics:
    """Measure an embedding on frames that it was not trained on.

    Raises:
        InputError: the latents are not finite.
    """
    latents = encode_means(embedding, held_out.observations)
    dynamics = planning_model(embedding.transition)
    windows = held_out.windows
    before, actions = latents[windows[:, :-1].ravel()], held_out.actions.reshape(-1, held_out.actions.shape[2])
    latent_distances = distances(latents)
    return MapMetrics(
        state_loss=image_nats(embedding, latents, held_out.observations),
        next_state_loss=image_nats(
            embedding, dynamics.step(before, actions), held_out.observations, windows[:, 1:].ravel()
        ),
        prediction_error=prediction_errors(dynamics, latents[windows], held_out.actions),
        step_rank=step_rank(latent_distances, held_out),
        jacobian_gap=jacobian_gap(dynamics, planning_model(embedding.transition, "jacobian"), before, actions),
        latent_std=tuple(float(deviation) for deviation in latents.std(0)),
        states=None if held_out.features is None else compare_states(latents, latent_distances, held_out.features),
    )


def step_rank(latent_distances: Array, held_out: HeldOut) -> float:
    """Return the rank correlation of latent distances (N, N) with steps, over pairs of landmark and reachable frame."""
    reached = np.isfinite(held_out.steps) & (held_out.steps > 0)
    return spearman(latent_distances[held_out.landmarks][reached], held_out.steps[reached])


def compare_states(latents: Array, latent_distances: Array, features: Array) -> StateMetrics:
    """Compare latents (N, k) and their distances (N, N) with features (N, f) of the true states."""
    true_distances = distances(features)
    pairs = np.triu_indices(len(latents), 1)
    found, true = latent_distances[pairs], true_distances[pairs]
    far = true > np.median(true)
    return StateMetrics(
        neighbour_overlap=neighbour_overlap(latent_distances, true_distances),
        distance_rank=spearman(found, true),
        far_distance_rank=spearman(found[far], true[far]),
        affine_r2=affine_r2(latents, features),
    )
