"""`e2c choose`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from e2c_control.cli.console import MOST_PROBLEMS, Unset, check_seed, suggest
from e2c_control.cli.planning import Planning, PlanningFlags
from e2c_control.errors import InputError, quoted, whole
from e2c_control.tables import table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from e2c_control.agents import E2CAgent
    from e2c_control.envs import Task
    from e2c_control.evaluation.trained import TrainedRun


class Tried(NamedTuple):
    """One run: its folder, and how much it saw of each goal, (N,)."""

    run: Path
    alike: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Choose:
    """Find the best of several runs by images alone: drive, and see how much the camera shows of the goal's image.

    No true state is looked at, so it can be done where nobody knows one. Train a recipe with a few seeds, choose, and
    only then evaluate.
      e2c train  --dataset datasets/planar --name a --seed 0        (and b with 1, c with 2)
      e2c choose --run runs/Planar-v0/*

    Attributes:
        run: folders that `e2c train` made, of the same environment.
        task: another task of the same system as the one trained on.
        seed: of the list of problems. The published list, 2020, is for final scores: choosing by it would be cheating.
        problems: how many.
        planning: how.
    """

    run: tuple[Path, ...]
    task: Unset[str] = None
    seed: int = 100
    problems: int = 20
    planning: PlanningFlags = field(default_factory=Planning)

    def __call__(self) -> None:
        """Drive all of them, print the table, best first, and say what to do next."""
        tried = self.choose()
        rows = [(str(one.run), f"{one.alike.mean():.1%}", f"{one.alike.min():.1%}") for one in tried]
        print(table([("run, best first", "like the goal", "worst"), *rows]), flush=True)
        suggest(f"e2c evaluate --run {quoted(tried[0].run)}" + (f" --task {quoted(self.task)}" if self.task else ""))

    def choose(self) -> list[Tried]:
        """The runs, best first."""
        from e2c_control.envs.task import PROTOCOL_SEED
        from e2c_control.evaluation.trained import TrainedRun

        check_seed(self.seed)
        if self.seed == PROTOCOL_SEED:
            raise InputError(
                f"Seed {PROTOCOL_SEED} is the list of the final scores: choose by another one, from 100 up."
            )
        if not self.run:
            raise InputError("There is nothing to choose from: give --run with the folders of several runs.")
        whole("--problems", self.problems, most=MOST_PROBLEMS)
        self.planning.check()
        # A folder that is given twice, by whatever path, is one run.
        folders = {path.resolve(): path for path in reversed(self.run)}
        runs = [TrainedRun.open(path) for path in reversed(folders.values())]
        tasks = self._comparable(runs)
        agents = [self.planning.equip(run.agent(task), run) for run, task in zip(runs, tasks, strict=True)]
        tried = [self._try(*each) for each in zip(runs, tasks, agents, strict=True)]
        return sorted(tried, key=lambda one: one.alike.mean(), reverse=True)

    def _comparable(self, runs: list[TrainedRun]) -> list[Task]:
        """The task of each run, which has to be the same but for the frames in an observation."""
        from e2c_control.evaluation.trained import differences

        first = runs[0]
        for trained in runs:
            if not trained.native:
                raise InputError(f"{trained.card.environment} has no goals to drive to: choose with your own reward.")
            if trained.card.environment != first.card.environment:
                raise InputError(
                    f"{trained.folder.path} drives {trained.card.environment} and {first.folder.path} drives "
                    f"{first.card.environment}: compare runs of one environment."
                )
        tasks = [trained.task(self.task) for trained in runs]
        asked = [(task.horizon, task.system.noise) for task in tasks]
        for trained, task, these in zip(runs, tasks, asked, strict=True):
            if these != asked[0] or differences(tasks[0].system, task.system):
                raise InputError(
                    f"{trained.folder.path} and {first.folder.path} drive {task.id} with different arguments "
                    f"({trained.card.environment_kwargs} and {first.card.environment_kwargs}): compare runs of one."
                )
        return tasks

    def _try(self, trained: TrainedRun, task: Task, agent: E2CAgent) -> Tried:
        from e2c_control.evaluation import drive

        driven = drive(agent, task, task.evaluation_problems(self.seed, self.problems))
        return Tried(trained.folder.path, driven.resemblance.mean(0))
