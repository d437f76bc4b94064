"""Gradients of whole episodes in a policy's weights, and the way back to each step's distribution.

With J the Jacobian of the distribution's parameters at all steps of an episode in the weights, and g the estimate at
those parameters, the episode's gradient is G = J' g. What a control variate is to lower is E|G|^2:

    d|G|^2 / d phi = 2 (J G)' dg / d phi,

so that each step's direction is its part of J G = J J' g. J' u is linear in u; differentiating it in u along G gives
J G without a pass for each weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor

from e2c_control.agents.policy_gradient.actions import action_distribution_at
from e2c_control.agents.policy_gradient.rollout import Rollout
from e2c_control.gradients.laws import law_of


def directions(
    policy: ActorCriticPolicy, rollout: Rollout, gradients: Sequence[Tensor]
) -> tuple[list[Tensor], list[float]]:
    """J J' g of every episode.

    Args:
        policy: as it acted.
        rollout: M rows.
        gradients: g, (M, *code) for each parameter of the distribution.

    Returns:
        Directions (M, *code) for each parameter, and |G|^2 of each episode.
    """
    found: list[list[Tensor]] = []
    squares: list[float] = []
    for rows in rollout.episodes:
        u = [gradient[rows].detach().requires_grad_() for gradient in gradients]
        pulled = _pull(policy, rollout, rows, u, create_graph=True)
        total = [part.detach() for part in pulled]
        found.append(list(torch.autograd.grad(pulled, u, total, materialize_grads=True)))
        squares.append(float(sum(part.square().sum() for part in total)))
    return [torch.cat(parts) for parts in zip(*found, strict=True)], squares


def episode_gradients(policy: ActorCriticPolicy, rollout: Rollout, gradients: Sequence[Tensor]) -> Tensor:
    """G of every episode, (E, weights of the actor): to measure bias and variance with."""
    each: list[Tensor] = []
    for rows in rollout.episodes:
        given = [gradient[rows] for gradient in gradients]
        each.append(torch.cat([part.flatten() for part in _pull(policy, rollout, rows, given)]))
    return torch.stack(each)


def _pull(
    policy: ActorCriticPolicy, rollout: Rollout, rows: slice, u: Sequence[Tensor], create_graph: bool = False
) -> list[Tensor]:
    """J' u at all weights that the actor has."""
    weights = [weight for weight in policy.parameters() if weight.requires_grad]
    outputs = law_of(action_distribution_at(policy, rollout.seen_in(rows))).parameters
    found: Any = torch.autograd.grad(outputs, weights, list(u), create_graph=create_graph, allow_unused=True)
    parts: tuple[Tensor | None, ...] = found
    return [part for part in parts if part is not None]
