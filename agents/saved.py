"""An agent on the disk: a folder of JSON and safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch

from e2c_control.agents.learning import LearningOptions
from e2c_control.errors import InputError
from e2c_control.models.embedding import Embedding, EmbeddingConfig
from e2c_control.runs.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from e2c_control.runs.config import from_json, to_json

Tensors = Mapping[str, Mapping[str, torch.Tensor]]


@dataclass(frozen=True, eq=False)
class SavedAgent:
    """All that makes an agent that sees through an embedding, apart from its environment.

    Attributes:
        kind: name of its class.
        embedding: what it sees with.
        options: how it acts, a dataclass.
        learning: how it learns, if it does.
        frame_stack: frames in an observation, if it learns.
        seed: of everything.
        num_timesteps: that it has learnt from.
        tensors: groups of what it has besides, such as its goals.
        more: JSON of what it has besides.
    """

    kind: str
    embedding: Embedding
    options: Any
    learning: LearningOptions | None
    frame_stack: int | None
    seed: int
    num_timesteps: int
    tensors: Tensors
    more: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def write(self, path: Path) -> None:
        """Make the folder `path`; nothing is pickled."""
        meta = {
            "agent": self.kind,
            "embedding": to_json(self.embedding.config),
            "observation_shape": self.embedding.observation_shape,
            "action_dim": self.embedding.action_dim,
            "options": to_json(self.options),
            "learning": None if self.learning is None else to_json(self.learning),
            "frame_stack": self.frame_stack,
            "seed": self.seed,
            "num_timesteps": self.num_timesteps,
            "more": dict(self.more),
        }
        save_checkpoint(path, {"embedding": dict(self.embedding.state_dict()), **self.tensors}, meta)

    @classmethod
    def read(cls, path: Path, kind: str, options: type[Any]) -> Self:
        """What `write` wrote of an agent of a kind; `InputError` if it is missing, damaged, or something else."""
        checkpoint = load_checkpoint(path)
        if checkpoint.meta.get("agent") != kind:
            raise InputError(f"{path} holds no {kind}: give the folder that {kind}.save wrote.")
        try:
            return cls._from(checkpoint, checkpoint.meta, options)
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
            raise InputError(
                f"{path} was written by another version of e2c-control ({error}): install that version, or learn again."
            ) from error

    @classmethod
    def _from(cls, checkpoint: Checkpoint, meta: Mapping[str, Any], options: type[Any]) -> Self:
        height, width, channels = (int(side) for side in meta["observation_shape"])
        config: EmbeddingConfig = from_json(EmbeddingConfig, meta["embedding"])
        embedding = Embedding(config, (height, width, channels), int(meta["action_dim"]), torch.Generator())
        embedding.load_state_dict(dict(checkpoint.tensors["embedding"]))
        return cls(
            kind=meta["agent"],
            embedding=embedding,
            options=from_json(options, meta["options"]),
            learning=from_json(LearningOptions | None, meta["learning"]),
            frame_stack=from_json(int | None, meta["frame_stack"]),
            seed=int(meta["seed"]),
            num_timesteps=int(meta["num_timesteps"]),
            tensors={name: group for name, group in checkpoint.tensors.items() if name != "embedding"},
            more=meta.get("more", {}),
        )
