"""What the disagreement of an ensemble is worth, on the planar world.

Two kinds of ignorance. *A hole*: the transitions of a disc in the middle are left out of the training, and the agent
drives from one side of it to the other. *Few data*: it has seen a thirtieth of the transitions, and drives the ordinary
problems. Each with more and more weight on the members' disagreement. Does disagreement know where the model does not?
That is asked three times: of images inside the hole against outside (area under the ROC curve), of latents off the map
against on it, and of the error of a step, wherever it happens (rank correlation).

    python -m experiments.planners.ensemble          # 3 training seeds, two CPU-minutes each
    python -m experiments.planners.ensemble --quick  # a moment of training, writes nothing
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

import numpy as np
import torch

from e2c_control import (
    E2CAgent,
    Embedding,
    EmbeddingConfig,
    PlanningOptions,
    Task,
    Trainer,
    Transitions,
    collect,
    drive,
    make_recipe,
    make_task,
    make_vector_env,
)
from e2c_control.autoencoders.distances import auc
from e2c_control.envs import Problem
from e2c_control.measures import encode_means
from e2c_control.models.planning_model import planning_model
from e2c_control.planners import Ensemble
from experiments.planners.replan import ENVIRONMENT
from experiments.runner import Experiment

CENTRE, RADIUS, AROUND = np.array([20.0, 20.0]), 7.0, 14.0
FEW = 30
KINDS = ("hole", "few_data")
WEIGHTS = (0.0, 10.0, 100.0, 1000.0, 10000.0)
Array = np.ndarray


def inside(states: Array) -> Array:
    """Which states (..., 2) are in the hole."""
    return np.linalg.norm(states - CENTRE, axis=-1) < RADIUS


def train(seed: int, kind: str, quick: bool) -> Embedding:
    """An ensemble trained on the episodes that never enter the hole, or on few of them."""
    with tempfile.TemporaryDirectory() as folder:
        environments = make_vector_env(ENVIRONMENT, 256, frame_stack=1)
        count = 3_000 if quick else 30_000
        collect(environments, Path(folder) / "data", count, 12, starts="sampled", seed=seed)
        data = Transitions.open(Path(folder) / "data")
        assert data.states is not None
        visits = np.split(inside(np.asarray(data.states)), data.episodes[1:-1])
        episodes = np.flatnonzero([not visit.any() for visit in visits])
        if kind == "few_data":
            episodes = np.arange(data.n_episodes // FEW)
        recipe = make_recipe("unfold-ensemble", EmbeddingConfig(latent_dim=2)).scaled(0.02 if quick else 1.0)
        trainer = Trainer(recipe, data, episodes, seed=seed, device=torch.device("cpu"))
        while not trainer.finished:
            trainer.advance()
    return trainer.embedding.eval()


def knows_its_limits(embedding: Embedding, task: Task, rng: np.random.Generator) -> dict[str, float]:
    """Disagreement and one-step error in latent space, inside and outside, and how well the first tells them apart."""
    states, moves = task.system.sample_states(4000, rng), rng.uniform(-1, 1, (4000, 2))
    after = task.system.step(states, moves * task.system.control_limit, rng)
    z, z_after = (encode_means(embedding, task.system.render(x)).astype(np.float64) for x in (states, after))
    members = Ensemble([planning_model(t) for t in (embedding.transition, *embedding.members)])
    predicted = members.predictions(z, moves)
    disagreement = predicted.var(axis=0).sum(axis=-1)
    error = np.linalg.norm(predicted.mean(axis=0) - z_after, axis=-1)
    hole = inside(states)
    # Latents all over a box around the map, and those of them that are far from every encoded image.
    low, high = z.min(axis=0), z.max(axis=0)
    anywhere = rng.uniform(low - (high - low) / 2, high + (high - low) / 2, (1000, z.shape[1]))
    nearest = np.linalg.norm(anywhere[:, None] - z[None, :2000], axis=-1).min(axis=1)
    off = nearest > 0.1 * np.linalg.norm(high - low)
    spread = members.predictions(anywhere, moves[:1000]).var(axis=0).sum(axis=-1)
    return {
        "hole_roc_area": roc_area(disagreement, hole),
        "off_map_roc_area": roc_area(spread, off),
        "error_rank_correlation": float(np.corrcoef(disagreement.argsort().argsort(), error.argsort().argsort())[0, 1]),
        "error_inside_over_outside": float(np.median(error[hole]) / np.median(error[~hole])),
    }


def roc_area(scores: Array, positive: Array) -> float:
    """Chance that a positive scores higher than a negative."""
    return auc(torch.from_numpy(scores[~positive]), torch.from_numpy(scores[positive]))


def across(task: Task, count: int, rng: np.random.Generator) -> list[Problem]:
    """Starts around the hole, each with a goal on the other side."""
    problems: list[Problem] = []
    while len(problems) < count:
        angle = rng.uniform(0, 2 * np.pi)
        away = AROUND * np.array([np.cos(angle), np.sin(angle)])
        ends = np.stack([CENTRE + away, CENTRE - away])
        if not task.system.blocked(ends).any():  # type: ignore[attr-defined]
            problems.append(Problem(ends[0], ends[1]))
    return problems


def means(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Over training seeds: what disagreement knows, and the drives by its weight."""
    numbers = [name for name, value in rows[0].items() if isinstance(value, float)]
    found: dict[str, Any] = {name: float(np.mean([row[name] for row in rows])) for name in numbers}
    for weight, measured in rows[0]["drives"].items():
        found[weight] = {name: float(np.mean([row["drives"][weight][name] for row in rows])) for name in measured}
    return found


def measure(seed: int, kind: str, quick: bool = False) -> dict[str, Any]:
    """Train an ensemble, and drive with each weight of its disagreement."""
    task = make_task(ENVIRONMENT, **({"horizon": 5} if quick else {}))
    embedding = train(seed, kind, quick)
    rng = np.random.default_rng(seed)
    row: dict[str, Any] = {"seed": seed, "kind": kind, **knows_its_limits(embedding, task, rng), "drives": {}}
    count = 2 if quick else 20
    problems = across(task, count, rng) if kind == "hole" else list(task.evaluation_problems(seed, count))
    for weight in WEIGHTS:
        plan = replace(PlanningOptions.for_task(task), disagreement=weight)
        driven = drive(E2CAgent.from_embedding(embedding, plan), task, problems, seed)
        row["drives"][f"{weight:g}"] = {
            "time_in_goal": 100 * float(driven.scores.mean()),
            "arrived": 100 * float(driven.in_goal.any(axis=0).mean()),
            "steps_in_the_hole": 100 * float(inside(driven.states).mean()),
        }
    return row


def by_kind(rows: list[dict[str, Any]]) -> dict[str, Any]:
    found = {kind: [row for row in rows if row["kind"] == kind] for kind in KINDS}
    return {"means": {kind: means(own) for kind, own in found.items() if own}}


EXPERIMENT = Experiment(
    __file__,
    {"seed": (300, 301, 302), "kind": KINDS},
    measure,
    json.dumps,
    lambda: [print(json.dumps(measure(300, kind, quick=True)), flush=True) for kind in KINDS],
    about=by_kind,
)


if __name__ == "__main__":
    EXPERIMENT.main()
