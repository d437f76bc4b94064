"""`e2c choose`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from e2c_control import InputError
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

SHOWN = {
    "ways/step_rank": "steps between landmarks",
    "map/step_rank": "steps on the map",
    "map/prediction_error_1": "error after 1",
    "map/prediction_error_5": "after 5 steps",
    "ways/passed_told": "passing moves known",
}
BY_MAP = (
    "no task is known here, so nothing was driven. Measured on held-out episodes, without any true state:",
    "steps: rank correlation of distances with the steps between frames; errors: of predicted latents. Maps that fail",
    "come last (after 5 steps above 0.8, or passing moves known below 0.5). Drive with the best two, and look.",
)
"""Of the table where there is no task, in words."""


@dataclass(frozen=True, kw_only=True)
class Choose:
    """Find the best of several runs by images alone: drive, and see how much the camera shows of the goal's image.

    No true state is looked at, so it can be done where nobody knows one. Train a recipe with a few seeds, choose, and
    only then evaluate. Where no task is known (recordings, other environments), nothing is driven: the best run is the
    one whose map, as training measured it on held-out episodes, keeps the order of steps best.
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
        from e2c_control.data.card import read_card
        from e2c_control.evaluation.choosing import choose
        from e2c_control.evaluation.trained import own_task

        if self.run and own_task(read_card(self.run[0])) is None:
            return self._by_map()
        tried = choose(self.run, task=self.task, seed=self.seed, problems=self.problems, planning=planning)
        rows = [(str(one.run), f"{one.alike.mean():.1%}", f"{one.alike.min():.1%}") for one in tried]
        print(table([("run, best first", "like the goal", "worst"), *rows]), flush=True)
        say("Read", f"\n{'':<10}".join(MEANING))
        suggest(f"e2c evaluate --run {as_option(tried[0].run)}" + (f" --task {quoted(self.task)}" if self.task else ""))

    def _by_map(self) -> None:
        """Print what was measured of the maps, best first, where there is nothing to drive."""
        from e2c_control.evaluation.choosing import choose_by_map

        if self != Choose(run=self.run):
            raise InputError("No task is known here, so nothing is driven: give nothing but --run.")
        found = choose_by_map(self.run)
        shown = {tag: text for tag, text in SHOWN.items() if any(tag in one.measures for one in found)}
        rows = [
            (str(one.run), *(f"{one.measures[tag]:.3f}" if tag in one.measures else "" for tag in shown))
            for one in found
        ]
        print(table([("run, best first", *shown.values()), *rows]), flush=True)
        say("Read", f"\n{'':<10}".join(BY_MAP))
        suggest(f"e2c plan --run {as_option(found[0].run)} --goal-frame EPISODE:STEP")
