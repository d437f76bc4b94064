"""`e2c explore`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from e2c_control.cli.console import Unset, check_seed, parse_arguments, say, suggest
from e2c_control.errors import InputError, whole

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

    from e2c_control.agents.exploration import Coverage
    from e2c_control.data.card import DatasetCard
    from e2c_control.envs.system import System

PICTURES = 20
"""Of visited states, in one exploration."""


@dataclass(frozen=True, kw_only=True)
class Explore:
    """Gather a dataset by curiosity: a policy is paid for what a model of the images still gets wrong.

    No reward of the environment is used. The dataset is what `e2c train` takes, as `e2c collect` makes it.
      e2c explore --env E2C/PendulumPump-v0 --out datasets/pump
      e2c explore --env E2C/PlanarWalls-v0 --out datasets/walls --model rnd --steps 50000
      e2c explore --env E2C/Planar-v0 --out datasets/quiet --objective minimise      (to compare: it avoids surprise)

    Ctrl-C ends it early; what was seen so far is kept.

    Attributes:
        env: Gymnasium id; `module:Id` imports the module that registers it first.
        out: folder of the dataset to write.
        steps: to take, of all environments together; rounded up to what the policy takes between two updates.
        policy: what learns to explore: ppo, sac or relax.
        model: whose error is novelty: recurrent, plain or variational auto-encoder, rnd or icm.
        remedy: against images that are random: minus_noise or learning_progress.
        objective: seek what is new, or avoid it.
        frame_stack: frames in an observation. Default: what the environment shows by itself.
        image_size: pixels per side to resize pictures to. Default: 64 for rendered ones.
        env_args: arguments of the environment, as name=value.
        n_envs: environments that run at the same time.
        seed: of everything.
        overwrite: replace a dataset that is there already.
        runs: folder of all runs.
        name: of this run. Default: the time.
    """

    env: str
    out: Path
    steps: int = 20_000
    policy: Literal["ppo", "sac", "relax"] = "ppo"
    model: str = "recurrent"
    remedy: Unset[str] = None
    objective: Literal["maximise", "minimise"] = "maximise"
    frame_stack: Unset[int] = None
    image_size: Unset[int] = None
    env_args: tuple[str, ...] = ()
    n_envs: int = 16
    seed: int = 0
    overwrite: bool = False
    runs: Path = Path("runs")
    name: Unset[str] = None

    def __call__(self) -> None:
        """Explore, keep what was seen, and say what to do with it."""
        from stable_baselines3.common.logger import configure

        from e2c_control.agents import FreeEnergyAgent
        from e2c_control.agents.exploration import Progress, Recorder
        from e2c_control.agents.novelty import NoveltyOptions
        from e2c_control.data.writer import TransitionsWriter, check_writable
        from e2c_control.runs.folder import RunFolder
        from e2c_control.runs.progress import progress_bar

        check_seed(self.seed)
        whole("--steps", self.steps)
        check_writable(self.out, self.overwrite)
        novelty = NoveltyOptions(self.model, remedy=self.remedy)
        worlds, card = self._worlds()
        card_options: Any = {"expected_frames": self.steps, "overwrite": self.overwrite}
        with TransitionsWriter.create(self.out, card, **card_options) as writer:
            recorder = Recorder(worlds, writer, card.frame_shape[-1], card.state_dim is not None)
            agent = FreeEnergyAgent(
                recorder, self.policy, novelty, objective=self.objective, seed=self.seed, device="cpu"
            )
            run = RunFolder.create(self.runs, self.env, self, self.name)
            agent.set_logger(configure(str(run.path), ["tensorboard", "json"]))
            coverage = self._coverage(card)
            say("Exploring", f"{self.env} for {self.steps:,} steps; curves: tensorboard --logdir {self.runs}")
            watched = [] if coverage is None else [coverage]
            failed: InputError | None = None
            try:
                with progress_bar(self.steps, unit=" steps", enabled=True) as bar:
                    agent.learn(self.steps, [*watched, Progress(bar)], log_interval=1)
            except KeyboardInterrupt:
                say("Stopped", f"after {recorder.transitions:,} steps, which are kept")
            except InputError as error:  # what was seen before is kept all the same
                failed = error
            if not recorder.transitions:
                raise failed or KeyboardInterrupt
            recorder.flush()
        agent.save(run.path / "agent")
        agent.logger.dump(agent.num_timesteps)
        agent.logger.close()
        worlds.close()
        if coverage is not None:
            self._draw(coverage, run.path / "plots" / "visited.png")
        say("Run", run.path)
        say("Dataset", f"{self.out}: {recorder.transitions:,} transitions")
        if failed is not None:
            raise failed
        suggest(f"e2c train --dataset {self.out}")

    def _worlds(self) -> tuple[VecEnv, DatasetCard]:
        """The environments, and what a dataset of them holds."""
        from stable_baselines3.common.env_util import make_vec_env

        from e2c_control.data import make_image_env, make_vector_env
        from e2c_control.data.card import DatasetCard
        from e2c_control.data.environments import check_arguments, environment_identity

        arguments = parse_arguments(self.env_args)
        check_arguments(self.env, arguments)
        looks: dict[str, Any] = {"image_size": self.image_size, **arguments}
        single = make_vector_env(self.env, 1, frame_stack=1, **looks)
        name, kwargs = environment_identity(single)
        shape: Any = single.single_observation_space.shape
        single.close()
        worlds = make_vec_env(lambda: make_image_env(self.env, self.frame_stack, **looks), self.n_envs, seed=self.seed)
        worlds.reset()
        state = worlds.reset_infos[0].get("state")
        card = DatasetCard(
            environment=name,
            environment_kwargs=kwargs,
            frame_shape=shape,
            action_dim=int((worlds.action_space.shape or (0,))[0]),
            state_dim=None if state is None else len(state),
            frame_stack=int((worlds.observation_space.shape or (0,))[-1]) // int(shape[-1]),
            seed=self.seed,
        )
        return worlds, card

    def _coverage(self, card: DatasetCard) -> Coverage | None:
        """What watches the states, where they are known to be of one of this project's systems."""
        import numpy as np

        from e2c_control.agents.exploration import Coverage
        from e2c_control.data import make_image_env
        from e2c_control.data.environments import is_native

        if not is_native(self.env) or card.state_dim is None or card.state_dim < 2:
            return None
        arguments: Any = parse_arguments(self.env_args)
        task: Any = make_image_env(self.env, **arguments).get_wrapper_attr("task")
        system: System = task.system
        states = system.sample_states(2_000, np.random.default_rng(0))[:, :2]
        return Coverage(states.min(0), states.max(0), system.state_names, max(self.steps // PICTURES, 1))

    @staticmethod
    def _draw(coverage: Coverage, path: Path) -> None:
        from e2c_control.figures import save_png

        path.parent.mkdir(exist_ok=True)
        save_png(coverage.picture(), path)
