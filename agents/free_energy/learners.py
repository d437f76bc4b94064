"""The algorithms that a free-energy agent's policy may learn by, with settings that suit a reward that moves."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from copy import deepcopy
from math import prod
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3 import PPO, SAC
from stable_baselines3.common import preprocessing
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, FlattenExtractor

from e2c_control.agents.free_energy.sight import WhitenedImages
from e2c_control.agents.novelty import NoveltyReplayBuffer, NoveltyReward
from e2c_control.agents.policy_gradient import LAX, RELAX, PolicyGradient
from e2c_control.agents.policy_gradient.actions import CONTINUOUS, DISCRETE
from e2c_control.agents.spaces import Space, bounds_of, spaces_of
from e2c_control.errors import InputError
from e2c_control.registry import Registry

POLICIES: Registry[type[BaseAlgorithm]] = Registry(
    "policy",
    {"ppo": PPO, "sac": SAC, "relax": RELAX},
    BaseAlgorithm,
)
"""Algorithms that a policy learns by; RELAX is LAX where actions are continuous."""
SIGHTS: Registry[type[BaseFeaturesExtractor]] = Registry(
    "sight", {"whitened": WhitenedImages, "plain": FlattenExtractor}, BaseFeaturesExtractor
)
"""What a policy sees images through; plain leaves the choice to stable-baselines3."""
ROLLOUT, STEP = 512, 128
"""Steps of all environments together between two updates of PPO, which are several passes, and of RELAX, which are one
step: a curiosity that updates seldom comes too late."""
NATURE = 36
"""Smallest image, in pixels, that stable-baselines3's convolutions take."""
OURS = ("env", "seed", "device", "verbose", "tensorboard_log", "replay_buffer_class", "replay_buffer_kwargs")


def is_image(space: Space) -> bool:
    """Return whether a policy scales it by itself."""
    return preprocessing.is_image_space(space)


def environments_at_once(policy: str) -> int:
    """Return how many environments a policy learns in where that was left open."""
    usual = 1 if issubclass(POLICIES.find(policy), OffPolicyAlgorithm) else 8
    return 32 if policy == "ppo" else usual


def algorithm_of(policy: str, actions: Space) -> type[BaseAlgorithm]:
    """Return the algorithm for a kind of actions; RELAX is LAX where they are continuous.

    Raises:
        InputError: it cannot take the actions.
    """
    kind = POLICIES.find(policy)
    if policy == "relax":
        if not isinstance(actions, DISCRETE + CONTINUOUS):
            raise InputError(f"relax takes Discrete, MultiBinary and Box actions, not {actions}: choose ppo.")
        return LAX if isinstance(actions, spaces.Box) else kind
    if policy == "sac" and not isinstance(actions, spaces.Box):
        raise InputError(f"sac takes continuous actions, not {actions}: choose ppo or relax.")
    if policy == "sac":
        low, high = bounds_of(actions)
        if not (np.isfinite(low) & np.isfinite(high) & (low < high)).all():
            raise InputError(f"sac takes actions between two bounds that differ, not {actions}: choose ppo or relax.")
    return kind


def settings_of(
    kind: type[BaseAlgorithm], source: NoveltyReward, sight: str, options: Mapping[str, object]
) -> dict[str, Any]:
    """Return the arguments of an algorithm that sees images so: its usual ones here, and what the user wants.

    Raises:
        InputError: the algorithm has no such argument, or it is the agent's to give.
    """
    known = {name for base in kind.__mro__[:-1] for name in inspect.signature(base.__init__).parameters}
    for name in options:
        if name in OURS or name not in known:
            raise InputError(f"'{name}' is no option of {kind.__name__} that an agent's policy can have: leave it out.")
    seen = spaces_of(source)[0]
    convolutions = is_image(seen) and smallest_side(seen) >= NATURE
    given: dict[str, Any] = {
        "policy": "CnnPolicy" if convolutions else "MlpPolicy",
        **_usual(kind, source),
        **deepcopy(dict(options)),
    }
    if isinstance(given.get("train_freq"), list):  # a pair, as JSON has it
        given["train_freq"] = tuple(given["train_freq"])
    if sight != "plain" and is_image(seen):
        extractor = SIGHTS.find(sight)
        kwargs: dict[str, Any] = dict(given.get("policy_kwargs") or {})
        own: dict[str, Any] = kwargs.get("features_extractor_kwargs") or {}
        if issubclass(extractor, WhitenedImages):
            own = {"convolutions": given["policy"] == "CnnPolicy", **own}
        given["policy_kwargs"] = {
            **kwargs,
            "features_extractor_class": extractor,
            "features_extractor_kwargs": own,
        }
    if issubclass(kind, PPO) and "batch_size" not in given:
        steps = given["n_steps"] * source.num_envs
        given["batch_size"] = steps // 4 if steps % 4 == 0 else steps
    return given


def _usual(kind: type[BaseAlgorithm], source: NoveltyReward) -> Mapping[str, object]:
    if issubclass(kind, OffPolicyAlgorithm):
        replay = {"replay_buffer_class": NoveltyReplayBuffer, "replay_buffer_kwargs": {"source": source}}
        if not issubclass(kind, SAC):
            return replay
        entropy = -float(prod(source.action_space.shape or (1,)))
        return {"buffer_size": 100_000, "learning_starts": 1_000, "target_entropy": entropy, **replay}
    if not issubclass(kind, PPO | PolicyGradient):
        return {}
    together = ROLLOUT if issubclass(kind, PPO) else STEP
    steps = max(16, 4 * (together // 4 // source.num_envs))
    shared: dict[str, object] = {
        "n_steps": steps,
        "learning_rate": 1e-3,
        "gamma": 0.99,
        "gae_lambda": 0.95,
        "ent_coef": 0.01,
        "policy_kwargs": {"net_arch": [64, 64]},
    }
    return {**shared, "n_epochs": 4} if issubclass(kind, PPO) else {**shared, "n_episodes": None}


def smallest_side(space: Space) -> int:
    """Return the smallest side of an image space, in pixels, whichever way its channels stand."""
    return int(np.sort(np.array(space.shape))[-2])
