"""How an agent plans: the options that turn an embedding into a controller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from e2c_control.envs import Task
from e2c_control.models.embedding import Embedding
from e2c_control.models.latent_dynamics import LatentDynamics
from e2c_control.planners import ILQR, MPC, Limits, Planner, QuadraticCost


@dataclass(frozen=True)
class PlanningOptions:
    """Receding-horizon planning in latent space, with the cost sum q |z - z_goal|^2 + sum_i r_i a_i^2.

    Attributes:
        horizon: steps in a plan.
        state_weight: q.
        action_weight: r, one for each action or one for all, in units of actions in [-1, 1].
        iterations: of iLQR in one replan.
        linearization: whether the planner follows the model's own A and B or the exact Jacobian.
        episode_steps: length of an episode, past which no plan reaches; none if unknown.
    """

    horizon: int = 10
    state_weight: float = 10.0
    action_weight: tuple[float, ...] = (1.0,)
    iterations: int = 4
    linearization: Literal["model", "jacobian"] = "model"
    episode_steps: int | None = None

    @classmethod
    def for_task(cls, task: Task) -> PlanningOptions:
        """The task's horizon and weights."""
        return cls(
            horizon=task.planning_horizon,
            state_weight=task.q,
            action_weight=tuple(float(r) for r in task.action_weight),
            episode_steps=task.horizon,
        )

    def controller(self, embedding: Embedding, goals: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> MPC:
        """A receding-horizon controller to the latent goal (k,) of all, or one for each (N, k)."""
        k, m = embedding.config.latent_dim, embedding.action_dim
        weights = np.broadcast_to(np.asarray(self.action_weight), (m,))
        cost = QuadraticCost(goals, self.state_weight * np.eye(k), np.diag(weights))
        dynamics = LatentDynamics(embedding.transition, self.linearization)
        planner: Planner = ILQR(iterations=self.iterations, step_sizes=(1.0, 0.3, 0.1))
        return MPC(planner, dynamics, cost, self.horizon, Limits.symmetric(1.0, m))
