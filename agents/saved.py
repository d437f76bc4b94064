"""An agent on the disk: a folder of JSON and safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from e2c_control.agents.learning import LearningOptions
from e2c_control.agents.planning import PlanningOptions
from e2c_control.errors import InputError
from e2c_control.models.embedding import Embedding, EmbeddingConfig
from e2c_control.runs.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from e2c_control.runs.config import from_json, to_json

KIND = "E2CAgent"


@dataclass(frozen=True, eq=False)
class SavedAgent:
    """All that makes an agent, apart from its environment.

    Attributes:
        embedding: what it sees with.
        options: how it plans.
        learning: how it learns, if it does.
        frame_stack: frames in an observation, if it learns.
        seed: of everything.
        num_timesteps: that it has learnt from.
        goals: images (N, H, W, C), if it has a goal.
    """

    embedding: Embedding
    options: PlanningOptions
    learning: LearningOptions | None
    frame_stack: int | None
    seed: int
    num_timesteps: int
    goals: NDArray[np.uint8] | None

    def write(self, path: Path) -> None:
        """Make the folder `path`; nothing is pickled."""
        tensors: dict[str, dict[str, torch.Tensor]] = {"embedding": dict(self.embedding.state_dict())}
        if self.goals is not None:
            tensors["goals"] = {"images": torch.from_numpy(self.goals)}
        meta = {
            "agent": KIND,
            "embedding": to_json(self.embedding.config),
            "observation_shape": self.embedding.observation_shape,
            "action_dim": self.embedding.action_dim,
            "options": to_json(self.options),
            "learning": None if self.learning is None else to_json(self.learning),
            "frame_stack": self.frame_stack,
            "seed": self.seed,
            "num_timesteps": self.num_timesteps,
        }
        save_checkpoint(path, tensors, meta)

    @classmethod
    def read(cls, path: Path) -> Self:
        """What `write` wrote; `InputError` if it is missing, damaged, or something else."""
        checkpoint = load_checkpoint(path)
        if checkpoint.meta.get("agent") != KIND:
            raise InputError(f"{path} holds no {KIND}: give the folder that {KIND}.save wrote.")
        try:
            return cls._from(checkpoint, checkpoint.meta)
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
            raise InputError(
                f"{path} was written by another version of e2c-control ({error}): install that version, or learn again."
            ) from error

    @classmethod
    def _from(cls, checkpoint: Checkpoint, meta: Mapping[str, Any]) -> Self:
        height, width, channels = (int(side) for side in meta["observation_shape"])
        config: EmbeddingConfig = from_json(EmbeddingConfig, meta["embedding"])
        embedding = Embedding(config, (height, width, channels), int(meta["action_dim"]), torch.Generator())
        embedding.load_state_dict(dict(checkpoint.tensors["embedding"]))
        goals = checkpoint.tensors.get("goals")
        return cls(
            embedding=embedding,
            options=from_json(PlanningOptions, meta["options"]),
            learning=from_json(LearningOptions | None, meta["learning"]),
            frame_stack=from_json(int | None, meta["frame_stack"]),
            seed=int(meta["seed"]),
            num_timesteps=int(meta["num_timesteps"]),
            goals=None if goals is None else goals["images"].numpy(),
        )
