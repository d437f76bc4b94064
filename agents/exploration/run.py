"""Explore in a run folder: environments and agent made of a config, checkpoints, curves, pictures, and resumption."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

from e2c_control.agents.callbacks import Progress
from e2c_control.agents.exploration.coverage import Coverage
from e2c_control.agents.exploration.curves import Curves
from e2c_control.agents.exploration.gathering import Gathering
from e2c_control.agents.exploration.most_novel import MostNovel
from e2c_control.agents.exploration.recorder import Recorder
from e2c_control.agents.free_energy import FreeEnergyAgent, FreeEnergyOptions
from e2c_control.data import Transitions, make_image_env
from e2c_control.data.arguments import parse_arguments
from e2c_control.data.source import EnvSource, vec_env_of
from e2c_control.data.specs import check_arguments, check_file_arguments, import_named, named_in_a_file, own_id
from e2c_control.data.writer import check_writable
from e2c_control.errors import InputError
from e2c_control.fields import Bounds, Count, FrameStack, ImageSize, ListSeed, check
from e2c_control.registry import is_trusted
from e2c_control.runs.checkpoint import latest
from e2c_control.runs.config import is_own_config, read_given
from e2c_control.runs.folder import RunFolder
from e2c_control.runs.session import Session
from e2c_control.runs.typed_json import from_json
from e2c_control.training.run import resolve_device

PICTURES = 20
"""Of visited states, in one exploration."""


@dataclass(frozen=True)
class ExploreConfig:
    """All that an exploration depends on; its `config.json`.

    Attributes:
        env: Gymnasium id, or "module:Id".
        out: folder of the dataset to write.
        agent: what explores.
        steps: to take, of all environments together.
        frame_stack: frames in an observation; none for what the environment shows by itself.
        image_size: pixels per side to resize pictures to; none for 64 where they are rendered.
        env_args: arguments of the environment, as name=value.
        n_envs: environments that run at the same time.
        seed: of everything.
        overwrite: replace a dataset that is there already.
        device: where policy and model compute; "auto" takes CUDA where it is.
        checkpoint_every: steps between checkpoints, each of which ends all episodes.
    """

    env: str
    out: Path
    agent: FreeEnergyOptions = field(default_factory=FreeEnergyOptions)
    steps: Count = 20_000
    frame_stack: FrameStack | None = None
    image_size: ImageSize | None = None
    env_args: tuple[str, ...] = ()
    n_envs: Annotated[int, Bounds(1, 1_024)] = 16
    seed: ListSeed = 0
    overwrite: bool = False
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    checkpoint_every: Count = 50_000

    def __post_init__(self) -> None:
        check(self)

    @staticmethod
    def upgraded(content: object) -> object:
        """Return what versions up to 0.2 wrote, the options of `e2c explore`, as what is written today."""
        given: dict[str, object] = from_json(dict[str, object], content)
        if given.get("type") != "Explore":
            return given
        left_out = ("resume", "runs", "name")
        old = {name: value for name, value in given.items() if value is not None and name not in left_out}

        def taken(kind: str, *names: str) -> dict[str, object]:
            return {"type": kind, **{name: old.pop(name) for name in names if name in old}}

        novelty = taken("NoveltyOptions", "model", "remedy", "limit")
        weights = {**taken("Weights", "objective"), "extrinsic": 0.0}
        agent = {**taken("FreeEnergyOptions", "policy", "sight"), "novelty": novelty, "weights": weights}
        return {**old, "type": ExploreConfig.__name__, "agent": agent}


def given_config(path: Path, env: str | None, out: Path) -> ExploreConfig:
    """Return the config of another exploration, for a new one that writes another dataset.

    Args:
        path: its config.json, which may come from anywhere.
        env: to explore instead; needed where that of the file is another package's and not trusted.
        out: folder of the dataset to write.
    """
    config = read_given(path, ExploreConfig)
    if not is_own_config(path):
        check_file_arguments(config.env, parse_arguments(config.env_args))
    if env is None:
        named = named_in_a_file(config.env)
        env = config.env if is_trusted(config.env.rpartition(":")[0]) else named
    return replace(config, env=env, out=out)


def resumed_config(run: RunFolder, env: str | None, out: Path | None) -> ExploreConfig:
    """Return the config of a run to go on with: what it names outside its folder is believed if this user wrote it.

    Args:
        run: its folder, which may come from anywhere.
        env: its environment, from a user who trusts the module that registers it.
        out: folder of the dataset to write, from the user.
    """
    config = run.config(ExploreConfig)
    if env is not None:
        import_named(env, config.env, run.path)
    if out is None:
        run.require_own(config.out, "name the dataset to write with --out")
    if not run.own:
        check_file_arguments(config.env, parse_arguments(config.env_args))
        config = replace(config, overwrite=False)
        if latest(run.checkpoints) is None:
            raise InputError(f"{run.path} was not made here and has no checkpoint to go on from: explore anew.")
    return config if out is None else replace(config, out=out)


class Exploration:
    """An agent in environments that are recorded, as a config says; nothing is written before it explores.

    Attributes:
        config: what it depends on.
        agent: what explores.
        card: of the dataset.

    Args:
        config: what it depends on.
        run: to go on with, from its newest checkpoint; none for a new one.

    Raises:
        InputError: the environment, the agent, the checkpoint or the place of the dataset cannot be used.
    """

    def __init__(self, config: ExploreConfig, run: RunFolder | None = None) -> None:
        self.config, self._run = config, run
        device = resolve_device(config.device)
        if run is None:
            check_writable(config.out, config.overwrite)
        # The module of a run's environment is imported already, if the user trusts it; its dataset names it in full.
        env = config.env if run is None else named_in_a_file(config.env)
        arguments = parse_arguments(config.env_args)
        check_arguments(env, arguments)
        looks: dict[str, Any] = {"image_size": config.image_size, **arguments}
        source = EnvSource.of(env, config.frame_stack, **looks)
        make = partial(make_image_env, env, config.frame_stack, **looks)
        self._task, self._worlds = source.task, vec_env_of(make, config.n_envs, seed=config.seed)
        self.card = replace(source.card(self._worlds, config.seed), environment=own_id(config.env))
        self._recorder = Recorder(self._worlds, self.card.frame_shape[-1], self.card.state_dim is not None)
        newest = None if run is None else latest(run.checkpoints)
        if newest is None:
            self.agent = FreeEnergyAgent(self._recorder, **config.agent.arguments(), seed=config.seed, device=device)
        else:
            self.agent = FreeEnergyAgent.load(newest, self._recorder, device=device)

    def begin(self, root: Path, name: str | None = None) -> RunFolder:
        """Return the folder that it lives in, made below ``root`` if it is a new one."""
        if self._run is None:
            self._run = RunFolder.create(root, self.config.env, self.config, name)
        return self._run

    def explore(
        self, run: RunFolder, *, progress: bool = False
    ) -> tuple[Transitions | None, KeyboardInterrupt | InputError | None]:
        """Explore to the end, and join what was seen to one dataset.

        Returns:
            The dataset, or none if it was finished before; and what ended it early, if something did.

        Raises:
            InputError, KeyboardInterrupt: before anything was seen.
        """
        config, agent = self.config, self.agent
        gathering = Gathering(run, self.card, config.out)
        gathering.check(config.overwrite, agent.num_timesteps, config.steps)
        with Session.open(run) as session:
            session.begin(agent.num_timesteps, config.steps, " steps", progress=progress)
            agent.set_logger(Logger(str(run.path), [Curves(run, session.logger)]))
            watching = [*self._watching(gathering), Progress(session.bar)]
            ended = gathering.explore(session, agent, self._recorder, config.steps, config.checkpoint_every, watching)
            self._worlds.close()
            if not gathering.folders:
                if ended is not None:
                    raise ended
                return None, None
            joined = gathering.join(config.overwrite)
            if ended is None:
                gathering.tidy()
        return joined, ended

    def _watching(self, gathering: Gathering) -> list[BaseCallback]:
        """Return what draws pictures; coverage, where the states are known, counts what was seen before as well."""
        every, task = max(self.config.steps // PICTURES, 1), self._task
        found: list[BaseCallback] = [MostNovel(self.card.frame_shape[-1], every)]
        if task is not None and self.card.state_dim is not None and self.card.state_dim >= 2:
            states = task.system.sample_states(2_000, np.random.default_rng(0))[:, :2]
            coverage = Coverage(states.min(0), states.max(0), task.system.state_names, every)
            for part in gathering.parts_before(self.agent.num_timesteps):
                coverage.see_all(part)
            found.append(coverage)
        return found
