"""RELAX for discrete actions and LAX for continuous ones: a surrogate that learns to lower the gradient's variance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import GymEnv

from e2c_control.agents.policy_gradient import actions
from e2c_control.agents.policy_gradient.algorithm import PolicyGradient
from e2c_control.agents.policy_gradient.collecting import SURROGATE
from e2c_control.agents.policy_gradient.episodes import directions
from e2c_control.agents.policy_gradient.rollout import Rollout
from e2c_control.agents.spaces import spaces_of
from e2c_control.errors import number
from e2c_control.fields import AtOnce, conform
from e2c_control.gradients import LAX as LAXEstimator
from e2c_control.gradients import RELAX as RELAXEstimator
from e2c_control.gradients import Estimate, Estimator, SurrogateNetwork

MEMORY = 0.99
"""Of the mean square of advantages, from one update to the next."""


class ControlledPolicyGradient(PolicyGradient):
    """A policy gradient with a trained control variate c(z, s), z what the action is made of, s the actor's features.

    After every rollout the surrogate takes a step of Adam against the mean of |G|^2, with G the gradient of a whole
    episode in the actor's weights: summed over the steps first, then squared. Advantages reach the estimator divided by
    their root mean square in the rollouts before, so that the surrogate learns numbers of size 1 whatever the rewards
    are; c never depends on the rollout that it is used on, and the gradient stays unbiased.

    TensorBoard, beside `PolicyGradient`'s: "train/surrogate_loss" is the mean of |G|^2 in the units of the rewards.

    Args:
        surrogate_learning_rate: of Adam; 0 leaves c as it is, and at 0 in the beginning: `A2CBaseline`.
        surrogate_arch: sizes of its hidden layers.
        arguments, options: of `PolicyGradient`.
    """

    remembered: ClassVar[tuple[str, ...]] = (*PolicyGradient.remembered, "surrogate_learning_rate", "surrogate_arch")

    def __init__(
        self,
        policy: str | type[ActorCriticPolicy],
        env: GymEnv | str | None,
        *arguments: Any,
        surrogate_learning_rate: float = 1e-3,
        surrogate_arch: Sequence[int] = (64, 64),
        _init_setup_model: bool = True,
        **options: Any,
    ) -> None:
        self.surrogate_learning_rate = number("surrogate_learning_rate", surrogate_learning_rate, least=0)
        self.surrogate_arch = conform(tuple[AtOnce, ...], surrogate_arch, "surrogate_arch")
        super().__init__(policy, env, *arguments, _init_setup_model=_init_setup_model, **options)

    def _setup_model(self) -> None:
        super()._setup_model()
        self.advantage_square, self.advantage_weight = 0.0, 0.0
        rate = self.surrogate_learning_rate
        self.surrogate_optimizer = torch.optim.Adam(self.estimator.parameters(), rate, betas=(0.9, 0.999))

    def _network(self) -> SurrogateNetwork:
        generator = torch.Generator().manual_seed(self._seeds[SURROGATE])
        size, context = actions.code_size(spaces_of(self)[1]), self.policy.features_dim
        return SurrogateNetwork(size, self.surrogate_arch, context_size=context, generator=generator)

    @property
    def units(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Root mean square of advantages in the rollouts so far; 1 before the first."""
        square = self.advantage_square / self.advantage_weight if self.advantage_weight else 1.0
        return max(square, 1e-12) ** 0.5

    def _improve(self, rollout: Rollout, estimate: Estimate) -> None:
        if not self.surrogate_learning_rate:
            return
        gradients = list(estimate.gradients.values())
        found, squares = directions(self.policy, rollout, gradients)
        # `update` takes the mean over steps; what counts is the mean over episodes.
        scale = len(rollout.advantages) / len(rollout.episodes)
        self.estimator.update(self.surrogate_optimizer, direction=[scale * part.unsqueeze(0) for part in found])
        self.logger.record("train/surrogate_loss", self.units**2 * sum(squares) / len(squares))
        new = float(rollout.advantages.square().mean())
        self.advantage_square = MEMORY * self.advantage_square + (1 - MEMORY) * new
        self.advantage_weight = MEMORY * self.advantage_weight + (1 - MEMORY)

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        names, others = super()._get_torch_save_params()
        return [*names, "surrogate_optimizer"], others


class RELAX(ControlledPolicyGradient):
    """Policy gradient for discrete actions a = H(z) (Grathwohl et al. 2018, section 3.3; `gradients.RELAX`).

    g = sum over t of [R_t - V(s_t) - c(z~_t, s_t)] d log p(a_t | s_t) + dc(z_t, s_t) - dc(z~_t, s_t), where z_t is made
    of the noise of the rollout and z~_t is drawn anew from p(z | a_t, s_t), exactly. Unbiased where `A2CBaseline` is.

    Takes Discrete and MultiBinary actions. Arguments: see `ControlledPolicyGradient` and `PolicyGradient`.

        model = RELAX("MlpPolicy", "CartPole-v1").learn(50_000)
    """

    takes = actions.DISCRETE

    def _make_estimator(self) -> Estimator:
        return RELAXEstimator(self._network())


class LAX(ControlledPolicyGradient):
    """Policy gradient for continuous actions (Grathwohl et al. 2018, section 3.3; `gradients.LAX`).

    g = sum over t of [R_t - V(s_t) - c(a_t, s_t)] d log p(a_t | s_t) + dc(a_t, s_t), the last along a_t as the noise of
    the rollout makes it. Unbiased where `A2CBaseline` is.

    Takes Box actions. Arguments: see `ControlledPolicyGradient` and `PolicyGradient`.

        model = LAX("MlpPolicy", "Pendulum-v1").learn(200_000)
    """

    takes = actions.CONTINUOUS

    def _make_estimator(self) -> Estimator:
        return LAXEstimator(self._network())
