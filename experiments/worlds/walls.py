"""Ways around walls, from images alone: what reachability and a roadmap beside the default's map are worth.

`E2C/PlanarWalls-v0`, 20,000 random transitions a seed. The recipe `unfold-roadmap` is trained, and driven by the
roadmap and by iLQR, which has the same map: time in goal as a share of the Navigator's on the same list. The Navigator
sees the true state. The protocol's ten problems are list 2020. Tuning saw the lists 100 and 101, and seeds of data and
training below 10, 41 and 42; the two lists of 50 are drawn from the word "walls", and the seeds begin at 10.

    python -m experiments.worlds.walls          # 10 seeds: an hour
    python -m experiments.worlds.walls --quick  # half a minute, to see it work; writes nothing
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

import numpy as np
import torch

from e2c_control import (
    E2CAgent,
    PlanningOptions,
    Trainer,
    collect,
    drive,
    make_recipe,
    make_task,
    make_vector_env,
)
from e2c_control.envs.reference import reference_scores
from e2c_control.envs.task import PROTOCOL_SEED
from e2c_control.training.presets import default_embedding
from experiments.runner import Experiment, Row

WORLD, TRANSITIONS = "E2C/PlanarWalls-v0", 20_000
UNSEEN = [int(seed) for seed in np.random.default_rng(list(b"walls")).integers(1_000, 1_000_000, 2)]
LISTS = ((PROTOCOL_SEED, 10), *((seed, 50) for seed in UNSEEN))
WAYS = {"roadmap": {"planner": "roadmap", "horizon": 1}, "ilqr": {}}


def measure(seed: int, transitions: int = TRANSITIONS, steps_scale: float = 1.0, problems: int = 50) -> list[Row]:
    """Train one seed and drive all lists both ways."""
    task, begun = make_task(WORLD), time.process_time()
    recipe = make_recipe("unfold-roadmap", default_embedding(task.system.frame_shape, task=task)).scaled(steps_scale)
    with TemporaryDirectory() as folder:
        data = collect(make_vector_env(WORLD, 32), Path(folder) / "data", transitions, 12, starts="sampled", seed=seed)
        episodes, _ = data.split(0.05, seed=0)
        # Without the decoder, which no plan looks through.
        recipe = replace(recipe, phases=tuple(phase for phase in recipe.phases if phase.name != "display"))
        trainer = Trainer(recipe, data, episodes, seed=seed, device=torch.device("cpu"))
        while not trainer.finished:
            trainer.advance()
    embedding, trained, rows = trainer.embedding.eval(), time.process_time() - begun, list[Row]()
    known = embedding.reachability
    graph = None if known is None else known.graph()
    for way, changes in WAYS.items():
        agent = E2CAgent.from_embedding(embedding, replace(PlanningOptions.for_task(task), **changes), seed)
        for name, count in LISTS:
            listed = task.evaluation_problems(name, min(count, problems))
            driven, oracle = drive(agent, task, listed), float(reference_scores(task, listed).mean())
            row: Row = {
                "seed": seed,
                "way": way,
                "list": name,
                "problems": len(listed),
                "share": float(driven.scores.mean()) / oracle,
                "worst": float(driven.scores.min()),
                "reached": float((driven.scores > 0).mean()),
                "milliseconds": float(np.median(1e3 * driven.cpu_seconds)),
                "training_cpu_seconds": trained,
                "restarts": trainer.extra_steps // 200,
                "aliased": 0 if graph is None else int(graph.aliased.sum()),
            }
            rows.append(row)
    return rows


def report(rows: list[Row]) -> None:
    """Print the mean and the worst seed of each way and list."""
    for way in WAYS:
        for name, _ in LISTS:
            found = [row for row in rows if (row["way"], row["list"]) == (way, name)]
            if found:
                shares, reached = ([row[key] for row in found] for key in ("share", "reached"))
                print(
                    f"{way}, list {name}: {np.mean(shares):.3f} of the Navigator's, worst seed {min(shares):.3f}, "
                    f"reached {np.mean(reached):.0%}"
                )


def quick() -> None:
    for row in measure(0, 600, 0.02, 2):
        print(TOLD.format(**row))


TOLD = "seed {seed}, {way}, list {list}: {share:.3f}, reached {reached:.0%}, {milliseconds:.1f} CPU-ms a step"
EXPERIMENT = Experiment(__file__, {"seed": range(10, 20)}, measure, TOLD, quick, report=report)

if __name__ == "__main__":
    EXPERIMENT.main()
