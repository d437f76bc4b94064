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

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from e2c_control.benchmark.cell import make_cell, run_cell
from e2c_control.benchmark.store import write_cell
from e2c_control.benchmark.table import gather
from e2c_control.benchmark.worlds import WORLDS
from e2c_control.envs.task import PROTOCOL_SEED
from e2c_control.objectives.recipes import RECIPES
from e2c_control.runs.atomic import replace_text
from e2c_control.training.presets import RECIPE
from experiments._rows import stored_rows

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", choices=SUITES)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--problems", type=int, default=PROTOCOL_SEED, help="seed of the list of problems")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32", help="in training")
    parser.add_argument(
        "--out", type=Path, help="result file; default: experiments/control/results/suites_<suite>.json"
    )
    parser.add_argument("--work", type=Path, default=Path("runs/experiments"), help="run folders, cells and pictures")
    parser.add_argument("--quick", action="store_true", help="a minute, to see it work; writes no result")
    options = parser.parse_args()
    suite, other = options.suite, "" if options.precision == "float32" else f"-{options.precision}"
    if options.quick:
        with tempfile.TemporaryDirectory() as work:
            cell = make_cell(*SUITES[suite], 100, 100, transitions=2_000, steps_scale=0.02, precision=options.precision)
            show(suite, summary(suite, [run_cell(cell, Path(work)).row], 100))
        return
    out: Path = options.out or RESULTS / f"suites_{suite}{other}.json"
    for seed in options.seeds:
        row = None
        if all(known["seed"] != seed for known in stored_rows(out, options.problems)):
            cell = make_cell(*SUITES[suite], seed, options.problems, precision=options.precision)
            done = run_cell(cell, options.work)
            write_cell(options.work / "cells", cell, done)
            row = done.row
        # Read again: another process may have added its seeds meanwhile.
        rows = [*stored_rows(out, options.problems), *([row] if row else [])]
        rows.sort(key=lambda known: known["seed"])
        found = summary(suite, rows, options.problems)
        result = {"problems": options.problems, "rows": rows, "suite": suite, "summary": found}
        replace_text(out, json.dumps(result, indent=1) + "\n")
    show(suite, summary(suite, stored_rows(out, options.problems), options.problems))


if __name__ == "__main__":
    main()
