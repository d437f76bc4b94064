"""`e2c explore`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from e2c_control import InputError
from e2c_control.cli.console import FolderName, say, suggest
from e2c_control.data.arguments import as_option, parse_arguments
from e2c_control.errors import quoted
from e2c_control.fields import Bounds, Count, FrameStack, ImageSize, ListSeed, Positive
from e2c_control.registry import names_from

if TYPE_CHECKING:
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.vec_env import VecEnv

    from e2c_control import Task
    from e2c_control.agents.exploration import Coverage, Gathering
    from e2c_control.data.card import DatasetCard
    from e2c_control.data.source import EnvSource
    from e2c_control.runs.folder import RunFolder

PICTURES = 20
"""Of visited states, in one exploration."""


@dataclass(frozen=True, kw_only=True)
class Explore:
    """Gather a dataset by curiosity: a policy is paid for what a model of the images still gets wrong.

    No reward of the environment is used. The dataset is what `e2c train` takes, as `e2c collect` makes it.
      e2c explore --env E2C/PendulumPump-v0 --sight plain --limit 5 --out datasets/pump
      e2c explore --env E2C/PlanarWalls-v0 --out datasets/walls --model rnd --steps 50000
      e2c explore --env E2C/Planar-v0 --out datasets/quiet --objective minimise      (to compare: it avoids surprise)

    Ctrl-C ends it early; what was seen so far is kept. Stopped by that, a crash or a kill, it goes on from its last
    checkpoint, along the same curves:
      e2c explore --resume runs/PendulumPump-v0/20260131-120000

    Attributes:
        env: Gymnasium id; `module:Id` imports the module that registers it first.
        out: folder of the dataset to write.
        resume: run folder to go on with, by its own config; beside it only --device may be given, and --out and --env
            for a run that comes from elsewhere: the dataset to write, and the environment, where it is another
            package's.
        steps: to take, of all environments together; rounded up to what the policy takes between two updates.
        policy: what learns to explore: ppo, sac or relax.
        model: whose error is novelty: recurrent, plain or variational auto-encoder, rnd or icm.
        remedy: against images that are random: minus_noise or learning_progress.
        limit: deviations at which whitened pixels are cut off before the model sees them. Default: 50, at which a few
            pixels that move are told from each other; 5 where what moves fills much of the picture, or what is rare
            counts for too much.
        sight: how the policy sees images: whitened pixel by pixel, so that it sees the few that move, or plain, as they
            are, which is enough where what moves fills much of the picture.
        objective: seek what is new, or avoid it.
        frame_stack: frames in an observation. Default: what the environment shows by itself.
        image_size: pixels per side to resize pictures to. Default: 64 for rendered ones.
        env_args: arguments of the environment, as name=value.
        n_envs: environments that run at the same time.
        seed: of everything.
        overwrite: replace a dataset that is there already.
        device: where policy and model compute; auto takes CUDA where it is. Default: cpu, where the same seed gives the
            same bits and small networks are as fast; with --resume, the run's own.
        checkpoint_every: steps between checkpoints, each of which ends all episodes, in the middle of what they were
            about to find: seldom is better.
        runs: folder of all runs.
        name: of this run. Default: the time.
    """

    BESIDE_RESUME = ("--env", "--out", "--device")

    env: str | None = None
    out: Path | None = None
    resume: Path | None = None
    steps: Count = 20_000
    policy: str = "ppo"
    model: str = "recurrent"
    remedy: str | None = None
    limit: Positive | None = None
    sight: str = "whitened"
    objective: Literal["maximise", "minimise"] = "maximise"
    frame_stack: FrameStack | None = None
    image_size: ImageSize | None = None
    env_args: tuple[str, ...] = ()
    n_envs: Annotated[int, Bounds(1, 1_024)] = 16
    seed: ListSeed = 0
    overwrite: bool = False
    device: Literal["auto", "cpu", "cuda"] | None = None
    checkpoint_every: Count = 50_000
    runs: Path = Path("runs")
    name: FolderName | None = None

    def __call__(self) -> None:
        """Explore, keep what was seen, and say what to do with it."""
        from e2c_control.runs.folder import RunFolder

        if self.resume is None:
            if self.env is None or self.out is None:
                raise InputError("Give --env and --out, or --resume; see e2c explore --help.")
            return self._explore(self.env, self.out.resolve(), None)
        run = RunFolder.open(self.resume)
        return self._go_on(run, run.config(Explore))

    def _go_on(self, run: RunFolder, config: Explore) -> None:
        """Resume a run: what its config names outside its folder is believed if this user wrote it, or names it."""
        from e2c_control import NoveltyOptions
        from e2c_control.agents.free_energy import FreeEnergyOptions
        from e2c_control.data.specs import check_file_arguments, import_named, named_in_a_file
        from e2c_control.runs.checkpoint import latest

        if self.device is not None:
            config = replace(config, device=self.device)
        if config.env is None or config.out is None:
            raise InputError(f"{run.path} names no environment, or no dataset: start the run again.")
        if self.env is not None:
            import_named(self.env, config.env, run.path)
        env = named_in_a_file(config.env)
        with names_from(run.path):
            FreeEnergyOptions(config.policy, config.sight, NoveltyOptions(config.model, remedy=config.remedy))
        out = config.out if self.out is None else self.out.resolve()
        if self.out is None:
            run.require_own(out, "name the dataset to write with --out")
        if not run.own:
            check_file_arguments(env, parse_arguments(config.env_args))
            config = replace(config, overwrite=False)
            if latest(run.checkpoints) is None:
                raise InputError(f"{run.path} was not made here and has no checkpoint to go on from: explore anew.")
        config._explore(env, out, run)

    def _explore(self, env: str, out: Path, old: RunFolder | None) -> None:
        """Explore in a new run, or in an old one from its newest checkpoint on."""
        from stable_baselines3.common.logger import Logger

        from e2c_control import FreeEnergyAgent, NoveltyOptions
        from e2c_control.agents.exploration import Curves, Gathering, Progress, Recorder
        from e2c_control.data.specs import own_id
        from e2c_control.data.writer import check_writable
        from e2c_control.runs.checkpoint import latest
        from e2c_control.runs.folder import RunFolder
        from e2c_control.runs.session import Session
        from e2c_control.training.run import resolve_device

        device = resolve_device(self.device or "cpu")
        novelty = NoveltyOptions(self.model, remedy=self.remedy, limit=self.limit)
        if old is None:
            check_writable(out, self.overwrite)
        worlds, source = self._worlds(env)
        # A resumed run makes it without its module, which is imported already; the dataset names it in full.
        card = replace(source.card(worlds, self.seed), environment=own_id(self.env or env))
        recorder = Recorder(worlds, card.frame_shape[-1], card.state_dim is not None)
        newest = None if old is None else latest(old.checkpoints)
        if newest is None:
            made: Any = {"objective": self.objective, "sight": self.sight, "seed": self.seed, "device": device}
            agent = FreeEnergyAgent(recorder, self.policy, novelty, **made)
        else:
            agent = FreeEnergyAgent.load(newest, recorder, device=device)
        run = old or RunFolder.create(self.runs, env, replace(self, out=out), self.name)
        gathering = Gathering(run, card, out)
        gathering.check(self.overwrite, agent.num_timesteps, self.steps)
        say("Run", run.path)
        with Session.open(run) as session:
            say("Exploring", f"{env} for {self.steps:,} steps; curves: tensorboard --logdir {quoted(self.runs)}")
            session.begin(agent.num_timesteps, self.steps, " steps", progress=True)
            agent.set_logger(Logger(str(run.path), [Curves(run, session.logger)]))
            watching = [*self._watching(source.task, gathering, agent.num_timesteps), Progress(session.bar)]
            ended = gathering.explore(session, agent, recorder, self.steps, self.checkpoint_every, watching)
            worlds.close()
            if not gathering.folders:
                if ended is not None:
                    raise ended
                return say("Dataset", f"{out} was finished: nothing is left to do")
            joined = gathering.join(self.overwrite)
            if ended is None:
                gathering.tidy()
        if ended is not None:
            say("Stopped", f"after {agent.num_timesteps:,} steps, which are kept")
        say("Dataset", f"{out}: {joined.n_transitions:,} transitions")
        if isinstance(ended, KeyboardInterrupt):
            hint = f"go on with `e2c explore --resume {as_option(run.path, card.environment)}`"
            raise KeyboardInterrupt(hint) from ended
        if ended is not None:
            raise ended
        suggest(f"e2c train --dataset {as_option(out)}")

    def _watching(self, task: Task | None, gathering: Gathering, steps: int) -> list[BaseCallback]:
        """Return what draws pictures; coverage counts what was seen in the steps before as well."""
        from e2c_control.agents.exploration import MostNovel

        found: list[BaseCallback] = [MostNovel(gathering.card.frame_shape[-1], self._between_pictures)]
        if (coverage := self._coverage(task, gathering.card)) is not None:
            for part in gathering.parts_before(steps):
                coverage.see_all(part)
            found.append(coverage)
        return found

    @property
    def _between_pictures(self) -> int:
        return max(self.steps // PICTURES, 1)

    def _worlds(self, env: str) -> tuple[VecEnv, EnvSource]:
        """Make the environments, and say what they are made of."""
        from functools import partial

        from e2c_control import make_image_env
        from e2c_control.data.source import EnvSource, vec_env_of
        from e2c_control.data.specs import check_arguments

        arguments = parse_arguments(self.env_args)
        check_arguments(env, arguments)
        looks: dict[str, Any] = {"image_size": self.image_size, **arguments}
        source = EnvSource.of(env, self.frame_stack, **looks)
        return vec_env_of(partial(make_image_env, env, self.frame_stack, **looks), self.n_envs, seed=self.seed), source

    def _coverage(self, task: Task | None, card: DatasetCard) -> Coverage | None:
        """Return what watches the states, where they are known to be of a task's system."""
        import numpy as np

        from e2c_control.agents.exploration import Coverage

        if task is None or card.state_dim is None or card.state_dim < 2:
            return None
        states = task.system.sample_states(2_000, np.random.default_rng(0))[:, :2]
        return Coverage(states.min(0), states.max(0), task.system.state_names, self._between_pictures)
