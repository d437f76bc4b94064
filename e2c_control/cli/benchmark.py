"""`e2c benchmark`."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from e2c_control import InputError
from e2c_control.cli.console import say
from e2c_control.envs.task import PROTOCOL_SEED
from e2c_control.fields import Count, ListSeed, Several
from e2c_control.parallel.jobs import check_workers, run_jobs
from e2c_control.tables import table
from e2c_control.training.presets import RECIPE, StepsScale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from e2c_control.benchmark.cell import Cell, Result
    from e2c_control.benchmark.table import Line

HEADING = ("task", "recipe", "IQM [95 %], % in goal", "mean", "worst seed", "oracle", "seeds")


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Train every recipe in every world with every seed, drive the protocol's problems, and write the table of scores.

    One cell is one trained model; what is finished is kept, and the same command goes on where it was stopped. More
    worlds, recipes or seeds can be added to the same folder.
      e2c benchmark --worlds planar --recipes unfold e2c-warm --seeds 0 1 2 --jobs 2 --out benchmarks/first
      e2c benchmark --worlds planar pendulum cart-pole --ray auto

    Attributes:
        worlds: what is collected and driven. "pendulum" is balance and swing-up, by one model; planar-noise-N has
            process noise of N pixels. One of your own: my_package.world:MINE.
        recipes: as in `e2c train --recipe`; differences are to unfold, the default.
        seeds: of transitions and training.
        problems: seed of the lists of problems. 2020 is the published list: choose others, from 100 up, to tune on.
        transitions: collected for each model. Default: the world's own number, 20,000.
        steps_scale: multiplies the recipes' numbers of training steps: 0.01 only shows what happens.
        precision: of the networks' matrix products while they train: bfloat16 is faster on a CPU that has instructions
            for it, see `e2c train --help`.
        jobs: models that are trained at the same time on this machine, each with one thread.
        ray: instead, address of a Ray cluster to run on: auto, host:port or ray://host:port. Its machines need this
            version of e2c-control; this one needs e2c-control[ray]. The trained models stay there and are lost.
        out: folder of the cells, the trained runs and the report.
    """

    worlds: Several[str] = ("planar",)
    recipes: Several[str] = (RECIPE,)
    seeds: Several[ListSeed] = tuple(range(10))
    problems: ListSeed = PROTOCOL_SEED
    transitions: Count | None = None
    steps_scale: StepsScale = 1.0
    precision: Literal["float32", "bfloat16"] = "float32"
    jobs: Count = 1
    ray: str | None = None
    out: Path = Path("benchmark")

    def __call__(self) -> None:
        """Run what is not there yet, and write the report of all that is."""
        from e2c_control.runs.atomic import writing
        from e2c_control.runs.lock import locked

        cells = self._cells()
        with writing(self.out):
            self.out.mkdir(parents=True, exist_ok=True)
        with locked(self.out):
            self._complete(cells)

    def _complete(self, cells: Sequence[Cell]) -> None:
        from e2c_control.benchmark.cell import sweep_scratch
        from e2c_control.benchmark.store import unfinished
        from e2c_control.runs.atomic import sweep
        from e2c_control.runs.foreign import check_folder

        check_folder(self.out)
        sweep(self.out, self._store)
        sweep_scratch(self.out / "runs")
        waiting = unfinished(self._store, cells)
        say("Cells", f"{len(cells)}, of which {len(cells) - len(waiting)} are finished")
        try:
            failed = self._run(waiting)
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt("finished cells are kept, the same command goes on") from stop
        self._report()
        if failed:
            raise InputError(
                f"{len(failed)} of {len(cells)} cells failed ({', '.join(failed)}): see above why; the same command "
                "tries them again."
            )

    @property
    def _store(self) -> Path:
        return self.out / "cells"

    def _cells(self) -> list[Cell]:
        check_workers(self.jobs, self.ray)
        from e2c_control.benchmark.cell import make_cell

        make = partial(
            make_cell,
            problems=self.problems,
            transitions=self.transitions,
            steps_scale=self.steps_scale,
            precision=self.precision,
        )
        return [
            make(world, recipe, seed)
            for world in dict.fromkeys(self.worlds)
            for recipe in dict.fromkeys(self.recipes)
            for seed in dict.fromkeys(self.seeds)
        ]

    def _run(self, cells: Sequence[Cell]) -> list[str]:
        """Run cells and keep each result as soon as it is there; returns the names of those without one."""
        from e2c_control.benchmark.cell import run_cell, run_cell_anywhere
        from e2c_control.benchmark.store import write_cell
        from e2c_control.parallel.outcome import Failed

        failed: list[str] = []
        run = partial(run_cell, folder=self.out / "runs") if self.ray is None else run_cell_anywhere
        with closing(run_jobs(run, cells, self.jobs, self.ray)) as results:
            for i, (cell, result) in enumerate(results):
                if isinstance(result, Failed):
                    failed.append(cell.name)
                    print(f"{cell.name} failed: {result.reason}", file=sys.stderr, flush=True)
                    continue
                write_cell(self._store, cell, result)
                say(f"{i + 1}/{len(cells)}", f"{cell.name}: {_scores(result)}")
        return failed

    def _report(self) -> None:
        from e2c_control.benchmark.report import write_report
        from e2c_control.benchmark.store import read_cells

        cells = read_cells(self._store)
        if not cells:
            return
        report = write_report(self.out, cells)
        print(f"\n{table([HEADING, *(_row(line) for line in report.lines)])}", flush=True)
        say("Table", report.markdown)
        say("Page", report.page)


def _row(line: Line) -> tuple[str, ...]:
    from e2c_control.benchmark.text import with_interval

    return (
        line.scores.label,
        line.scores.recipe,
        with_interval(line.iqm, line.iqm_interval),
        f"{100 * line.mean:.1f}",
        f"{100 * line.worst_seed[1]:.1f}",
        f"{100 * line.oracle:.1f}",
        str(len(line.scores.seeds)),
    )


def _scores(result: Result) -> str:
    """Return mean scores of the tasks in percent."""
    means = {
        task.rpartition("/")[2]: sum(found["scores"]) / len(found["scores"])
        for task, found in result.row["tasks"].items()
    }
    return ", ".join(f"{task} {mean:.1%}" for task, mean in means.items())
