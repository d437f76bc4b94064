"""stable-baselines3's rollout buffer with the noise of every action, and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer
from torch import Tensor

from e2c_control.agents.policy_gradient.actions import Observations, code_size
from e2c_control.agents.spaces import spaces_of


@dataclass(frozen=True, eq=False)
class Rollout:
    """What happened between two updates, one environment after another: M rows of N environments times T steps."""

    observations: Observations  # (M, *observation), or a mapping of them
    actions: Tensor  # (M,) int64, or (M, m) float32
    noise: Tensor  # (M, *code): what the actions are made of
    returns: Tensor  # (M,)
    advantages: Tensor  # (M,): returns less values
    episodes: tuple[slice, ...]  # rows of each episode, or of the part of it that the rollout's ends leave

    def seen_in(self, rows: slice) -> Observations:
        """Return the observations of some rows."""
        if isinstance(self.observations, Tensor):
            return self.observations[rows]
        return {name: observation[rows] for name, observation in self.observations.items()}


class NoiseBuffer(RolloutBuffer):
    """A rollout buffer that keeps the noise of actions, and may be closed before it is full."""

    noise: NDArray[np.float32]

    def __init__(self, buffer_size: int, *arguments: Any, **options: Any) -> None:
        self.capacity = buffer_size
        super().__init__(buffer_size, *arguments, **options)

    def reset(self) -> None:
        self.buffer_size = self.capacity
        super().reset()
        self.noise = np.zeros((self.buffer_size, self.n_envs, code_size(spaces_of(self)[1])), np.float32)

    def add(self, *args: Any, noise: Tensor | None = None, **kwargs: Any) -> None:
        """Add a step of every environment, as in stable-baselines3, and its noise (N, *code)."""
        assert noise is not None
        self.noise[self.pos] = noise.cpu().numpy()
        super().add(*args, **kwargs)

    def close(self) -> None:
        """No more steps: what came so far is the rollout."""
        names = ("actions", "rewards", "returns", "episode_starts", "values", "log_probs", "advantages", "noise")
        for name in names:
            setattr(self, name, getattr(self, name)[: self.pos])
        self.observations = self._each(self._so_far)
        self.buffer_size, self.full = self.pos, True

    def judge(self, values: Tensor, log_probs: Tensor) -> None:
        """Return values and log-probabilities of all rows, (M,) each, in the order of `whole`."""
        for name, rows in {"values": values, "log_probs": log_probs}.items():
            setattr(self, name, rows.reshape(self.n_envs, -1).T.cpu().numpy().astype(np.float32))

    def whole(self) -> Rollout:
        """Return all rows in their order, after `compute_returns_and_advantage`."""
        starts: NDArray[np.bool_] = self.episode_starts.T.astype(bool)
        starts[:, 0] = True
        first_rows = np.flatnonzero(starts).tolist()
        edges: list[int] = [*first_rows, starts.size]
        episodes = tuple(slice(first, last) for first, last in pairwise(edges))
        actions = self._rows(self.actions)
        return Rollout(
            observations=self._each(self._rows),
            actions=actions.flatten().long() if isinstance(self.action_space, spaces.Discrete) else actions.float(),
            noise=self._rows(self.noise),
            returns=self._rows(self.returns).flatten(),
            advantages=self._rows(self.advantages).flatten(),
            episodes=episodes,
        )

    def _so_far(self, array: NDArray[np.generic]) -> NDArray[np.generic]:
        return array[: self.pos]

    def _rows(self, array: NDArray[np.generic]) -> Tensor:
        return torch.as_tensor(self.swap_and_flatten(array), device=self.device)

    def _each(self, change: Callable[[NDArray[np.generic]], object]) -> Any:
        """Apply a change to the observations, or to each of them."""
        seen: object = self.observations
        if not isinstance(seen, dict):
            return change(self.observations)
        return {name: change(array) for name, array in cast(dict[str, NDArray[np.generic]], seen).items()}


class DictNoiseBuffer(NoiseBuffer, DictRolloutBuffer):
    """The same for observations that are a mapping."""
