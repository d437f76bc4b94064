"""The learned reward as a cost that planners take."""

from __future__ import annotations

import numpy as np
from torch import nn

from e2c_control.errors import InputError
from e2c_control.models.embedding import Embedding
from e2c_control.models.heads import Head
from e2c_control.models.layers import last_linear
from e2c_control.models.network_copy import Array, Ints, NetworkCopy
from e2c_control.planners import Cost, Expansion, SmoothCost
from e2c_control.planners.more_costs import convex


class HeadCopy:
    """A head for planners: float64 NumPy, with exact derivatives. Later training of the original does not change it."""

    def __init__(self, head: Head) -> None:
        self._net = NetworkCopy(nn.Sequential(*list(head.net)[:-1]), last_linear(head.net))
        self._mean, self._deviation = (float(head.get_buffer(name)) for name in ("mean", "deviation"))
        self.inputs = self._net.widths[0]

    def values(self, states: Array, controls: Array) -> Array:
        """Return the numbers (b, T) along trajectories (b, T + 1, k) with controls (b, T, m)."""
        return (self._mean + self._deviation * self._net.outputs(_rows(states, controls))[:, 0]).reshape(
            controls.shape[:2]
        )

    def curvature(self, states: Array, controls: Array) -> tuple[Array, Array]:
        """Return gradients (b T, k + m) and Hessians (b T, k + m, k + m) along trajectories."""
        _, slope, bend = self._net.curvature(_rows(states, controls))
        return self._deviation * slope, self._deviation * bend


def _rows(states: Array, controls: Array) -> Array:
    pairs = np.concatenate((states[:, :-1], controls), axis=-1)
    return pairs.reshape(-1, pairs.shape[-1])


class RewardCost(SmoothCost):
    """-Σ_t γ^t r(z_t, u_t): what T steps are expected to pay, the sooner the better.

    Args:
        reward: the head that tells it.
        discount: γ.
    """

    def __init__(self, reward: HeadCopy, discount: float = 1.0) -> None:
        self._reward, self.discount = reward, discount

    def check(self, problems: int, state_dim: int, control_dim: int) -> None:
        if state_dim + control_dim != self._reward.inputs:
            raise InputError(
                f"The reward is of {self._reward.inputs} numbers, latent and action, but the dynamics have "
                f"{state_dim} states and {control_dim} controls."
            )

    def value(self, states: Array, controls: Array, problems: Ints) -> Array:
        return -(self._reward.values(states, controls) @ self.weights(controls))

    def expand(self, states: Array, controls: Array, problems: Ints) -> Expansion:
        slope, bend = self._reward.curvature(states, controls)
        weights = -np.tile(self.weights(controls), len(controls))
        return Expansion.of_stages(
            weights[:, None] * slope, convex(weights[:, None, None] * bend), controls.shape[1], states.shape[-1]
        )

    def weights(self, controls: Array) -> Array:
        """Return the weights (T,) of what the steps of controls (b, T, m) pay."""
        return np.power(self.discount, np.arange(controls.shape[1], dtype=np.float64))


class SurvivalCost(Cost):
    """-Σ_t γ^t P(the episode has not ended before t) r(z_t, u_t), for planners that sample.

    The factor couples all steps, so that there is no expansion as a sum of stages.

    Args:
        reward: the head that tells it.
        termination: the head of the log odds that a step ends the episode.
        discount: γ.
    """

    def __init__(self, reward: HeadCopy, termination: HeadCopy, discount: float = 1.0) -> None:
        self._reward, self._termination = reward, termination
        self._plain = RewardCost(reward, discount)

    def check(self, problems: int, state_dim: int, control_dim: int) -> None:
        self._plain.check(problems, state_dim, control_dim)

    def value(self, states: Array, controls: Array, problems: Ints) -> Array:
        with np.errstate(over="ignore"):
            survives = 1.0 / (1.0 + np.exp(self._termination.values(states, controls)))
        alive = np.cumprod(np.concatenate((np.ones((len(survives), 1)), survives[:, :-1]), axis=1), axis=1)
        return -((alive * self._reward.values(states, controls)) @ self._plain.weights(controls))


def reward_cost(embedding: Embedding, discount: float) -> RewardCost | SurvivalCost:
    """Return the cost of an embedding's reward, which an episode's end puts an end to, where it ever saw one."""
    if embedding.reward is None:
        raise InputError("The embedding knows no reward: train the recipe 'unfold-reward' on data with rewards.")
    reward = HeadCopy(embedding.reward)
    if embedding.termination is None or not embedding.termination.varies:
        return RewardCost(reward, discount)
    return SurvivalCost(reward, HeadCopy(embedding.termination), discount)
