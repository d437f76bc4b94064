"""`e2c explore`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from e2c_control import InputError
from e2c_control.cli.console import FolderName, filled, say, suggest
from e2c_control.data.arguments import as_option
from e2c_control.errors import quoted
from e2c_control.fields import Bounds, Count, FrameStack, ImageSize, ListSeed, Positive

if TYPE_CHECKING:
    from e2c_control.agents.exploration import Exploration, ExploreConfig


@dataclass(frozen=True, kw_only=True)
class Explore:
    """Gather a dataset by curiosity: a policy is paid for what a model of the images still gets wrong.

    No reward of the environment is used. The dataset is what `e2c train` takes, as `e2c collect` makes it.
      e2c explore --env E2C/PendulumPump-v0 --sight plain --limit 5 --out datasets/pump
      e2c explore --env E2C/PlanarWalls-v0 --out datasets/walls --model rnd --steps 50000
      e2c explore --env E2C/Planar-v0 --out datasets/quiet --objective minimise      (to compare: it avoids surprise)
      e2c explore --env E2C/PlanarWalls-v0 --out datasets/walls --set agent.novelty.memory=5000
      e2c explore --config runs/PendulumPump-v0/20260131-120000/config.json --out datasets/again

    Ctrl-C ends it early; what was seen so far is kept. Stopped by that, a crash or a kill, it goes on from its last
    checkpoint, along the same curves:
      e2c explore --resume runs/PendulumPump-v0/20260131-120000

    Attributes:
        env: Gymnasium id; `module:Id` imports the module that registers it first.
        out: folder of the dataset to write.
        resume: run folder to go on with, by its own config; beside it only --device may be given, and --out and --env
            for a run that comes from elsewhere: the dataset to write, and the environment, where it is another
            package's.
        config: instead of these options, those of the config.json of another run; beside it --out must be given, and
            only --env, --device, --overwrite, --runs, --name and --set may be.
        set: single settings as path=value, such as agent.novelty.gradient_steps=4 agent.policy_options.n_steps=64
            agent.weights.extrinsic=0.1: those of `ExploreConfig`, whose agent is a `FreeEnergyOptions`.
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
    BESIDE_CONFIG = ("--env", "--out", "--device", "--overwrite", "--runs", "--name", "--set")

    env: str | None = None
    out: Path | None = None
    resume: Path | None = None
    config: Path | None = None
    set: tuple[str, ...] = ()
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
        exploration = self._exploration()
        run, config = exploration.begin(self.runs, self.name), exploration.config
        say("Run", run.path)
        say("Exploring", f"{config.env} for {config.steps:,} steps; curves: tensorboard --logdir {quoted(run.path)}")
        data, ended = exploration.explore(run, progress=True)
        if data is None:
            return say("Dataset", f"{config.out} was finished: nothing is left to do")
        if ended is not None:
            say("Stopped", f"after {exploration.agent.num_timesteps:,} steps, which are kept")
        say("Dataset", f"{config.out}: {data.n_transitions:,} transitions")
        if isinstance(ended, KeyboardInterrupt):
            hint = f"go on with `e2c explore --resume {as_option(run.path, exploration.card.environment)}`"
            raise KeyboardInterrupt(hint) from ended
        if ended is not None:
            raise ended
        suggest(f"e2c train --dataset {as_option(config.out)}")

    def _exploration(self) -> Exploration:
        """Return a new exploration, or the one to go on with."""
        from e2c_control.agents.exploration import Exploration, given_config, resumed_config
        from e2c_control.runs.folder import RunFolder
        from e2c_control.runs.settings import change

        out = None if self.out is None else self.out.resolve()
        if self.resume is not None:
            run = RunFolder.open(self.resume)
            config = resumed_config(run, self.env, out)
            return Exploration(replace(config, device=self.device or config.device), run)
        if out is None or (self.env is None and self.config is None):
            raise InputError("Give --env and --out, or --resume; see e2c explore --help.")
        config = self._new(out) if self.config is None else given_config(self.config, self.env, out)
        config = replace(config, device=self.device or config.device, overwrite=self.overwrite)
        return Exploration(change(config, self.set))

    def _new(self, out: Path) -> ExploreConfig:
        from e2c_control import NoveltyOptions
        from e2c_control.agents.exploration import ExploreConfig
        from e2c_control.agents.free_energy import FreeEnergyOptions

        agent = FreeEnergyOptions(
            self.policy, self.sight, NoveltyOptions(self.model, remedy=self.remedy, limit=self.limit)
        )
        agent = replace(agent, weights=replace(agent.weights, objective=self.objective))
        return filled(ExploreConfig, self, agent=agent, out=out, device="cpu")
