"""Learning in rounds: gather by what is known so far, train on all of it, and go on.

Random actions never show what a good policy needs to know, and a long plan exploits whatever the model was never told:
so the data have to come from where plans lead (Sutton 1990, "Dyna"; Hafner et al. 2019, "PlaNet").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from e2c_control.agents.learning import LearningOptions
from e2c_control.data import Choices, Transitions
from e2c_control.data.card import STOPPED
from e2c_control.data.policy import Shown, number_of
from e2c_control.measures.rewards import reward_r2
from e2c_control.models.embedding import Embedding
from e2c_control.training.presets import HELD_OUT
from e2c_control.training.run import resolve_device
from e2c_control.training.trainer import Trainer


class Acting(Protocol):
    """An agent, as far as gathering needs it."""

    def predict(
        self, observation: Any, state: Any = None, episode_start: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], Any]: ...


class Exploring:
    """An agent as `collect` asks a policy, with noise on what it does. It stacks single frames and vectors itself.

    Args:
        agent: that plans.
        stack: how many it sees at once.
        noise: deviation of the normal noise on its actions; of choices, the share that is drawn evenly instead.
        choices: of the environment.
    """

    def __init__(self, agent: Acting, stack: int, noise: float, choices: Choices | None = None) -> None:
        self._agent, self._stack, self._noise, self._choices = agent, stack, noise, choices
        self._state: Any = None
        self._seen = dict[str, NDArray[Any]]()
        self._fresh: NDArray[np.bool_] | None = None

    def begin(self, fresh: NDArray[np.bool_]) -> None:
        """Note which environments begin an episode at the next call, (N,)."""
        self._fresh = fresh

    def __call__(self, shown: Shown, rng: np.random.Generator, /) -> NDArray[np.float32]:
        """Return actions (N, m) at what single frames show: images (N, H, W, C), vectors (N, v) or both."""
        parts = shown if isinstance(shown, Mapping) else {"": shown}
        count = number_of(shown)
        fresh = np.full(count, not self._seen) if self._fresh is None else self._fresh
        self._seen = {name: self._stacked(name, part, fresh) for name, part in parts.items()}
        actions, self._state = self._agent.predict(self._seen.get("", self._seen), self._state, fresh)
        if self._choices is not None:
            drawn = rng.random((count, 1)) < self._noise
            return np.where(drawn, self._choices.sample(count, rng), actions)
        noise = self._noise * rng.standard_normal(actions.shape)
        return (actions + noise).astype(np.float32)

    def _stacked(self, name: str, part: NDArray[Any], fresh: NDArray[np.bool_]) -> NDArray[Any]:
        """Return the newest of a part, stacked along the last axis; an episode's first one is repeated."""
        repeated = np.concatenate([part] * self._stack, axis=-1)
        if name not in self._seen:
            return repeated
        later = np.concatenate((self._seen[name][..., part.shape[-1] :], part), axis=-1)
        return np.where(fresh.reshape(-1, *[1] * (part.ndim - 1)), repeated, later)


def train_round(
    options: LearningOptions, transitions: Transitions, before: Embedding | None, seed: int
) -> tuple[Embedding, dict[str, float]]:
    """Go on with an embedding's training on all transitions so far, or begin with it; return it with measures."""
    rounds = options.rounds
    recipe = options.recipe.scaled(rounds.first_share if before is None else rounds.share)
    recipe = replace(recipe, phases=tuple(phase for phase in recipe.phases if phase.train != ("decoder",)))
    episodes, held_out = transitions.split(HELD_OUT, seed=0)
    device = resolve_device(options.device)
    trainer = Trainer(recipe, transitions, episodes, seed=seed, device=device, initial=before)
    sums, counted = dict[str, torch.Tensor](), 0
    while not trainer.finished:
        report = trainer.advance()
        if trainer.step > 3 * trainer.total_steps // 4:
            counted += 1
            for name, value in report.terms.items():
                sums[name] = sums.get(name, torch.zeros_like(value)) + value
    embedding = trainer.embedding.eval()
    count = max(counted, 1)
    quality = {f"loss/{name}": float(value) / count for name, value in sums.items()}
    return embedding, quality | reward_r2(embedding, transitions, held_out)


def episode_returns(transitions: Transitions, since: int) -> dict[str, float]:
    """Return the mean return and length, by tag, of the episodes from a row on that ended by themselves, if any did."""
    rewards, endings, offsets = transitions.rewards, transitions.endings, transitions.episodes
    if rewards is None or endings is None:
        return {}
    ended = np.flatnonzero((offsets[:-1] >= since) & (endings != STOPPED))
    if not len(ended):
        return {}
    returns = np.add.reduceat(np.asarray(rewards, np.float64), offsets[:-1])[ended]
    lengths = np.diff(offsets)[ended] - 1
    return {"rollout/ep_rew_mean": float(returns.mean()), "rollout/ep_len_mean": float(lengths.mean())}
