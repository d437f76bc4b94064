"""An agent on the disk: a folder of JSON and safetensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import torch

from e2c_control.agents.learning import LearningOptions
from e2c_control.errors import InputError
from e2c_control.models.embedding import Embedding, EmbeddingConfig
from e2c_control.registry import trusting
from e2c_control.runs.checkpoint import Checkpoint, checked_meta, load_checkpoint, save_checkpoint
from e2c_control.runs.config import from_json, to_json
from e2c_control.runs.own import followed, sign
from e2c_control.runs.restoring import restoring

Tensors = Mapping[str, Mapping[str, torch.Tensor]]

META: Mapping[str, Any] = {
    "embedding": Any,
    "observation_shape": tuple[int, int, int],
    "action_dim": int,
    "options": Any,
    "learning": Any,
    "frame_stack": int | None,
    "seed": int,
    "num_timesteps": int,
    "more": Mapping[str, Any],
}
"""What the JSON of a saved agent must have."""


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
            "signature": sign(None if self.learning is None else str(self.learning.folder)),
        }
        save_checkpoint(path, {"embedding": dict(self.embedding.state_dict()), **self.tensors}, meta)

    @classmethod
    def read(cls, path: Path, kind: str, options: type[Any], trust: Sequence[str] = ()) -> Self:
        """Return what `write` wrote of an agent of a kind, which may name code in the modules `trust`.

        Raises:
            InputError: it is missing, damaged, or something else.
        """
        checkpoint = load_checkpoint(path)
        if checkpoint.meta.get("agent") != kind:
            raise InputError(f"{path} holds no {kind}: give the folder that {kind}.save wrote.")
        meta = checked_meta(checkpoint, META)
        with trusting(trust), restoring(path, checkpoint.tensors):
            return cls._from(checkpoint, meta, options)

    @classmethod
    def _from(cls, checkpoint: Checkpoint, meta: Mapping[str, Any], options: type[Any]) -> Self:
        config: EmbeddingConfig = from_json(EmbeddingConfig, meta["embedding"])
        embedding = Embedding(config, meta["observation_shape"], meta["action_dim"], torch.Generator())
        embedding.load_state_dict(dict(checkpoint.tensors["embedding"]))
        learning: LearningOptions | None = from_json(LearningOptions | None, meta["learning"])
        if learning is not None and learning.folder is not None:
            folder = followed(str(learning.folder), meta.get("signature"), checkpoint.path)
            learning = replace(learning, folder=None if folder is None else Path(folder))
        return cls(
            kind=meta["agent"],
            embedding=embedding,
            options=from_json(options, meta["options"]),
            learning=learning,
            frame_stack=meta["frame_stack"],
            seed=meta["seed"],
            num_timesteps=meta["num_timesteps"],
            tensors={name: group for name, group in checkpoint.tensors.items() if name != "embedding"},
            more=meta["more"],
        )
