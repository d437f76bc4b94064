"""`e2c play`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from e2c_control import InputError
from e2c_control.cli.console import nothing_here, say, suggest
from e2c_control.cli.planning import Planning
from e2c_control.data.arguments import as_given
from e2c_control.fields import Count, ListSeed

if TYPE_CHECKING:
    from e2c_control.play import Session

STEPS, FASTEST = 120, 25


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
        env: the environment, as `module:Id`, to import another package's module, which a run alone never does. Of a run
            that was trained on recordings: the environment to drive, `Id` or `module:Id`.
        planning: how.
    """

    run: Path
    task: str | None = None
    seed: ListSeed = 0
    goal_state: tuple[float, ...] | None = None
    video: Path | None = None
    steps: Count | None = None
    env: str | None = None
    planning: Planning = field(default_factory=Planning)

    def __call__(self) -> None:
        """Open the window, or write the film."""
        planning = self._checked()
        if self.video is None:
            from e2c_control.play.window import open_window, show

            open_window()
            show(self._session(planning))
        else:
            self._film(self.video, planning)
        suggest(f"e2c plan --run {as_given(self.run, self.env)}")

    def _checked(self) -> dict[str, object]:
        """Return what is given of how to plan, after a look at everything that needs no run."""
        planning = self.planning.changes()
        if self.video is None and self.steps is not None:
            raise InputError("--steps is the length of a film: add --video FILE, or leave it out.")
        if self.video is not None and self.video.suffix.lower() != ".gif":
            raise InputError(f"--video {self.video}: films are GIFs, give it a name that ends in .gif.")
        return planning

    def _film(self, path: Path, planning: dict[str, object]) -> None:
        from e2c_control.figures import save_gif
        from e2c_control.play.making import record

        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # what an environment draws with need not look for a screen
        session = self._session(planning)
        frames = record(session, STEPS if self.steps is None else self.steps, session.given)
        save_gif(frames, path, min(session.world.frames_per_second, FASTEST))
        say("Film", path)

    def _session(self, planning: dict[str, object]) -> Session:
        from e2c_control import TrainedRun
        from e2c_control.play.making import foreign_session, task_session

        say("Run", self.run)
        trained = TrainedRun.open(self.run, self.env)
        if trained.native:
            return task_session(trained, trained.task(self.task), self.goal_state or (), self.seed, planning)
        nothing_here(self, "task", "goal_state")
        return foreign_session(trained, self.seed, planning)
