"""An agent that sees images, plans in an embedding of them, and drives to a goal that is an image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from e2c_control.agents.planning import PlanningOptions
from e2c_control.errors import InputError
from e2c_control.models.embedding import Embedding, EmbeddingConfig
from e2c_control.planners import MPC, Plan
from e2c_control.planners.mpc import Replan
from e2c_control.runs.checkpoint import load_checkpoint, save_checkpoint
from e2c_control.runs.config import from_json, to_json


@dataclass(frozen=True, eq=False)
class PlanState:
    """What `E2CAgent.predict` hands back to be given again at the next step.

    Attributes:
        plan: of every environment.
        steps: since the start of each environment's episode, (N,).
    """

    plan: Plan
    steps: NDArray[np.int64]


class E2CAgent:
    """Embed to Control (Watter et al. 2015) with stable-baselines3's `predict`, `save` and `load`.

    Args:
        embedding: trained, for observations of the environments that will be shown.
        options: how to plan.
        seed: of the random starts of each replan.
    """

    def __init__(self, embedding: Embedding, options: PlanningOptions | None = None, seed: int = 0) -> None:
        self.embedding = embedding.eval()
        self.options = options or PlanningOptions()
        self.seed = seed
        self.last_replan: Replan | None = None
        self._goal_images: NDArray[np.uint8] | None = None
        self._mpc: MPC | None = None

    def set_goal(self, images: ArrayLike) -> None:
        """Drive to an image (H, W, C), or one for each environment (N, H, W, C), all uint8."""
        goals = self._checked(np.asarray(images), "The goal")
        self._goal_images = goals
        self._mpc = self.options.controller(self.embedding, self.encode(goals))

    def encode(self, observations: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Mean latents (N, k) of observations (N, H, W, C)."""
        device = next(self.embedding.parameters()).device
        with torch.inference_mode():
            mean = self.embedding.encode(torch.as_tensor(observations).to(device)).mean
        return mean.double().cpu().numpy()

    def predict(
        self,
        observation: NDArray[np.uint8],
        state: PlanState | None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[NDArray[np.float32], PlanState]:
        """The first actions of new plans, and what to pass in next time.

        Args:
            observation: (H, W, C) of one environment or (N, H, W, C) of several, uint8.
            state: what the last call returned, or none at first.
            episode_start: which environments were reset since, (N,).
            deterministic: accepted for stable-baselines3; the plan is the same either way.

        Returns:
            Actions (m,) or (N, m) in [-1, 1], and the state.

        Raises:
            InputError: no goal is set, or the observation is of another shape or type than the embedding's.
        """
        observations = self._checked(np.asarray(observation), "The observation")
        mpc = self._controller(len(observations))
        steps = np.zeros(len(observations), np.int64)
        if state is not None:
            started = np.zeros(len(steps), np.bool_) if episode_start is None else np.asarray(episode_start, np.bool_)
            steps = np.where(started, 0, state.steps + 1)
        left = None if self.options.episode_steps is None else max(self.options.episode_steps - int(steps.min()), 1)
        plan, self.last_replan = mpc.replan(
            self.encode(observations),
            previous=None if state is None else state.plan,
            steps_left=left,
            rng=np.random.default_rng([self.seed, int(steps.min())]),
            restarted=steps == 0,
        )
        actions = plan.controls[:, 0].astype(np.float32)
        return actions if np.ndim(observation) == 4 else actions[0], PlanState(plan, steps)

    def _controller(self, count: int) -> MPC:
        if self._mpc is None or self._goal_images is None:
            raise InputError("The agent has no goal: call set_goal(image) before predict.")
        if len(self._goal_images) in (1, count):
            return self._mpc
        raise InputError(
            f"There are {len(self._goal_images)} goals and {count} observations: set one goal, or one for each."
        )

    def _checked(self, images: NDArray[Any], what: str) -> NDArray[np.uint8]:
        shape = self.embedding.observation_shape
        if images.dtype != np.uint8 or images.shape[-3:] != shape or images.ndim not in (3, 4):
            raise InputError(
                f"{what} must be uint8 of shape {shape} or (N, *{shape}), not {images.dtype} of shape {images.shape}: "
                "make the environment with the frame stack and size that the embedding was trained with."
            )
        return images.reshape(-1, *shape)

    def save(self, path: Path | str) -> None:
        """Write a folder of JSON and safetensors; nothing is pickled."""
        tensors: dict[str, dict[str, torch.Tensor]] = {"embedding": dict(self.embedding.state_dict())}
        if self._goal_images is not None:
            tensors["goals"] = {"images": torch.from_numpy(self._goal_images)}
        meta = {
            "agent": "E2CAgent",
            "embedding": to_json(self.embedding.config),
            "observation_shape": self.embedding.observation_shape,
            "action_dim": self.embedding.action_dim,
            "options": to_json(self.options),
            "seed": self.seed,
        }
        save_checkpoint(Path(path), tensors, meta)

    @classmethod
    def load(cls, path: Path | str, device: torch.device | str = "cpu") -> Self:
        """An agent that `save` wrote.

        Raises:
            InputError: the folder is missing or damaged, or holds something else.
        """
        checkpoint = load_checkpoint(Path(path))
        meta = checkpoint.meta
        if meta.get("agent") != "E2CAgent":
            raise InputError(f"{path} holds no E2CAgent: give the folder that E2CAgent.save wrote.")
        height, width, channels = (int(side) for side in meta["observation_shape"])
        config: EmbeddingConfig = from_json(EmbeddingConfig, meta["embedding"])
        embedding = Embedding(config, (height, width, channels), int(meta["action_dim"]), torch.Generator())
        embedding.load_state_dict(dict(checkpoint.tensors["embedding"]))
        agent = cls(embedding.to(device), from_json(PlanningOptions, meta["options"]), int(meta["seed"]))
        if "goals" in checkpoint.tensors:
            agent.set_goal(checkpoint.tensors["goals"]["images"].numpy())
        return agent
