"""A trained run: its embedding, its environment, an agent."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import gymnasium
import numpy as np
from numpy.typing import NDArray

from e2c_control.agents import E2CAgent, FrameFilter, PlanningOptions
from e2c_control.data import Transitions
from e2c_control.data.card import NAME, DatasetCard, read_card
from e2c_control.data.environments import ImageEnv, make_image_env, task_behind
from e2c_control.data.source import EnvSource
from e2c_control.data.specs import (
    check_file_arguments,
    find_spec,
    import_named,
    import_trusted,
    named_in_a_file,
    names_none,
)
from e2c_control.envs import Task, task_ids
from e2c_control.envs.system import System
from e2c_control.errors import InputError, InputWarning
from e2c_control.figures.projection import Projection, kept_projection
from e2c_control.measures import Recorded, kept_latents
from e2c_control.models.embedding import Embedding
from e2c_control.registry import trusting
from e2c_control.runs.folder import RunFolder
from e2c_control.runs.settings import change
from e2c_control.training.run import TrainConfig, load_embedding, steps_done

OF_A_TASK = ("frame_stack", "horizon")
"""Arguments of an environment that say what is asked, not how the world moves."""

UNSEEN = ("noise",)
"""Fields of a system in which a task may differ from the one trained on. All others change the picture or the motion,
and a map says nothing of pictures that it was not learnt from: other obstacles are as foreign to it as another system.
"""


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """A run that has a checkpoint.

    Attributes:
        folder: where it is.
        card: of the dataset that it was trained on.
        embedding: of its newest checkpoint.
        step: of that checkpoint.
        steps: at which the run ends.
        draws: whether its decoder is trained, so that what it draws can be shown.
    """

    folder: RunFolder
    card: DatasetCard
    embedding: Embedding
    step: int
    steps: int
    draws: bool = True

    @classmethod
    def open(cls, path: Path, env: str | None = None, trust: Sequence[str] = ()) -> Self:
        """Load a run.

        Args:
            path: its folder.
            env: id of its environment, "module:Id", where the user names that module, which is then imported; of a run
                that was trained on recordings, of the environment to drive, whose images and actions have their shapes.
            trust: modules whose code the run may name, its environment among it, such as ``("my_package",)``.

        Raises:
            InputError: it is none, has no checkpoint yet, or is damaged, or was trained in another environment.
        """
        folder = RunFolder.open(path)
        embedding, card, (done, total) = (
            load_embedding(folder, trust=trust),
            read_card(folder.path),
            steps_done(folder, trust),
        )
        height, width, channels = card.frame_shape
        if embedding.observation_shape != (height, width, channels * card.frame_stack):
            raise InputError(
                f"{folder.path} sees {embedding.observation_shape}, and its {NAME} says {card.frame_stack} frames of "
                f"{card.frame_shape}: restore the run's own files."
            )
        if env is not None:
            find_spec(env)
            if names_none(card.environment):
                card = _standing_in(env, card, folder.path)
            else:
                import_named(env, card.environment, folder.path)
        with trusting(trust):
            import_trusted(card.environment)
        recipe = folder.config(TrainConfig, trust).recipe
        draws = recipe.decodes(done - (total - recipe.steps))  # early restarts make a run longer than its recipe
        return cls(folder, card, embedding, done, total, draws)

    @cached_property
    def projection(self) -> Projection | None:
        """By which the pictures of its training were drawn; none for two latents, and where none was kept."""
        return kept_projection(self.folder.path, self.embedding.config.latent_dim)

    @cached_property
    def known(self) -> Recorded | None:
        """What of its map was recorded, by the newest measurement; none where nothing was measured."""
        return kept_latents(self.folder.path, self.embedding.config.latent_dim)

    @property
    def frame_stack(self) -> int:
        """Frames in an observation."""
        return self.embedding.observation_shape[2] // self.card.frame_shape[2]

    @cached_property
    def native(self) -> bool:
        """Whether the environment has a task, with goals to score by; `InputError` if it is one that nobody named.

        Recordings have none, unless an environment stands in for theirs.
        """
        name = named_in_a_file(self.card.environment)
        return not names_none(name) and task_behind(name) is not None

    @property
    def environment(self) -> str:
        """Id under which the environment can be made; `InputError` if it is another package's that nobody named.

        Also where the run was trained on recordings: then no environment is known, before the user names one.
        """
        if names_none(self.card.environment):
            raise InputError(
                f"{self.folder.path} was trained on data of {self.card.environment!r:.80}, and no environment of that "
                "name is known: say which one to drive, with --env ID or --env my_package:ID."
            )
        check_file_arguments(self.card.environment, self.card.environment_kwargs)
        return named_in_a_file(self.card.environment)

    def make_env(self, frame_stack: int | None = None) -> ImageEnv:
        """Make the environment, with as many frames in an observation as the agent sees, or another number."""
        return make_image_env(self.environment, frame_stack or self.frame_stack, **self.card.environment_kwargs)

    def task(self, other: str | None = None) -> Task:
        """Return the task that it was trained on, or another one that looks and moves like it.

        Raises:
            InputError: there is no such task, or its images or its motion are others.
        """
        known = {name: value for name, value in self.card.environment_kwargs.items() if name != "goal"}
        own = replace(self._made(known), frame_stack=self.frame_stack)
        if other is None:
            return own
        task = self._made_alike(other, own, known)
        differing = differences(own.system, task.system)
        if differing:
            alike = [name for name in task_ids() if not self._differ(name, own, known)]
            raise InputError(
                f"{other} looks or moves otherwise than {own.id}, which {self.folder.path} was trained on "
                f"({', '.join(differing)}): choose {' or '.join(alike)}, or train on {other}."
            )
        return task

    def _made(self, arguments: Mapping[str, object]) -> Task:
        """Return the task with the arguments that the run's card has."""
        name = self.environment
        try:
            return _task(name, **arguments)
        except InputError as error:
            raise InputError(f"{self.folder.path / NAME} is damaged, {error} Restore the run's own files.") from error

    def _made_alike(self, name: str, own: Task, known: Mapping[str, object]) -> Task:
        """Return a task, where it is of the same system made with the same physics."""
        task = _task(name)
        if type(task.system) is type(own.system):
            task = _task(name, **{option: value for option, value in known.items() if option not in OF_A_TASK})
        return replace(task, frame_stack=self.frame_stack)

    def _differ(self, name: str, own: Task, known: Mapping[str, object]) -> bool:
        try:
            return bool(differences(own.system, self._made_alike(name, own, known).system))
        except InputError:  # it cannot be made with the same physics
            return True

    def agent(self, task: Task | None = None, seed: int = 0, planning: Mapping[str, object] | None = None) -> E2CAgent:
        """Return an agent that plans as the task says, or by the defaults where there is none.

        Args:
            task: that it is to drive.
            seed: of its planner.
            planning: options of `PlanningOptions` in place of those, of which a run with reachability is driven by the
                roadmap, a step at a time, unless a planner is named; "filter_frames" measures a `FrameFilter`, and
                "set" has further ones as texts, see `e2c_control.runs.settings.change`.
        """
        changes: dict[str, Any] = dict(planning or {})
        options = PlanningOptions.suiting(self.embedding, task, changes.get("planner"))
        settings = changes.pop("set", ())
        if changes.pop("filter_frames", False):
            changes["frame_filter"] = self.measured_filter()
        agent = E2CAgent.from_embedding(self.embedding, change(replace(options, **changes), settings), seed)
        agent.known = self.known
        return agent

    def measured_filter(self) -> FrameFilter:
        """Return a filter measured on the episodes that the run was not trained on; needs its dataset."""
        transitions = self._dataset("leave out --filter-frames, which is measured on the dataset there")
        _, held_out = transitions.split(self.folder.config(TrainConfig).held_out, seed=0)
        return FrameFilter.measured(self.embedding, transitions, held_out)

    def recorded(self, episode: int, step: int) -> tuple[NDArray[np.uint8], NDArray[np.float64] | None]:
        """Return the frame (H, W, C) after so many steps of an episode of the run's dataset, and its state or None.

        Raises:
            InputError: the dataset is not where it was, is not this user's, or has no such episode or step.
        """
        transitions = self._dataset("leave out --goal-frame, which is a frame of the dataset there")
        if episode >= transitions.n_episodes:
            last = transitions.n_episodes - 1
            raise InputError(f"{transitions.path} has no episode {episode}: give one from 0 to {last}.")
        begin, end = transitions.episodes[episode : episode + 2].tolist()
        if step >= end - begin:
            last = end - begin - 1
            raise InputError(f"Episode {episode} of {transitions.path} has no step {step}: give one from 0 to {last}.")
        row = np.array([begin + step])
        state = None if transitions.states is None else np.array(transitions.states[row[0]])
        return transitions.frames_at(row)[0], state

    def _dataset(self, remedy: str) -> Transitions:
        """Return the dataset that the run was trained on; InputError with the remedy where it may not be followed."""
        dataset = self.folder.config(TrainConfig).dataset
        self.folder.require_own(dataset, remedy)
        return Transitions.open(dataset)


