"""The algorithms that a free-energy agent's policy may learn by, with settings that suit a reward that moves."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from copy import deepcopy
from math import prod
from typing import Any, cast

import numpy as np
from gymnasium import spaces
from stable_baselines3 import PPO, SAC
from stable_baselines3.common import preprocessing
from stable_baselines3.common.base_class import BaseAlgorithm

from e2c_control.agents.free_energy.environments import smallest_side
from e2c_control.agents.free_energy.sight import WhitenedImages
from e2c_control.agents.novelty import NoveltyReplayBuffer, NoveltyReward
from e2c_control.agents.policy_gradient import LAX, RELAX
from e2c_control.agents.policy_gradient.actions import CONTINUOUS, DISCRETE, bounds_of
from e2c_control.errors import InputError, one_of

POLICIES = {"ppo": 32, "sac": 1, "relax": 8}
"""Environments at once where that was left open."""
ROLLOUT, STEP = 512, 128
"""Steps of all environments together between two updates of PPO, which are several passes, and of RELAX, which are one
step: a curiosity that updates seldom comes too late."""
NATURE = 36
"""Smallest image, in pixels, that stable-baselines3's convolutions take."""
OURS = ("env", "seed", "device", "verbose", "tensorboard_log", "replay_buffer_class", "replay_buffer_kwargs")


def is_image(space: spaces.Space[Any]) -> bool:
    """Whether a policy scales it by itself."""
    kinds: Any = preprocessing
    return bool(kinds.is_image_space(space))


def check_policy(policy: str) -> None:
    """Refuse a policy that there is not."""
    one_of("policy", policy, POLICIES)


def algorithm_of(policy: str, actions: spaces.Space[Any]) -> type[BaseAlgorithm]:
    """The algorithm for a kind of actions; RELAX is LAX where they are continuous.

    Raises:
        InputError: it cannot take the actions.
    """
    if policy == "relax":
        if not isinstance(actions, DISCRETE + CONTINUOUS):
            raise InputError(f"relax takes Discrete, MultiBinary and Box actions, not {actions}: choose ppo.")
        return LAX if isinstance(actions, spaces.Box) else RELAX
    if policy == "sac" and not isinstance(actions, spaces.Box):
        raise InputError(f"sac takes continuous actions, not {actions}: choose ppo or relax.")
    if policy == "sac":
        low, high = bounds_of(actions)
        if not (np.isfinite(low) & np.isfinite(high) & (low < high)).all():
            raise InputError(f"sac takes actions between two bounds that differ, not {actions}: choose ppo or relax.")
    return PPO if policy == "ppo" else SAC


def settings_of(
    kind: type[BaseAlgorithm], source: NoveltyReward, whitened: bool, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Arguments of an algorithm, which sees images whitened or not: its usual ones here, and what the user wants.

    Raises:
        InputError: the algorithm has no such argument, or it is the agent's to give.
    """
    known = {name for base in kind.__mro__[:-1] for name in inspect.signature(base.__init__).parameters}
    for name in options:
        if name in OURS or name not in known:
            raise InputError(f"'{name}' is no option of {kind.__name__} that an agent's policy can have: leave it out.")
    seen = cast(Any, source.observation_space)
    convolutions = is_image(seen) and smallest_side(seen) >= NATURE
    given: dict[str, Any] = {
        "policy": "CnnPolicy" if convolutions else "MlpPolicy",
        **_usual(kind, source),
        **deepcopy(dict(options)),
    }
    if isinstance(given.get("train_freq"), list):  # a pair, as JSON has it
        given["train_freq"] = tuple(given["train_freq"])
    if whitened and is_image(seen):
        kwargs: dict[str, Any] = dict(given.get("policy_kwargs") or {})
        own: dict[str, Any] = kwargs.get("features_extractor_kwargs") or {}
        sight = {"convolutions": given["policy"] == "CnnPolicy", **own}
        given["policy_kwargs"] = {
            **kwargs,
            "features_extractor_class": WhitenedImages,
            "features_extractor_kwargs": sight,
        }
    if kind is PPO and "batch_size" not in given:
        steps = given["n_steps"] * source.num_envs
        given["batch_size"] = steps // 4 if steps % 4 == 0 else steps
    return given


def _usual(kind: type[BaseAlgorithm], source: NoveltyReward) -> dict[str, Any]:
    if kind is SAC:
        return {
            "buffer_size": 100_000,
            "learning_starts": 1_000,
            "target_entropy": -float(prod(source.action_space.shape or (1,))),
            "replay_buffer_class": NoveltyReplayBuffer,
            "replay_buffer_kwargs": {"source": source},
        }
    together = ROLLOUT if kind is PPO else STEP
    steps = max(16, 4 * (together // 4 // source.num_envs))
    shared: dict[str, Any] = {
        "n_steps": steps,
        "learning_rate": 1e-3,
        "gamma": 0.99,
        "gae_lambda": 0.95,
        "ent_coef": 0.01,
        "policy_kwargs": {"net_arch": [64, 64]},
    }
    return {**shared, "n_epochs": 4} if kind is PPO else {**shared, "n_episodes": None}
