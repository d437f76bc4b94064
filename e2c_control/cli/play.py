"""`e2c play`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from e2c_control.cli.console import Unset, check_seed, naming, say, suggest
from e2c_control.cli.planning import Planning, PlanningFlags
from e2c_control.errors import InputError, quoted, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from e2c_control.evaluation.trained import TrainedRun
    from e2c_control.play import Goal, Session, World

    Image = NDArray[np.uint8]

KNOWN, STEPS, GOALS, FASTEST = 700, 120, 3, 25


@dataclass(frozen=True, kw_only=True)
class Play:
    """Set goals by mouse and watch the agent plan there, or drive with the arrow keys.

    The window shows the world beside the latent map: frames from all over the world, where the agent is, where it
    plans to go, and the goal. Click into the world where a state is a place, and on the map anywhere: the nearest known
    frame becomes the goal. Without a screen, or to show it to others, make a film.
      e2c play --run runs/Planar-v0/NAME
      e2c play --run runs/PendulumSwingUp-v0/NAME --task E2C/PendulumBalance-v0
      e2c play --run runs/Planar-v0/NAME --video drive.gif --steps 60
      e2c play --run runs/Planar-v0/NAME --video drive.gif --goal-state 37 37 5 30

    Attributes:
        run: folder that `e2c train` made.
        task: another task of the same system as the one trained on. E2C/* only.
        seed: of start, process noise, and goals that nobody chose.
        goal_state: goals one after another, in the world's units, as many numbers for each as a state has. Default: one
            of the task's, then known frames. E2C/* only.
        video: write a film of a drive, a GIF, and open no window.
        steps: of the film, shared among its goals. Default: 120.
        env: the environment, as `module:Id`, to import another package's module, which a run alone never does.
        planning: how.
    """

    run: Path
    task: Unset[str] = None
    seed: int = 0
    goal_state: Unset[tuple[float, ...]] = None
    video: Unset[Path] = None
    steps: Unset[int] = None
    env: Unset[str] = None
    planning: PlanningFlags = field(default_factory=Planning)

    def __call__(self) -> None:
        """Open the window, or write the film."""
        self._check()
        if self.video is None:
            from e2c_control.play.window import open_window, show

            open_window()
            session, _ = self._session()
            show(session)
        else:
            self._film(self.video)
        suggest(f"e2c plan --run {quoted(self.run)}{naming(self.env)}")

    def _check(self) -> None:
        check_seed(self.seed)
        self.planning.check()
        if self.video is None and self.steps is not None:
            raise InputError("--steps is the length of a film: add --video FILE, or leave it out.")
        if self.video is not None and self.video.suffix.lower() != ".gif":
            raise InputError(f"--video {self.video}: films are GIFs, give it a name that ends in .gif.")
        if self.steps is not None:
            whole("--steps", self.steps)

    def _film(self, path: Path) -> None:
        from e2c_control.figures import save_gif

        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # what an environment draws with need not look for a screen
        session, given = self._session()
        steps = STEPS if self.steps is None else self.steps
        frames = record(session, steps, min(given or GOALS, steps))
        save_gif(frames, path, min(session.world.frames_per_second, FASTEST))
        say("Film", path)

    def _session(self) -> tuple[Session, int]:
        """The session, and how many goals were given for it."""
        from e2c_control.evaluation.trained import TrainedRun
        from e2c_control.play import Session

        say("Run", self.run)
        trained = TrainedRun.open(self.run, self.env)
        if trained.native:
            return self._in_own_world(trained)
        for name in ("task", "goal_state"):
            if getattr(self, name) is not None:
                raise InputError(f"--{name.replace('_', '-')} means nothing in this environment: leave it out.")
        from e2c_control.agents import E2CAgent, PlanningOptions

        agent = self.planning.equip(E2CAgent(trained.embedding, PlanningOptions(), self.seed), trained)
        return Session(agent, _gym_world(trained, self.seed), seed=self.seed), 0

    def _in_own_world(self, trained: TrainedRun) -> tuple[Session, int]:
        import numpy as np

        from e2c_control.cli.plan import sample_views
        from e2c_control.play import Known, Session, TaskWorld

        task = trained.task(self.task)
        agent = self.planning.equip(trained.agent(task, self.seed), trained)
        agent.options = replace(agent.options, episode_steps=None)  # play has no end
        known = Known.of_task(task, *sample_views(task, KNOWN, np.random.default_rng(self.seed)))
        world = TaskWorld(task, known, self.seed)
        goals = self._goals(world.goal_of, task.system.state_size)
        return Session(agent, world, goals, self.seed), len(goals)

    def _goals(self, goal_of: Callable[[tuple[float, ...]], Goal], size: int) -> list[Goal]:
        numbers = self.goal_state or ()
        if len(numbers) % size:
            raise InputError(f"--goal-state has {len(numbers)} numbers: give {size} for each goal.")
        return [goal_of(numbers[i : i + size]) for i in range(0, len(numbers), size)]


def record(session: Session, steps: int, goals: int) -> list[Image]:
    """Frames of a drive of so many steps, of which each of the goals gets an equal share."""
    from e2c_control.play import Press

    changes = {steps * goal // goals for goal in range(1, goals)}
    frames = [session.frame()]
    for step in range(steps):
        if step in changes:
            session.handle(Press("goal"))
        session.advance()
        frames.append(session.frame())
    return frames


def _gym_world(trained: TrainedRun, seed: int) -> World:
    """The environment of a run that is not one of this project's, and what random actions show of it."""
    from e2c_control.data import make_image_env
    from e2c_control.play import GymWorld, Known

    card = trained.card
    env = make_image_env(trained.environment, trained.frame_stack, **card.environment_kwargs)
    known = Known.by_wandering(env, card.frame_shape[2], KNOWN, seed)
    return GymWorld(card.environment, env, known, seed)
