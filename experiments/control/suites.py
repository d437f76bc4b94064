"""Control from pixels, by the protocol of the PCC and PC3 papers: share of steps in the goal, ten problems a model.

For each training seed: collect transitions with random actions, train a recipe, drive the ten problems of every task of
the suite (receding-horizon iLQR in the embedding, images only), and write the row to the result file at once, so that a
killed run goes on where it was. The oracle, a hand-made controller that sees the true state, stands beside every score.
A suite is one world and recipe of `e2c benchmark`, which does the same for many at a time and draws a page of them.

    python -m experiments.control.suites planar --seeds 0 1 2         # the shipped default on the planar world
    python -m experiments.control.suites planar-e2c --seeds 0         # E2C as published
    python -m experiments.control.suites pendulum --seeds 100 --problems 100 --out tuning.json
    python -m experiments.control.suites planar --precision bfloat16  # the same with faster products
    python -m experiments.control.suites planar --quick               # a minute, to see it work; writes nothing

Seeds 0-9 and the problems of seed 2020 are run once, last; tuning uses others.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro

from e2c_control.benchmark.cell import make_cell, run_cell
from e2c_control.benchmark.store import write_cell
from e2c_control.benchmark.table import gather
from e2c_control.benchmark.worlds import WORLDS
from e2c_control.envs.task import PROTOCOL_SEED
from e2c_control.objectives.recipes import RECIPES
from e2c_control.training.presets import RECIPE
from experiments.runner import Experiment

RESULTS = Path(__file__).parent / "results"

SUITES = {world if recipe == RECIPE else f"{world}-{recipe}": (world, recipe) for world in WORLDS for recipe in RECIPES}
"""World and recipe, by the world's name and, unless it is the default, the recipe's."""


def summary(suite: str, rows: Sequence[Mapping[str, Any]], problems: int) -> dict[str, Any]:
    """Percent of steps in the goal: over all seeds, with its standard error, and the worst seed; the oracle beside."""
    world, recipe = SUITES[suite]
    table: dict[str, Any] = {}
    for found in gather(WORLDS[world], recipe, rows, problems):
        by_seed = 100 * found.values.mean(1)
        table[found.task] = {
            "seeds": len(by_seed),
            "mean": by_seed.mean(),
            # Over seeds: the problems of one model share its map and are not independent.
            "standard_error": float(by_seed.std(ddof=1) / np.sqrt(len(by_seed))) if len(by_seed) > 1 else None,
            "worst_seed": by_seed.min(),
            "median_seed": float(np.median(by_seed)),
            "oracle": 100 * found.oracle.mean(),
        }
    cpu = [row["train_cpu_seconds"] for row in rows]
    return {"tasks": table, "train_cpu_seconds_median": float(np.median(cpu)), "train_cpu_seconds_worst": max(cpu)}


def show(name: str, found: dict[str, Any]) -> None:
    """The summary as lines of text."""
    for task, line in found["tasks"].items():
        print(
            f"{name:>16} {task:<24} mean {line['mean']:5.1f} ± {line['standard_error'] or 0:.1f} %   worst seed "
            f"{line['worst_seed']:5.1f}   oracle {line['oracle']:5.1f}   {line['seeds']} seeds, "
            f"{found['train_cpu_seconds_median']:.0f} CPU-s each"
        )


@dataclass(frozen=True)
class Options:
    suite: Annotated[Literal[tuple(SUITES)], tyro.conf.Positional]
    """world and recipe"""
    seeds: tuple[int, ...] = tuple(range(10))
    problems: int = PROTOCOL_SEED
    """seed of the list of problems"""
    precision: Literal["float32", "bfloat16"] = "float32"
    """in training"""
    out: Path | None = None
    """result file; default: results/suites_<suite>.json"""
    work: Path = Path("runs/experiments")
    """run folders, cells and pictures"""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """a minute, to see it work; writes no result"""

    def measure(self, seed: int, problems: int) -> dict[str, Any]:
        cell = make_cell(*SUITES[self.suite], seed, problems, precision=self.precision)
        done = run_cell(cell, self.work)
        write_cell(self.work / "cells", cell, done)
        return dict(done.row)

    def main(self) -> None:
        """Measure a suite, or a moment of it."""
        suite = self.suite
        if self.quick:
            with tempfile.TemporaryDirectory() as work:
                cell = make_cell(
                    *SUITES[suite], 100, 100, transitions=2_000, steps_scale=0.02, precision=self.precision
                )
                show(suite, summary(suite, [run_cell(cell, Path(work)).row], 100))
            return
        experiment = Experiment(
            __file__,
            {"seed": self.seeds},
            self.measure,
            "seed {seed}: {train_cpu_seconds:.0f} CPU-s",
            self.main,
            lambda rows: summary(suite, rows, self.problems),
            about=lambda rows: {"suite": suite},
            order=lambda row: row["seed"],
            shared=("problems",),
        )
        other = "" if self.precision == "float32" else f"-{self.precision}"
        out = self.out or RESULTS / f"suites_{suite}{other}.json"
        rows = experiment.run(out, [{"seed": seed} for seed in self.seeds], problems=self.problems)
        show(suite, summary(suite, rows, self.problems))


if __name__ == "__main__":
    tyro.cli(Options, description=__doc__).main()
