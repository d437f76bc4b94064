"""`e2c choose`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from e2c_control.cli.console import Problems, say, suggest
from e2c_control.cli.planning import Planning
from e2c_control.data.arguments import as_option
from e2c_control.errors import quoted
from e2c_control.fields import ListSeed
from e2c_control.tables import table

MEANING = (
    "how much of the goal's image the camera showed, mean over the steps of a drive: 100% is at the goal",
    "from the first step on, 0% never anything like it; worst is the worst drive. A run far below the",
    "best is probably folded: it stops in places that it takes for the goal. Small differences mean little.",
)
"""Of the table, in words."""


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
    task: str | None = None
    seed: ListSeed = 100
    problems: Problems = 20
    planning: Planning = field(default_factory=Planning)

    def __call__(self) -> None:
        """Drive all of them, print the table, best first, and say what to do next."""
        planning = self.planning.changes()
        from e2c_control.evaluation.choosing import choose

        tried = choose(self.run, task=self.task, seed=self.seed, problems=self.problems, planning=planning)
        rows = [(str(one.run), f"{one.alike.mean():.1%}", f"{one.alike.min():.1%}") for one in tried]
        print(table([("run, best first", "like the goal", "worst"), *rows]), flush=True)
        say("Read", f"\n{'':<10}".join(MEANING))
        suggest(f"e2c evaluate --run {as_option(tried[0].run)}" + (f" --task {quoted(self.task)}" if self.task else ""))
