"""Control from pixels, by the protocol of the PCC and PC3 papers: share of steps in the goal, ten problems a model.

For each training seed: collect transitions with random actions, train a recipe, drive the ten problems of every task of
the suite (receding-horizon iLQR in the embedding, images only), and write the row to the result file at once, so that a
killed run goes on where it was. The oracle, a hand-made controller that sees the true state, stands beside every score.

    python experiments/control.py planar --seeds 0 1 2            # the shipped default on the planar world
    python experiments/control.py planar-e2c --seeds 0            # E2C as published
    python experiments/control.py pendulum --seeds 100 --problems 100 --out tuning.json
    python experiments/control.py planar --quick                  # a minute, to see it work; writes nothing

Seeds 0-9 and the problems of seed 2020 are run once, last; tuning uses others.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from e2c_control.agents import E2CAgent, PlanningOptions, drive
from e2c_control.data import collect
from e2c_control.data.environments import make_vector_env
from e2c_control.data.policy import UniformPolicy
from e2c_control.envs import Task, make_task
from e2c_control.envs.reference import reference_scores
from e2c_control.models.embedding import EmbeddingConfig
from e2c_control.objectives.recipes import RECIPES, make_recipe
from e2c_control.runs.atomic import replace_text
from e2c_control.runs.folder import RunFolder
from e2c_control.runs.versions import package_versions, source_commit
from e2c_control.training.run import TrainConfig, train

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Suite:
    """What is trained on and what is driven.

    Attributes:
        environment: where transitions are collected.
        tasks: driven with the one model; all of the same system.
        recipe: by name.
        embedding: sizes.
        transitions: how many are collected.
    """

    environment: str
    tasks: tuple[str, ...]
    recipe: str
    embedding: EmbeddingConfig
    transitions: int = 20_000


EPISODE = 12
PLANAR = EmbeddingConfig(latent_dim=2)
PENDULUM = EmbeddingConfig(latent_dim=3, pool=2)
BALANCE, SWING_UP = "E2C/PendulumBalance-v0", "E2C/PendulumSwingUp-v0"
DEFAULT = "unfold"


def suites(name: str, environment: str, tasks: tuple[str, ...], embedding: EmbeddingConfig) -> dict[str, Suite]:
    """One for each recipe, named after the world and, unless it is the default, the recipe."""
    made = {recipe: Suite(environment, tasks, recipe, embedding) for recipe in RECIPES}
    return {name if recipe == DEFAULT else f"{name}-{recipe}": suite for recipe, suite in made.items()}


SUITES = {
    **suites("planar", "E2C/Planar-v0", ("E2C/Planar-v0",), PLANAR),
    **suites("pendulum", SWING_UP, (BALANCE, SWING_UP), PENDULUM),
}


def collect_for(suite: Suite, path: Path, seed: int, transitions: int) -> None:
    """Random transitions from states all over the world, in short episodes."""
    environments = make_vector_env(suite.environment, 256, frame_stack=1)
    actions = environments.single_action_space.shape or (1,)
    policy = UniformPolicy(actions[0])
    collect(environments, path, transitions, EPISODE, starts="sampled", policy=policy, seed=seed, overwrite=True)
    environments.close()


def run_seed(suite: Suite, folder: Path, seed: int, problems: int, quick: bool) -> dict[str, Any]:
    """Collect, train, drive: one row of the result."""
    dataset = folder / f"data-{seed}"
    begun = time.process_time()
    collect_for(suite, dataset, seed, 2_000 if quick else suite.transitions)
    collected = time.process_time()
    recipe = make_recipe(suite.recipe, suite.embedding)
    config = TrainConfig(dataset, suite.environment, recipe.scaled(0.02) if quick else recipe, seed, device="cpu")
    run = RunFolder.create(folder, suite.environment, config, f"{suite.recipe}-{seed}-{time.time_ns()}")
    embedding = train(run, config, progress=not quick)
    trained = time.process_time()
    row: dict[str, Any] = {
        "seed": seed,
        "collect_cpu_seconds": collected - begun,
        "train_cpu_seconds": trained - collected,
        "tasks": {},
    }
    for name in suite.tasks:
        task = make_task(name)
        list_of = task.evaluation_problems(problems)
        agent = E2CAgent(embedding, PlanningOptions.for_task(task))
        row["tasks"][name] = {"scores": drive(agent, task, list_of).scores.tolist()}
    row["drive_cpu_seconds"] = time.process_time() - trained
    return row


def summary(rows: list[dict[str, Any]], tasks: dict[str, Task], problems: int) -> dict[str, Any]:
    """Percent of steps in the goal: over all seeds, with its standard error, and the worst seed; the oracle beside."""
    table: dict[str, Any] = {}
    for name, task in tasks.items():
        scores = 100 * np.array([row["tasks"][name]["scores"] for row in rows])
        oracle = 100 * reference_scores(task, task.evaluation_problems(problems))
        table[name] = {
            "seeds": len(scores),
            "mean": scores.mean(),
            # Over seeds: the problems of one model share its map and are not independent.
            "standard_error": float(scores.mean(1).std(ddof=1) / np.sqrt(len(scores))) if len(scores) > 1 else None,
            "worst_seed": scores.mean(1).min(),
            "median_seed": float(np.median(scores.mean(1))),
            "oracle": oracle.mean(),
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


def read(out: Path, problems: int) -> dict[str, Any]:
    """The result file, or an empty one; scores on other problems do not go into the same file."""
    result: dict[str, Any] = json.loads(out.read_text()) if out.exists() else {"problems": problems, "rows": []}
    if result["problems"] != problems:
        raise SystemExit(f"{out} holds scores on the problems of seed {result['problems']}: choose another --out.")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", choices=SUITES)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--problems", type=int, default=2020, help="seed of the list of problems")
    parser.add_argument("--out", type=Path, help="result file; default: experiments/results/control_<suite>.json")
    parser.add_argument("--work", type=Path, default=Path("runs/experiments"), help="datasets and run folders")
    parser.add_argument("--quick", action="store_true", help="a minute, to see it work; writes no result")
    options = parser.parse_args()
    torch.set_num_threads(1)
    suite = SUITES[options.suite]
    tasks = {name: make_task(name) for name in suite.tasks}
    if options.quick:
        with tempfile.TemporaryDirectory() as work:
            show(options.suite, summary([run_seed(suite, Path(work), 100, 100, True)], tasks, 100))
        return
    out: Path = options.out or RESULTS / f"control_{options.suite}.json"
    for seed in options.seeds:
        row = None
        if all(known["seed"] != seed for known in read(out, options.problems)["rows"]):
            row = run_seed(suite, options.work / options.suite, seed, options.problems, False)
            row |= {"commit": source_commit(), "versions": package_versions(), "machine": platform.machine()}
        # Read again: another process may have added its seeds meanwhile.
        result = read(out, options.problems)
        result["rows"] = sorted([*result["rows"], *([row] if row else [])], key=lambda known: known["seed"])
        result |= {"suite": options.suite, "summary": summary(result["rows"], tasks, options.problems)}
        replace_text(out, json.dumps(result, indent=1) + "\n")
    show(options.suite, read(out, options.problems)["summary"])


if __name__ == "__main__":
    main()
