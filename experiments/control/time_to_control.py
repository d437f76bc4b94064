"""How soon does the planar world's map control? CPU-seconds of training against time in goal.

The default recipe's first phase alone (its second only teaches a decoder to show the map, and no plan looks at it), cut
to a share of its steps, with everything else as shipped: a training of its own for each share and seed, its learning
rate falling to zero at its own end. The protocol's ten problems, images only. The authors' PC3 reached 71.8 % after 126
CPU-seconds of this kind of machine.

    python -m experiments.control.time_to_control          # writes results/time_to_control.json
    python -m experiments.control.time_to_control --seeds 100 --problems 100 --out tuning.json
    python -m experiments.control.time_to_control --quick  # seconds, writes nothing
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from e2c_control.benchmark.cell import Cell, make_cell, run_cell
from e2c_control.envs.task import PROTOCOL_SEED
from e2c_control.tables import table
from experiments.runner import Experiment

SHARES = (0.25, 0.5, 1.0)
BAR = 70.0
TASK = "E2C/Planar-v0"


def cut(share: float, seed: int, problems: int) -> Cell:
    """The planar cell with nothing but that share of the first phase."""
    cell = make_cell("planar", "unfold", seed, problems)
    alone = replace(cell.recipe, name=f"unfold-{share}", phases=cell.recipe.phases[:1])
    return replace(cell, recipe=alone.scaled(share))


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A line for each share: its time, and the share of steps in the goal in percent."""
    lines: list[dict[str, Any]] = []
    for share in SHARES:
        own = [row for row in rows if row["share"] == share]
        if own:
            cpu, scores = (np.array([row[name] for row in own]) for name in ("train_cpu_seconds", "score"))
            lines.append(
                {
                    "share": share,
                    "steps": own[0]["steps"],
                    "seeds": len(own),
                    "cpu_seconds_median": float(np.median(cpu)),
                    "cpu_seconds_worst": float(cpu.max()),
                    "mean": float(scores.mean()),
                    "worst_seed": float(scores.min()),
                    "every_seed_above_bar": bool(scores.min() >= BAR),
                }
            )
    return lines


def measured(share: float, seed: int, problems: int) -> dict[str, Any]:
    """Train, drive, score."""
    cell = cut(share, seed, problems)
    with tempfile.TemporaryDirectory() as folder:
        row = run_cell(cell, Path(folder)).row
    score = 100 * float(np.mean(row["tasks"][TASK]["scores"]))
    about = {"share": share, "steps": cell.recipe.steps, "seed": seed}
    return {**about, "score": score, "train_cpu_seconds": row["train_cpu_seconds"]}


def report(rows: list[dict[str, Any]]) -> None:
    heading = ("steps", "CPU-s, median (worst)", "time in goal, mean (worst seed)", "seeds")
    lines = [
        (
            str(line["steps"]),
            f"{line['cpu_seconds_median']:.0f} ({line['cpu_seconds_worst']:.0f})",
            f"{line['mean']:.1f} ({line['worst_seed']:.1f})",
            str(line["seeds"]),
        )
        for line in summary(rows)
    ]
    print(table([heading, *lines]))


@dataclass(frozen=True)
class Options:
    problems: int = PROTOCOL_SEED
    """seed of the list of problems"""


TOLD = "seed {seed}, {steps} steps: {score:.1f} %, {train_cpu_seconds:.0f} CPU-s"

EXPERIMENT = Experiment(
    __file__,
    {"seed": range(5), "share": SHARES},
    measured,
    TOLD,
    lambda: print(TOLD.format(**measured(0.01, 100, 100))),
    summary,
    report,
    options=Options,
    shared=("problems",),
    threads=None,
)


if __name__ == "__main__":
    EXPERIMENT.main()
