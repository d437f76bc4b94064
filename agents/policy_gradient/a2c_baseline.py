"""Advantage actor-critic on the score function: what RELAX and LAX are to be compared with."""

from __future__ import annotations

from e2c_control.agents.policy_gradient.actions import CONTINUOUS, DISCRETE
from e2c_control.agents.policy_gradient.algorithm import PolicyGradient
from e2c_control.gradients import Estimator, ScoreFunction


class A2CBaseline(PolicyGradient):
    """g = sum over t of (R_t - V(s_t)) d log p(a_t | s_t) / d theta (Mnih et al. 2016; Williams, 1992).

    One update is that of stable-baselines3's `A2C` on the same rollout. It differs from `RELAX` and `LAX` in the
    estimator and in nothing else: networks, optimiser, returns, random numbers of the actions.

    Takes Discrete, MultiBinary and Box actions. Arguments: see `PolicyGradient`.
    """

    takes = DISCRETE + CONTINUOUS

    def _make_estimator(self) -> Estimator:
        return ScoreFunction()
