"""The README's table by the README's own commands: `e2c collect`, `e2c train`, `e2c evaluate`, each in a process.

For each world and seed: collect with that seed, train the default recipe with it, drive the protocol's ten problems of
every task of the world, and write the row to the result file at once, so that a killed script goes on where it was. All
options but the seed are the commands' defaults. Trained runs stay in the folder of the work: without the rows in the
result file they are driven again, and not trained again.

    python -m experiments.control.commands          # writes results/commands.json
    python -m experiments.control.commands --worlds planar --seeds 100 --problems 100 --out tuning.json
    python -m experiments.control.commands --quick  # a minute, to see it work; writes nothing

Seeds 0-9 and the problems of seed 2020 are run once, last; tuning uses others.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from e2c_control.benchmark.worlds import WORLDS
from e2c_control.envs.task import PROTOCOL_SEED
from e2c_control.runs.atomic import replace_text
from experiments.runner import Experiment, Row

More = dict[str, tuple[object, ...]] | None
BY_COMMANDS = ("planar", "pendulum", "pump", "cart-pole", "three-link")
"""Worlds whose default rows in the README come from here, the cheapest first."""

QUICK = {"collect": ("--transitions", 300), "train": ("--steps-scale", 0.003)}


def run(command: str, *options: object, more: More = None) -> float:
    """Run a command of `e2c`, and give back the CPU-seconds that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    words = [sys.executable, "-m", "e2c_control", command, *options, *(more or {}).get(command, ())]
    done = subprocess.run([str(word) for word in words], env=os.environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(str(word) for word in words[2:])} failed:\n{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def collected(world: str, seed: int, work: Path, more: More = None) -> Path:
    """Return a dataset by `e2c collect`, made unless it is there already."""
    data = work / "datasets" / f"{world}-{seed}"
    spent = data.with_suffix(".json")
    if not spent.is_file():
        environment = WORLDS[world].environment
        cost = run("collect", "--env", environment, "--out", data, "--seed", seed, "--overwrite", more=more)
        replace_text(spent, json.dumps({"collect_cpu_seconds": cost}) + "\n")
    return data


def train(world: str, seed: int, work: Path, more: More = None) -> tuple[Path, dict[str, float]]:
    """Return a trained run and what it cost; made by two commands, unless it is there already."""
    path = work / "runs" / Path(WORLDS[world].environment).name / f"{world}-{seed}"
    cost = path / "cost.json"
    if not cost.is_file():
        shutil.rmtree(path, ignore_errors=True)
        data = collected(world, seed, work, more)
        spent = json.loads(data.with_suffix(".json").read_text(encoding="utf-8"))
        spent["train_cpu_seconds"] = run(
            "train", "--dataset", data, "--seed", seed, "--runs", path.parents[1], "--name", path.name, more=more
        )
        shutil.rmtree(data)
        data.with_suffix(".json").unlink()
        replace_text(cost, json.dumps(spent) + "\n")
    return path, json.loads(cost.read_text(encoding="utf-8"))


def measured(world: str, seed: int, work: Path, problems: int, more: More = None) -> Row:
    """Collect, train, evaluate."""
    path, spent = train(world, seed, work, more)
    for old in path.glob("evaluation-*.json"):
        old.unlink()
    tasks = WORLDS[world].tasks
    driven = run(
        "evaluate", "--run", path, "--task", *tasks, *(() if problems == PROTOCOL_SEED else ("--seed", problems))
    )
    found = [json.loads(file.read_text(encoding="utf-8")) for file in path.glob("evaluation-*.json")]
    scores = {one["task"]: {"scores": one["time_in_goal"], "oracle": one["oracle"]} for one in found}
    return {
        "world": world,
        "seed": seed,
        **spent,
        "drive_cpu_seconds": driven,
        "tasks": {task: scores[task] for task in tasks},
    }


def told(row: Row) -> str:
    """A line about a row."""
    means = (f"{task.rpartition('/')[2]} {np.mean(found['scores']):.1%}" for task, found in row["tasks"].items())
    return f"{row['world']} seed {row['seed']}: {', '.join(means)}, {row['train_cpu_seconds']:.0f} CPU-s to train"


@dataclass(frozen=True)
class Options:
    problems: int = PROTOCOL_SEED
    """seed of the list of problems"""
    work: Path = Path("runs/commands")
    """datasets and run folders"""


def quick() -> None:
    with tempfile.TemporaryDirectory() as work:
        print(told(measured("planar", 100, Path(work), 100, QUICK)))


EXPERIMENT = Experiment(
    __file__,
    {"world": BY_COMMANDS, "seed": range(10)},
    measured,
    told,
    quick,
    choices={"world": WORLDS},
    options=Options,
    shared=("problems",),
    threads=None,
)


if __name__ == "__main__":
    EXPERIMENT.main()
