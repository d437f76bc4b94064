"""Learning through the planner: was what was done the way to where it led?"""

from __future__ import annotations

import torch
from torch import Tensor

from e2c_control.errors import InputError
from e2c_control.objectives.term import Term
from e2c_control.objectives.unrolled import Unrolled
from e2c_control.planners import Limits
from e2c_control.planners.torch_engine import TorchILQR, TorchPlan


class Hindsight(Term):
    """|u - u*|^2 of an action, where u* is the plan to the last image of a window, and u what was done.

    Many plans lead to the same place, so that what was done can only be compared with the nearest of them: u*
    minimises |u* - u|^2 + w |z_K(u*) - z_K|^2 / s^2 within the limits, from the encoded first image to the encoded last
    one z_K, where s^2 is the mean variance of the batch's latents in a dimension. A model that predicts z_K from u
    plans u itself, and the term is zero. Otherwise it is, to first order, the square of the K-step prediction error in
    units of the actions that make up for it; what no action can make up for counts nothing.

    Gradients go through the plan (Amos et al. 2018), as in the Universal Planning Networks of Srinivas et al. 2018,
    which imitate an expert's plans; here the actions are random, and each window's end is the goal of its own plan. By
    itself the term is also zero for a model in which no action moves anything: it belongs beside terms of prediction.

    Args:
        goal_weight: w, squared actions per squared latent in units of its deviation.
        windows: how many windows of the batch are planned, since a plan costs as much as some ten predictions;
            processes that share a batch plan the same ones.
        iterations: of the planner, which begins at what was done.
    """

    def __init__(self, goal_weight: float = 30.0, windows: int = 32, iterations: int = 3) -> None:
        super().__init__()
        if windows < 1 or iterations < 1 or not goal_weight > 0.0:
            raise InputError(
                f"The term 'hindsight' needs windows, iterations and a goal weight above 0, not {windows}, "
                f"{iterations} and {goal_weight}."
            )
        self.goal_weight, self.windows = goal_weight, int(windows)
        self.planner = TorchILQR(iterations=int(iterations))

    def forward(self, unrolled: Unrolled) -> Tensor:
        # Processes that share a batch plan the same windows, since choosing them by process would change the loss.
        every, actions = unrolled.gather(unrolled.posterior.mean, -2), unrolled.gather(unrolled.actions, -2)
        weight = self.goal_weight / every.flatten(0, -2).var(0, correction=0).mean().clamp_min(1e-8)
        means = every[:, : self.windows]
        done = actions[:, : self.windows].transpose(0, 1).to(means.dtype)

        def cost(states: Tensor, controls: Tensor) -> Tensor:
            missed = (states[:, -1] - means[-1]).square().sum(-1)
            return (controls - done).square().sum((1, 2)) + weight * missed

        limits, start = Limits.symmetric(1.0, done.shape[-1]), TorchPlan.guess(done, means.shape[-1])
        step = unrolled.embedding.transition.predict
        with torch.autocast(done.device.type, enabled=False):  # a plan needs more than eight bits
            plan = self.planner(step, cost, means[0], len(actions), limits, start, differentiable=True)
        return (plan.controls - done).square().mean()