def _standing_in(env: str, card: DatasetCard, folder: Path) -> DatasetCard:
    """Return the card of recordings with an environment in place of their name, shown at their size and colours.

    Raises:
        InputError: its images or its actions are not of the shapes of the recordings.
    """
    height, width, channels = card.frame_shape
    looks: dict[str, Any] = {}
    source = EnvSource.of(env, card.frame_stack)
    if source.frame_shape != card.frame_shape and not source.native and height == width:
        looks = {"image_size": height, "grayscale": channels == 1}
        source = EnvSource.of(env, card.frame_stack, **looks)
    if (source.frame_shape, source.action_dim) != (card.frame_shape, card.action_dim):
        raise InputError(
            f"{folder} was trained on frames {card.frame_shape} with {card.action_dim} numbers in an action, and {env} "
            f"shows {source.frame_shape} and takes {source.action_dim}: name an environment with those shapes."
        )
    warnings.warn(
        f"{env} stands in for {card.environment!r:.80}, of which the run's data are: frames and actions have the same "
        "shapes; whether they mean the same, you know.",
        InputWarning,
        stacklevel=3,
    )
    return replace(card, environment=env, environment_kwargs=looks)


def _task(name: str, **arguments: object) -> Task:
    """Return the task of an environment id; raise `InputError` if there is none."""
    if (task := task_behind(name, **arguments)) is None:
        raise InputError(f"{name} has no task, and no goals to score by: choose one of {', '.join(task_ids())}.")
    return task


def differences(own: System, other: System) -> list[str]:
    """Return what tells two systems apart, noise aside: numbers with their values, anything else by name."""
    if type(own) is not type(other):
        return [f"{type(other).__name__}, not {type(own).__name__}"]
    names = [field.name for field in fields(own) if field.name not in UNSEEN]
    pairs = {name: (getattr(own, name), getattr(other, name)) for name in names}
    return [_difference(name, mine, theirs) for name, (mine, theirs) in pairs.items() if mine != theirs]


def _difference(name: str, mine: object, theirs: object) -> str:
    if isinstance(mine, int | float) and isinstance(theirs, int | float):
        return f"{name} {theirs:.4g}, not {mine:.4g}"
    return f"other {name}"


def environment_name(card: DatasetCard) -> str:
    """Return the Gymnasium id without the module in front."""
    return card.environment.rpartition(":")[2]


def own_task(card: DatasetCard) -> Task | None:
    """Return the task behind a dataset; none if its environment has none, or cannot be made here."""
    import_trusted(card.environment)
    name = environment_name(card)
    with suppress(InputError):
        return task_behind(name) if name in gymnasium.registry else None
