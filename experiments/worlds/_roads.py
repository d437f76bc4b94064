"""One world with walls, by images alone: train `unfold-roadmap`, drive by the roadmap and by iLQR on the same map."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from e2c_control import (
    E2CAgent,
    PlanningOptions,
    Task,
    Trainer,
    collect,
    drive,
    make_recipe,
    make_task,
    make_vector_env,
)
from e2c_control.envs.reference import reference_scores
from e2c_control.training.presets import default_embedding
from experiments.runner import Row

WAYS = ("roadmap", "ilqr")


def train_world(
    world: str, arguments: Mapping[str, int | float], seed: int, transitions: int, steps_scale: float = 1.0
) -> tuple[Task, Trainer]:
    """Collect random data in a world, and train one seed on it."""
    task = make_task(world, **arguments)
    recipe = make_recipe("unfold-roadmap", default_embedding(task.system.frame_shape, task=task)).scaled(steps_scale)
    with TemporaryDirectory() as folder:
        envs = make_vector_env(world, 32, frame_stack=1, **arguments)
        stack, kept = task.frame_stack, Path(folder) / "data"
        data = collect(envs, kept, transitions, 12, starts="sampled", frame_stack=stack, seed=seed)
        episodes, _ = data.split(0.05, seed=0)
        # Without the decoder, which no plan looks through.
        recipe = replace(recipe, phases=tuple(phase for phase in recipe.phases if phase.name != "display"))
        trainer = Trainer(recipe, data, episodes, seed=seed, device=torch.device("cpu"))
        while not trainer.finished:
            trainer.advance()
    return task, trainer


def measure_world(
    world: str,
    arguments: Mapping[str, int | float],
    seed: int,
    transitions: int,
    lists: Mapping[str, Sequence[tuple[int, int]]],
    steps_scale: float = 1.0,
) -> list[Row]:
    """Train one seed on random data, and drive lists of problems, (seed, number), by each way that has some.

    A share is of the time in goal of the task's best reference controller, which sees the true state, on the same list.
    """
    begun = time.process_time()
    task, trainer = train_world(world, arguments, seed, transitions, steps_scale)
    embedding, trained, rows = trainer.embedding.eval(), time.process_time() - begun, list[Row]()
    known = embedding.reachability
    graph = None if known is None else known.graph()
    for way, driven_lists in lists.items():
        agent = E2CAgent.from_embedding(embedding, PlanningOptions.suiting(embedding, task, way), seed)
        for name, count in driven_lists:
            listed = task.evaluation_problems(name, count)
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
