"""`e2c choose`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from e2c_control.cli.console import MOST_PROBLEMS, Unset, check_seed, suggest, table
from e2c_control.cli.planning import Planning, PlanningFlags
from e2c_control.errors import InputError, whole

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from e2c_control.cli.trained import TrainedRun

PUBLISHED = 2020


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
        suggest(f"e2c evaluate --run {tried[0].run}" + (f" --task {self.task}" if self.task else ""))

    def choose(self) -> list[Tried]:
        """The runs, best first."""
        from e2c_control.cli.trained import TrainedRun

        check_seed(self.seed)
        if self.seed == PUBLISHED:
            raise InputError(f"Seed {PUBLISHED} is the list of the final scores: choose by another one, from 100 up.")
        if not self.run:
            raise InputError("There is nothing to choose from: give --run with the folders of several runs.")
        whole("--problems", self.problems, most=MOST_PROBLEMS)
        self.planning.check()
        runs = [TrainedRun.open(path) for path in dict.fromkeys(self.run)]
        tried = [self._try(trained) for trained in self._comparable(runs)]
        return sorted(tried, key=lambda one: one.alike.mean(), reverse=True)

    def _comparable(self, runs: list[TrainedRun]) -> list[TrainedRun]:
        first = runs[0]
        for trained in runs:
            if not trained.native:
                raise InputError(f"{trained.card.environment} has no goals to drive to: choose with your own reward.")
            if trained.card.environment != first.card.environment:
                raise InputError(
                    f"{trained.folder.path} drives {trained.card.environment} and {first.folder.path} drives "
                    f"{first.card.environment}: compare runs of one environment."
                )
        return runs

    def _try(self, trained: TrainedRun) -> Tried:
        from e2c_control.agents import drive

        task = trained.task(self.task)
        agent = self.planning.equip(trained.agent(task), trained)
        driven = drive(agent, task, task.evaluation_problems(self.seed, self.problems))
        return Tried(trained.folder.path, driven.resemblance.mean(0))
