"""Policy gradients that differ in their estimator alone, as stable-baselines3 algorithms."""

from e2c_control.agents.policy_gradient.a2c_baseline import A2CBaseline
from e2c_control.agents.policy_gradient.algorithm import PolicyGradient
from e2c_control.agents.policy_gradient.controlled import LAX, RELAX, ControlledPolicyGradient
from e2c_control.agents.policy_gradient.episodes import episode_gradients
from e2c_control.agents.policy_gradient.rollout import NoiseBuffer, Rollout

__all__ = [
    "LAX",
    "RELAX",
    "A2CBaseline",
    "ControlledPolicyGradient",
    "NoiseBuffer",
    "PolicyGradient",
    "Rollout",
    "episode_gradients",
]
