"""Learning as stable-baselines3's users know it: timesteps, callbacks, a logger."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NoReturn, cast

import numpy as np
import torch
from gymnasium.vector import VectorEnv, VectorWrapper
from stable_baselines3.common.callbacks import BaseCallback, CallbackList, ConvertCallback
from tqdm import tqdm

from e2c_control.data import Transitions, collect
from e2c_control.data.policy import Policy
from e2c_control.data.source import EnvSource
from e2c_control.data.stepper import Starts
from e2c_control.errors import InputError, flag
from e2c_control.fields import AtOnce, check
from e2c_control.measures import measure_map
from e2c_control.models.embedding import Embedding
from e2c_control.objectives.recipe import Recipe
from e2c_control.runs import progress as bars
from e2c_control.runs.config import to_json
from e2c_control.training.presets import default_environments, default_starts
from e2c_control.training.run import TrainConfig, start_run, train

AfterStep = Callable[[dict[str, Any]], bool]
Callback = BaseCallback | list[BaseCallback] | Callable[[dict[str, Any], dict[str, Any]], bool] | None


@dataclass(frozen=True)
class LearningOptions:
    """How an agent learns.

    Attributes:
        recipe: what to train.
        episode_length: steps after which a collection starts anew.
        device: where to train.
        folder: where dataset and run are kept; none throws them away in the end.
    """

    recipe: Recipe
    episode_length: AtOnce
    device: Literal["auto", "cpu", "cuda"] = "auto"
    folder: Path | None = None

    def __post_init__(self) -> None:
        check(self)


class Stopped(BaseException):
    """A callback asked to stop. No `Exception`, so that nobody takes it for an error of the environment."""


class Counted(VectorWrapper[Any, Any, Any]):
    """Tells somebody about every step of a vector of environments."""

    def __init__(self, env: VectorEnv[Any, Any, Any], after_step: AfterStep) -> None:
        super().__init__(env)
        self._after_step = after_step

    def step(self, actions: Any) -> Any:
        result = self.env.step(actions)
        _, rewards, terminated, truncated, infos = result
        if not self._after_step({"rewards": rewards, "dones": terminated | truncated, "infos": infos}):
            raise Stopped
        return result


class Progress(BaseCallback):
    """Moves a bar by the environment steps that are taken."""

    def __init__(self, bar: tqdm[NoReturn]) -> None:
        super().__init__()
        self.bar = bar

    def _on_training_start(self) -> None:
        self._shown = self.num_timesteps

    def _on_step(self) -> bool:
        self.bar.update(self.num_timesteps - self._shown)
        self._shown = self.num_timesteps
        return True


@contextmanager
def with_bar(callbacks: Iterable[BaseCallback], steps: int, shown: bool) -> Generator[CallbackList]:
    """Callbacks, and one that moves a bar over so many environment steps, as all commands show it.

    stable-baselines3's own bar takes packages that need not be there.
    """
    with bars.progress_bar(steps, unit=" steps", enabled=flag("progress_bar", shown)) as bar:
        yield CallbackList([*callbacks, Progress(bar)])


class OfAgent(CallbackList):
    """A callback that gets an agent where stable-baselines3 gives it the algorithm inside: to be saved, to be asked."""

    def __init__(self, agent: Any, callback: Callback) -> None:
        super().__init__([as_callback(callback)])
        self.agent = agent

    def _init_callback(self) -> None:
        for callback in self.callbacks:
            callback.init_callback(self.agent)


def as_callback(callback: Callback) -> BaseCallback:
    """One callback of none, one, a list of them or a function."""
    if isinstance(callback, list):
        return CallbackList(cast(list[BaseCallback], callback))
    return callback if isinstance(callback, BaseCallback) else ConvertCallback(callback)


def collect_and_train(
    world: EnvSource,
    options: LearningOptions,
    timesteps: int,
    seed: int,
    after_step: AfterStep,
    after_collection: Callable[[], None],
    progress: bool,
) -> tuple[Embedding, dict[str, float]]:
    """An embedding of `timesteps` random transitions, and map/... on episodes held out of them."""
    with work_folder(options) as folder:
        path = first_free(folder / "dataset")
        transitions = gather(
            world, options, path, timesteps, seed, after_step, progress, starts=default_starts(world.native)
        )
        after_collection()
        return train_on(world, options, transitions, folder, seed, progress)


@contextmanager
def work_folder(options: LearningOptions) -> Generator[Path]:
    """Where datasets and runs go: the folder that was asked for, or one that is thrown away."""
    with ExitStack() as stack:
        yield options.folder or Path(stack.enter_context(TemporaryDirectory(prefix="e2c-")))


def train_on(
    world: EnvSource, options: LearningOptions, transitions: Transitions, folder: Path, seed: int, progress: bool
) -> tuple[Embedding, dict[str, float]]:
    """An embedding of transitions, and map/... on episodes held out of them."""
    config = TrainConfig(transitions.path, world.name, options.recipe, seed=seed, device=options.device)
    embedding = train(start_run(folder / "runs", config), config, progress=progress)
    _, held_out = transitions.split(config.held_out, seed=0)
    features = None if world.task is None else world.task.system.features
    return embedding, measure_map(embedding, transitions, held_out, features=features).scalars()


def first_free(path: Path) -> Path:
    """`path`, or with a number behind it: a second call of `learn` keeps the first one's dataset."""
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
    """Transitions of a policy, or of random actions."""
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


def device_of(device: torch.device | str) -> torch.device:
    """The device that is meant, where stable-baselines3 would take the CPU for one that is not there.

    Raises:
        InputError: there is no such device here.
    """
    try:
        found = (
            torch.device("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else torch.device(device)
        )
    except (RuntimeError, TypeError) as error:
        raise InputError(f"There is no device {device!r}: choose auto, cpu or cuda.") from error
    if found.type == "cuda" and not torch.cuda.is_available():
        raise InputError("There is no CUDA device here: choose the device cpu.")
    return found


def log_folder(tensorboard_log: object) -> str | None:
    """The folder of curves as a text, if there is to be one; InputError if it is no path."""
    if tensorboard_log is None:
        return None
    if not isinstance(tensorboard_log, str | os.PathLike):
        raise InputError(f"tensorboard_log is a {type(tensorboard_log).__name__}: give a folder, or none.")
    return str(Path(cast(Any, tensorboard_log)))


def savable(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as they are after saving and loading: numbers, texts, and lists and mappings of them.

    Raises:
        InputError: one is something else; the sentence begins with ``name``.
    """
    if not isinstance(cast(Any, options), Mapping):
        raise InputError(f"{name} is a {type(options).__name__}: give a mapping from names to values.")
    found: dict[str, Any] = {}
    for key, value in options.items():
        try:
            found[key] = to_json(value)
        except TypeError as error:
            raise InputError(
                f"{name} has '{key}', a {type(value).__name__}, which cannot be saved: give numbers, texts, or lists "
                "and mappings of them."
            ) from error
    return found


def later_seed(seed: int, *counts: int) -> int:
    """A seed for what begins after so many steps, or whatever else was counted."""
    return int(np.random.SeedSequence([seed, *counts]).generate_state(1)[0])
