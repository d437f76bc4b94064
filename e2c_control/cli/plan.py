"""`e2c plan`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zlib import crc32

from e2c_control import InputError
from e2c_control.cli.console import MOST_PROBLEMS, nothing_here, say, suggest, tell_map
from e2c_control.cli.planning import Planning
from e2c_control.data.arguments import as_given
from e2c_control.fields import Bounds, Count, ListSeed, Several, Through

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from e2c_control import TrainedRun
    from e2c_control.evaluation.picturing import PicturedDrive


GOALS = ("goal", "goal_state", "goal_frame")
MOST_LEFT = 2
"""Steps on the map from a goal at its last frame, up to which an agent has stayed."""

LONGEST = 160
"""Bytes of a drive's name: a file's may have 255, with what writers add."""


def _in_a_name(goal: Path | str) -> str:
    """Return a picture's path, or EPISODE:STEP, as part of a file's name: another one for each."""
    if isinstance(goal, str):
        return goal.replace(":", "-")
    plain = re.sub(r"[^\w-]+", "-", goal.stem)
    return plain if str(goal) == f"{plain}.png" else f"{plain}-{crc32(str(goal).encode()):08x}"


def _episode_and_step(option: str, text: str) -> str:
    if not re.fullmatch(r"\d{1,9}:\d{1,9}", text):
        raise InputError(f"{option} is {text!r:.40}: give EPISODE:STEP, both counted from 0, such as 12:40.")
    return text


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Drive to a goal, or to several in turn, seeing images alone, and make a film and a plot of it.

    The film (videos/) shows the world beside what the agent sees, expects at the end of its plan, and wants. The plot
    (plots/) shows planned and driven path on the latent map and in the world. Both are named by start, goals and
    planner: another goal's stay beside them, the same drive again replaces its own.

    Afterwards it says in which frame the camera came nearest to the goal, in steps on the map: one is the mean distance
    between a recorded frame and the next. Outside of E2C/*, where no task tells, a goal counts as reached within one.

    Several goals are driven to one after another, as if each were the only one. The next one's turn comes where the
    task's own test says that a goal is reached; in other environments, once ten steps have led no nearer to it on the
    map, by a hundredth of the way that was left at first.
      e2c plan --run runs/Planar-v0/NAME
      e2c plan --run runs/Planar-v0/NAME --problem 3
      e2c plan --run runs/Planar-v0/NAME --planner aico --horizon 15 --iterations 8
      e2c plan --run runs/Planar-v0/NAME --start-state 5 5 --goal-state 37 20
      e2c plan --run runs/PendulumSwingUp-v0/NAME --task E2C/PendulumBalance-v0
      e2c plan --run runs/Pendulum-v1/NAME --goal picture.png
      e2c plan --run runs/Pendulum-v1/NAME --goal-frame 12:40
      e2c plan --run runs/Planar-v0/NAME --goal-frame 12:11 40:2 7:5
      e2c plan --run runs/arm/NAME --goal-frame 12:40 --env my_package:Arm-v0

    Attributes:
        run: folder that `e2c train` made.
        task: another task of the same system as the one trained on. E2C/* only.
        seed: of the list of problems (the published evaluations use 2020: keep it for `e2c evaluate`), and of the
            environment.
        problem: which of the list.
        start_state: start here instead, in the world's units. E2C/* only.
        goal_state: drive here instead, or to several, their numbers one after another. E2C/* only.
        goal: picture of the goal, or several in turn. Other environments only; default: what random actions lead to
            farthest from the start.
        goal_frame: instead, a frame of the dataset that the run was trained on, as EPISODE:STEP, both counted from 0,
            or several in turn.
        steps: length of the episode. Default: the task's for each goal; 100 for each in other environments.
        out: folder for film, plot and curves instead of the run folder, such as of a run that may only be read.
        env: the environment, as `module:Id`, to import another package's module, which a run alone never does. Of a run
            that was trained on recordings: the environment to drive, `Id` or `module:Id`. It gets the arguments that
            the dataset was collected with (--env-args of `e2c collect`), and begins where a reset by --seed puts it.
        planning: how.
    """

    run: Path
    task: str | None = None
    seed: ListSeed = 100
    problem: Annotated[int, Bounds(0, MOST_PROBLEMS - 1)] = 0
    start_state: tuple[float, ...] | None = None
    goal_state: tuple[float, ...] | None = None
    goal: Several[Path] | None = None
    goal_frame: Several[Annotated[str, Through(_episode_and_step)]] | None = None
    steps: Count | None = None
    out: Path | None = None
    env: str | None = None
    planning: Planning = field(default_factory=Planning)

    def __call__(self) -> None:
        """Drive, draw, and say how it went and what to do next."""
        native = self.drive()
        run = as_given(self.run, self.env)
        other = "--goal-frame EPISODE:STEP" if self.goal is not None else "--goal picture.png"
        suggest(f"e2c evaluate --run {run}" if native else f"e2c plan --run {run} {other}")

    def drive(self) -> bool:
        """Drive, draw, and say how it went; returns whether it was in a world of this project."""
        from e2c_control import TrainedRun
        from e2c_control.runs.threads import threads

        planning = self._checked()
        trained = TrainedRun.open(self.run, self.env)
        say("Run", f"{self.run}, by its checkpoint of step {trained.step:,} of {trained.steps:,}")
        tell_map(trained.folder.path)
        with threads(1):  # an image at a time is too little work to share
            driven = self._in_own_world(trained, planning) if trained.native else self._elsewhere(trained, planning)
            self._tell_nearest(driven)
            film, plot = driven.write(self.label(trained), self.out)
        say("Film", film)
        say("Plot", plot)
        return trained.native

    def _checked(self) -> dict[str, object]:
        """Return what is given of how to plan, after a look at everything that needs no run."""
        goals = [f"--{name.replace('_', '-')}" for name in GOALS if getattr(self, name) is not None]
        if len(goals) > 1:
            raise InputError(f"{' and '.join(goals)} are goals both: leave one out.")
        if self.problem and self.start_state is not None and goals:
            raise InputError(f"--problem means nothing beside --start-state and {goals[0]}: leave it out.")
        return self.planning.changes()

    def _in_own_world(self, trained: TrainedRun, planning: dict[str, object]) -> PicturedDrive:
        import numpy as np

        from e2c_control.evaluation.picturing import chosen_problem, picture_problem

        nothing_here(self, "goal", instead="give --goal-state or --goal-frame, which say where that is")
        task = trained.task(self.task)
        goals = None
        if self.goal_state is not None:
            given, size = np.asarray(self.goal_state), task.system.state_size
            goals = given[None] if given.size % size else given.reshape(-1, size)
        if self.goal_frame is not None:
            found = [state for _, state in self._recorded(trained) if state is not None]
            if not found:
                raise InputError("The run's dataset notes no states, which goals here are: give --goal-state instead.")
            goals = np.stack(found)
            for frame, state in zip(self.goal_frame, found, strict=True):
                say("Goal", f"{frame} of the run's dataset, the state {', '.join(f'{x:.3g}' for x in state)}")
        count = 1 if goals is None else len(goals)
        task = replace(task, horizon=self.steps or task.horizon * count)
        problem = chosen_problem(task, self.seed, self.problem, self.start_state, None if goals is None else goals[0])
        driven = picture_problem(trained, task, problem, self.seed, planning, () if goals is None else goals[1:])
        told = f"{driven.scalars['plan/time_in_goal']:.1%} of the steps in the goal, "
        oracle = driven.scalars.get("plan/oracle")
        reached = f"{driven.episode.reached} of {count} goals reached"
        say("Score", told + (reached if oracle is None else f"oracle {oracle:.1%}"))
        return driven

    def _elsewhere(self, trained: TrainedRun, planning: dict[str, object]) -> PicturedDrive:
        from e2c_control.evaluation.episode import read_goal
        from e2c_control.evaluation.picturing import STEPS, picture_foreign

        nothing_here(self, "task", "start_state")
        nothing_here(self, "goal_state", instead="give --goal picture.png or --goal-frame EPISODE:STEP")
        if self.problem:
            raise InputError("--problem means nothing in this environment: leave it out.")
        goals: list[NDArray[np.uint8]] = []
        told = ["what random actions led to farthest from the start; choose another with --goal or --goal-frame"]
        if self.goal is not None:
            env = trained.make_env(1)
            goals, told = [read_goal(path, env) for path in self.goal], [str(path) for path in self.goal]
        elif self.goal_frame is not None:
            goals = [frame for frame, _ in self._recorded(trained)]
            told = [f"{frame} of the run's dataset" for frame in self.goal_frame]
        for text in told:
            say("Goal", text)
        steps = self.steps or STEPS * max(len(goals), 1)
        if self.steps is not None:
            planning["episode_steps"] = steps
        driven = picture_foreign(trained, goals, steps, self.seed, planning)
        count, paid = len(driven.episode.rewards), driven.scalars["plan/return"]
        say("Return", f"{paid:.1f} in {count} steps, by the environment's own reward")
        if len(goals) > 1:
            say("Goals", f"{driven.episode.reached} of {len(goals)} reached, or come as near to as it went")
        return driven

    def _tell_nearest(self, driven: PicturedDrive) -> None:
        """Say how near to each goal it came on the map, and in which frame; reached is what is within a step there."""
        episode, known = driven.episode, driven.trained.known
        for number, (frame, way, first, last) in enumerate(episode.nearest(), 1):
            which = f"goal {number}: " if len(episode.goals) > 1 else ""
            told = f"{which}frame {frame} of {len(episode.rewards)}, "
            if known is None or known.step == 0:
                share = way / first if first else 0
                why = "how long a step is there, nothing has measured yet"
                say("Nearest", f"{told}{share:.0%} of the distance on the map at its start ({why})")
                continue
            steps, begun, ended = known.steps(way), known.steps(first), known.steps(last)
            told = f"{told}{steps:.1f} steps on the map from the goal ({begun:.1f} at first, {ended:.1f} at the end)"
            passed = "passed, and left again" if ended > MOST_LEFT else "reached"
            verdict = passed if steps <= 1 else "not reached, that is within 1"
            say("Nearest", told if driven.trained.native else f"{told}: {verdict}")

    def _recorded(self, trained: TrainedRun) -> list[tuple[NDArray[np.uint8], NDArray[np.float64] | None]]:
        return [trained.recorded(*map(int, frame.split(":"))) for frame in self.goal_frame or ()]

    def label(self, trained: TrainedRun) -> str:
        """Return what film, plot and curves of the drive are called: another name for each start, goal and planner."""
        task = (self.task or trained.card.environment).rpartition("/")[2].rpartition(":")[2]
        parts = [f"plan-{task}-{self.seed}-{self.problem}"]
        for word, state in (("from", self.start_state), ("to", self.goal_state)):
            parts += [] if state is None else [f"{word}-{'_'.join(f'{number:g}' for number in state)}"]
        for goals in (self.goal, self.goal_frame):
            parts += [] if goals is None else [f"to-{'_'.join(map(_in_a_name, goals))}"]
        name = "-".join([*parts, *([self.planning.label] if self.planning.label else [])])
        return name if len(name.encode()) <= LONGEST else f"{name[: LONGEST // 4]}-{crc32(name.encode()):08x}"
