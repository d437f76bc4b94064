"""Actions of a stable-baselines3 policy as the gradient estimators see them: a law, and noise that they are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import Distribution as PolicyDistribution
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent

from e2c_control.agents.spaces import Space, bounds_of, check_starts
from e2c_control.errors import InputError
from e2c_control.gradients.laws import Continuous, Discrete, law_of

Observations = Tensor | Mapping[str, Tensor]

DISCRETE: tuple[type[Space], ...] = (spaces.Discrete, spaces.MultiBinary)
CONTINUOUS: tuple[type[Space], ...] = (spaces.Box,)


@dataclass(frozen=True, eq=False)
class Seen:
    """What a policy makes of M observations, in one pass."""

    distribution: Distribution  # of whole actions, batch shape (M,)
    values: Tensor  # (M,)
    features: Tensor  # (M, F), constant: what a surrogate may look at


def look(policy: ActorCriticPolicy, observations: Observations) -> Seen:
    """Run actor and critic."""
    features = policy.extract_features(observations)  # pyright: ignore[reportArgumentType]
    for_actor, for_critic = features if isinstance(features, tuple) else (features, features)
    latent = policy.mlp_extractor.forward_actor(for_actor)
    distribution = policy._get_action_dist_from_latent(latent)  # pyright: ignore[reportPrivateUsage]
    values: Tensor = policy.value_net(policy.mlp_extractor.forward_critic(for_critic))
    return Seen(action_distribution(distribution), values.flatten(), for_actor.detach())


def action_distribution(distribution: PolicyDistribution) -> Distribution:
    """Return the torch distribution of whole actions, batch shape (M,).

    Take it at once: a policy has one object for its distributions, and the next look changes what is in it.
    """
    base: Any = distribution.distribution
    return base if isinstance(base, Categorical) else Independent(base, 1)


def action_distribution_at(policy: ActorCriticPolicy, observations: Observations) -> Distribution:
    """Run the actor alone."""
    return action_distribution(policy.get_distribution(observations))  # pyright: ignore[reportArgumentType]


def sample(distribution: Distribution, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw actions (M,) or (M, m), and the noise (M, *code) that they are made of."""
    law = law_of(distribution)
    noise = law.draw_noise(1, generator)
    if isinstance(law, Discrete):
        return law.present(law.hard(law.relaxed(noise)))[0], noise[0]
    assert isinstance(law, Continuous)
    return law.sample(noise)[0], noise[0]


def code_size(space: Space) -> int:
    """Return the size of an action's code, and of its noise."""
    if isinstance(space, spaces.Discrete):
        return int(space.n)
    return int(np.prod(space.shape or (1,)))


def check_actions(algorithm: str, space: Space, takes: tuple[type[Space], ...]) -> None:
    """Refuse an action space that an algorithm cannot take.

    Raises:
        InputError: it cannot.
    """
    if not isinstance(space, takes):
        known = " and ".join(kind.__name__ for kind in takes)
        instead = {"RELAX": "LAX takes Box", "LAX": "RELAX takes Discrete and MultiBinary"}
        other = instead[algorithm] if algorithm in instead and isinstance(space, DISCRETE + CONTINUOUS) else ""
        remedy = other or "wrap the environment so that its actions are of that kind"
        raise InputError(f"{algorithm} takes {known} actions, not {space}: {remedy}.")
    check_starts("actions", space)
    if isinstance(space, spaces.MultiBinary) and len(space.shape) != 1:
        raise InputError(f"The actions have the shape {space.shape}: wrap the environment so that they are a vector.")
    if isinstance(space, spaces.Box) and not np.isfinite(bounds_of(space)).all():
        raise InputError(f"The actions {space} have no bounds: wrap the environment in gymnasium's RescaleAction.")
