"""How agents that see through an embedding learn: they gather a dataset, which grows, and train on all of it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import torch

from e2c_control.agents.callbacks import AfterStep, Counted
from e2c_control.data import Transitions, collect
from e2c_control.data.card import NAME, DatasetCard
from e2c_control.data.defaults import default_environments
from e2c_control.data.policy import Policy
from e2c_control.data.shards import Shard, join_shards
from e2c_control.data.source import EnvSource
from e2c_control.data.stepper import Starts
from e2c_control.fields import AtOnce, Count, NotNegative, ShareAboveZero, check
from e2c_control.measures import measure_map
from e2c_control.models.embedding import Embedding
from e2c_control.objectives.recipe import Recipe
from e2c_control.runs.config import from_json
from e2c_control.training.run import TrainConfig, start_run, train


@dataclass(frozen=True)
class RoundOptions:
    """How an agent alternates between gathering and training.

    Attributes:
        first: transitions of random actions, before anything is trained.
        size: transitions of each later round.
        first_share: of the recipe's optimiser steps, after the first round.
        share: of them, after each later one.
        noise: deviation of the normal noise on planned actions; of choices, the share that is drawn evenly instead.
    """

    first: Count = 2_000
    size: Count = 1_000
    first_share: ShareAboveZero = 0.5
    share: ShareAboveZero = 0.15
    noise: NotNegative = 0.3

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class LearningOptions:
    """How an agent learns.

    Attributes:
        recipe: what to train.
        episode_length: steps after which a collection starts anew.
        device: where to train.
        folder: where dataset and run are kept; none throws them away in the end.
        rounds: of an agent that gathers where its plans lead.
    """

    recipe: Recipe
    episode_length: AtOnce
    device: Literal["auto", "cpu", "cuda"] = "auto"
    folder: Path | None = None
    rounds: RoundOptions = RoundOptions()

    def __post_init__(self) -> None:
        check(self)


@contextmanager
def work_folder(options: LearningOptions) -> Generator[Path]:
    """Return where datasets and runs go: the folder that was asked for, or one that is thrown away."""
    with ExitStack() as stack:
        yield options.folder or Path(stack.enter_context(TemporaryDirectory(prefix="e2c-")))


def train_on(
    world: EnvSource, options: LearningOptions, transitions: Transitions, folder: Path, seed: int, progress: bool
) -> tuple[Embedding, dict[str, float]]:
    """Train an embedding on transitions; measure map/... on episodes held out of them."""
    config = TrainConfig(transitions.path, world.name, options.recipe, seed=seed, device=options.device)
    embedding = train(start_run(folder / "runs", config), config, progress=progress)
    _, held_out = transitions.split(config.held_out, seed=0)
    features = None if world.task is None else world.task.system.features
    return embedding, measure_map(embedding, transitions, held_out, features=features).scalars()


def first_free(path: Path) -> Path:
    """Return `path`, or with a number behind it: a second call of `learn` keeps the first one's dataset."""
    if not path.exists():
        return path
    return next(other for i in count(2) if not (other := path.with_name(f"{path.name}-{i}")).exists())


def gather(
    world: EnvSource,
    options: LearningOptions,
    path: Path,
    timesteps: int,
    seed: int,
    after_step: AfterStep,
    progress: bool,
    *,
    starts: Starts,
    policy: Policy | None = None,
) -> Transitions:
    """Collect transitions of a policy, or of random actions."""
    at_once = default_environments(world.native, max(timesteps, 1), options.episode_length)
    return collect(
        Counted(world.vectors(at_once), after_step),
        path,
        timesteps,
        options.episode_length,
        starts=starts,
        policy=policy,
        seed=seed,
        frame_stack=world.frame_stack,
        progress=progress,
    )


def joined(path: Path, before: Shard, new: Transitions, seed: int) -> Transitions:
    """Write the dataset of what was gathered before and of a new one, which goes."""
    shard = Shard.read(new.path)
    # What is known may have been gathered by an earlier version.
    before = replace(before, card=shard.card.as_far_as(before.card))
    everything = join_shards(path, [before, shard], seed=seed, overwrite=True)
    rmtree(new.path)
    return everything


def place_of(gathered: Shard | None, folder: Path) -> Path:
    """Return where a dataset goes that begins with what was gathered: where that is kept, or else a free name."""
    if gathered is not None:
        for card in sorted(folder.glob(f"dataset*/{NAME}")):
            kept = Transitions.open(card.parent)
            arrays = ((kept.episodes, gathered.episodes), (kept.actions, gathered.actions))
            if all(np.array_equal(there, here) for there, here in arrays):
                return kept.path
    return first_free(folder / "dataset")


def shard_from(tensors: Mapping[str, torch.Tensor], card: Any) -> Shard:
    """Return what a saved agent gathered, of its tensors and the JSON of its card; ValueError if they do not fit."""
    arrays: Any = {name: tensor.numpy() for name, tensor in tensors.items()}
    shard = Shard(from_json(DatasetCard, card), **arrays)
    if not shard.fits():
        raise ValueError("what it gathered does not fit its card")
    return shard
