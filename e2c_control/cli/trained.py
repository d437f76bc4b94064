"""A trained run as the commands use it: its embedding, its environment, an agent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch

from e2c_control.agents import E2CAgent, PlanningOptions
from e2c_control.data.card import NAME, DatasetCard, read_card
from e2c_control.envs import Task, make_task, task_ids
from e2c_control.errors import InputError
from e2c_control.models.embedding import Embedding
from e2c_control.runs.checkpoint import latest
from e2c_control.runs.folder import RunFolder
from e2c_control.training.run import TrainConfig, load_embedding


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """A run that has a checkpoint.

    Attributes:
        folder: where it is.
        card: of the dataset that it was trained on.
        embedding: of its newest checkpoint.
        step: of that checkpoint.
    """

    folder: RunFolder
    card: DatasetCard
    embedding: Embedding
    step: int

    @classmethod
    def open(cls, path: Path) -> Self:
        """Load a run; `InputError` if it is none, has no checkpoint yet, or is damaged."""
        torch.set_num_threads(1)  # an image at a time is too little work to share
        folder = RunFolder.open(path)
        config = folder.config(TrainConfig)
        embedding, newest = load_embedding(folder), latest(folder.checkpoints)
        card = read_card(folder.path if (folder.path / NAME).is_file() else config.dataset)
        return cls(folder, card, embedding, int(newest.name[5:]) if newest else 0)

    @property
    def frame_stack(self) -> int:
        """Frames in an observation."""
        return self.embedding.observation_shape[2] // self.card.frame_shape[2]

    @property
    def native(self) -> bool:
        """Whether the environment is one of this project's, with goals to score by."""
        return environment_name(self.card) in task_ids()

    def task(self, other: str | None = None) -> Task:
        """The task that it was trained on, or another one that looks and moves like it."""
        if other is None:
            known = {name: value for name, value in self.card.environment_kwargs.items() if name != "goal"}
            return make_task(environment_name(self.card), **{**known, "frame_stack": self.frame_stack})
        task = make_task(other, frame_stack=self.frame_stack)
        wanted = (self.embedding.observation_shape, self.embedding.action_dim)
        found = (task.observation_shape, task.system.control_size)
        if found != wanted:
            raise InputError(
                f"{self.folder.path} was trained on images {wanted[0]} and {wanted[1]} actions, {other} has {found[0]} "
                f"and {found[1]}: choose a task of the same system as {self.card.environment}."
            )
        return task

    def agent(self, task: Task, seed: int = 0) -> E2CAgent:
        """An agent that plans as the task says."""
        return E2CAgent(self.embedding, PlanningOptions.for_task(task), seed)


def environment_name(card: DatasetCard) -> str:
    """The Gymnasium id without the module in front."""
    return card.environment.rpartition(":")[2]


def own_task(card: DatasetCard) -> Task | None:
    """The task behind a dataset, if it is one of this project's."""
    name = environment_name(card)
    return make_task(name) if name in task_ids() else None
