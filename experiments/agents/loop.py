"""The loop: what curiosity gathers trains an embedding, whose planner then swings up the under-actuated pendulum.

E2C/PendulumPump-v0 from images. One embedding each, the recipe `unfold` as the benchmark trains it, on equal numbers of
transitions:

- random: uniformly random actions, from where resets put the pendulum: at the bottom;
- explored: by `e2c explore --sight plain --limit 5`, from the same resets, without any reward of the environment;
- whitened, interrupted: the same by a policy that sees images whitened, with a checkpoint half-way, which ends all
  episodes just when the first of them get up;
- limit 50, interrupted: so too, and with more paid for pixels that are seldom lit, which is the command's default;
- sampled: random actions in short episodes from states drawn all over the world, which a real system cannot do.

Receding-horizon iLQR then drives the ten problems of the protocol from images alone. How much of the plane of angle and
rate each data set covers, and how often it saw the rod upright, stands beside the scores.

    python -m experiments.agents.loop          # 5 seeds; writes results/loop.{json,png}
    python -m experiments.agents.loop --seeds 100 --problems 100 --out tuning.json
    python -m experiments.agents.loop --quick  # seconds, writes nothing

Seeds 0-4 and the problems of seed 2020 are run once, last; tuning uses others.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

import numpy as np

from e2c_control import (
    E2CAgent,
    PlanningOptions,
    Task,
    TrainConfig,
    Transitions,
    TransitionsWriter,
    collect,
    drive,
    make_recipe,
    make_task,
    make_vector_env,
    train,
)
from e2c_control.cli.explore import Explore
from e2c_control.data.defaults import EPISODE_LENGTH
from e2c_control.data.shards import Shard
from e2c_control.envs.reference import reference_scores
from e2c_control.envs.task import PROTOCOL_SEED
from e2c_control.figures.canvas import BLUE, FAINT, GREEN, INK, ORANGE, PURPLE, dress, new_figure, to_image
from e2c_control.measures import measure_map
from e2c_control.runs.folder import RunFolder
from e2c_control.runs.versions import package_versions, source_commit
from e2c_control.tables import table
from e2c_control.training.presets import default_embedding
from experiments.agents.coverage import Array, Visits, pump
from experiments.agents.coverage import median_interval as interval
from experiments.runner import Experiment

RESULTS = Path(__file__).parent / "results"

ENVIRONMENT = "E2C/PendulumPump-v0"
TASK = make_task(ENVIRONMENT)
TRANSITIONS = 20_000
ENVIRONMENTS = 16
EXPLORING: dict[str, dict[str, Any]] = {
    "explored": {"sight": "plain", "limit": 5.0},
    "whitened, interrupted": {"limit": 5.0, "checkpoint_every": 10_000},
    "limit 50, interrupted": {"checkpoint_every": 10_000},
}
WAYS = {"random": ORANGE, "explored": BLUE, **dict.fromkeys(list(EXPLORING)[1:], PURPLE), "sampled": GREEN}


def gather(way: str, seed: int, count: int, folder: Path) -> tuple[Transitions, int]:
    """A way's transitions, and how many steps of the environment they took."""
    if way in EXPLORING:
        how: Any = {"out": folder / "all", "runs": folder / "runs", **EXPLORING[way]}
        Explore(env=ENVIRONMENT, steps=count, n_envs=ENVIRONMENTS, seed=seed, **how)()
        explored = Transitions.open(folder / "all")
        return newest(explored, count, folder / "kept"), explored.n_transitions
    sampled = way == "sampled"
    environments = make_vector_env(ENVIRONMENT, 256 if sampled else ENVIRONMENTS, frame_stack=1)
    data = collect(
        environments,
        folder / "data",
        count,
        EPISODE_LENGTH["sampled"] if sampled else TASK.horizon,
        starts="sampled" if sampled else "reset",
        seed=seed,
    )
    environments.close()
    return data, count


def newest(data: Transitions, count: int, path: Path) -> Transitions:
    """The last so many transitions: of the first episode that has any of them, what is left of it."""
    whole, left, kept = Shard.read(data.path), count, list[slice]()
    for begin, end in reversed(list(zip(whole.episodes[:-1], whole.episodes[1:], strict=True))):
        steps = min(int(end - begin) - 1, left)
        if steps:
            kept.append(slice(int(end) - steps - 1, int(end)))
        left -= steps
    assert whole.states is not None
    with TransitionsWriter.create(path, data.card.without(rewards=True), expected_frames=count + len(kept)) as writer:
        for rows in reversed(kept):
            writer.append(whole.frames[None, rows], whole.actions[None, rows], whole.states[None, rows])
    return Transitions.open(path)


def measure(
    way: str, seed: int, problems: int, transitions: int = TRANSITIONS, steps_scale: float = 1.0, task: Task = TASK
) -> dict[str, Any]:
    """Gather, train, drive."""
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        data, taken = gather(way, seed, transitions, folder)
        gathered = time.process_time()
        assert data.states is not None
        assert data.n_transitions == transitions
        visits = Visits(pump())
        visits.add(np.array(data.states))
        recipe = make_recipe("unfold", default_embedding(data.card.frame_shape, task=TASK)).scaled(steps_scale)
        config = TrainConfig(data.path, ENVIRONMENT, recipe, seed, device="cpu", threads=1)
        embedding = train(RunFolder.create(folder / "runs", ENVIRONMENT, config, "loop"), config)
        trained = time.process_time()
        _, held_out = data.split(config.held_out, seed=0)
        quality = measure_map(embedding, data, held_out, features=TASK.system.features).scalars()
    listed = task.evaluation_problems(problems)
    driven = drive(E2CAgent.from_embedding(embedding, PlanningOptions.for_task(task)), task, listed)
    return {
        "way": way,
        "seed": seed,
        "scores": driven.scores.tolist(),
        "oracle": reference_scores(task, listed).tolist(),
        "transitions": transitions,
        "environment_steps": taken,
        "cells": visits.share(),
        "upright": visits.there / visits.steps,
        "visits": visits.counts.tolist(),
        "map": quality,
        "gather_cpu_seconds": gathered - begun,
        "train_cpu_seconds": trained - gathered,
        "drive_cpu_seconds": time.process_time() - trained,
        "commit": source_commit(),
        "versions": package_versions(),
        "machine": platform.machine(),
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Of each way, medians over seeds with their intervals: percent of steps upright, and of cells seen."""
    found: dict[str, Any] = {}
    for way in WAYS:
        own = [row for row in rows if row["way"] == way]
        if own:
            found[way] = {
                "seeds": len(own),
                "score": interval([100 * float(np.mean(row["scores"])) for row in own]),
                "cells": interval([100 * row["cells"] for row in own]),
                "upright": interval([100 * row["upright"] for row in own]),
                "oracle": 100 * float(np.mean(own[0]["oracle"])),
            }
    return found


def report(rows: list[dict[str, Any]]) -> None:
    lines = [("data", "seeds", "score, median", "95 %", "worst", "cells seen", "frames upright")]
    for way, entry in summary(rows).items():
        score = entry["score"]
        lines.append(
            (
                way,
                str(entry["seeds"]),
                f"{score['median']:.1f}",
                f"{score['low']:.1f} to {score['high']:.1f}",
                f"{score['least']:.1f}",
                f"{entry['cells']['median']:.0f} %",
                f"{entry['upright']['median']:.1f} %",
            )
        )
    print(table(lines), flush=True)


def picture(rows: list[dict[str, Any]]) -> Any:
    """Where the frames of the first seed's data are, above the scores, every seed a dot."""
    figure = new_figure(1200, 760)
    ways = [way for way in WAYS if any(row["way"] == way for row in rows)]
    places = figure.subplot_mosaic([ways, ["scores"] * len(ways)], height_ratios=[1.0, 0.9])
    world = pump()
    (left, bottom), (right, top) = world.low, world.high
    for way in ways:
        own = next(row for row in rows if row["way"] == way)
        counts = np.array(own["visits"], float).T
        shown: Array = np.where(counts > 0, np.log10(np.maximum(counts, 1.0)), np.nan)
        places[way].imshow(shown, extent=(left, right, bottom, top), origin="lower", aspect="auto", cmap="viridis")
        dress(places[way], f"{way}\n{own['cells']:.0%} of the cells", *TASK.system.state_names)
        for edge in (-np.pi / 6, np.pi / 6):  # between them it is upright
            places[way].axvline(edge, color=INK, linestyle=":", linewidth=1)
    axes = places["scores"]
    for line, way in enumerate(reversed(ways)):
        scores = np.array([100 * np.mean(row["scores"]) for row in rows if row["way"] == way])
        axes.plot(scores, np.full(len(scores), line), "o", color=WAYS[way], alpha=0.6, markersize=9, clip_on=False)
        axes.plot([np.median(scores)] * 2, [line - 0.25, line + 0.25], color=WAYS[way], linewidth=3)
    best = 100 * float(np.mean(rows[0]["oracle"]))
    axes.axvline(best, color=INK, linestyle="--", linewidth=1)
    axes.text(best - 0.5, len(ways) - 0.55, "hand-made, sees the state", ha="right", va="center", color=INK, fontsize=9)
    axes.set_yticks(range(len(ways)), list(reversed(ways)))
    axes.set_xlim(0, 100 * 0.8)
    axes.set_ylim(-0.6, len(ways) - 0.4)
    axes.grid(axis="x", color=FAINT, linewidth=0.4, alpha=0.6)
    dress(axes, "Swing-up from images: every seed, and the median", "% of steps upright")
    return to_image(figure)


@dataclass(frozen=True)
class Options:
    problems: int = PROTOCOL_SEED
    """seed of the list of problems"""


def told(row: dict[str, Any]) -> str:
    return f"{row['way']}, seed {row['seed']}: {100 * np.mean(row['scores']):.1f} %, {row['cells']:.0%} of the cells"


def quick() -> None:
    short = replace(TASK, horizon=5, planning_horizon=10)
    rows = [measure(way, 100, 100, 1_000, 0.005, short) for way in WAYS]
    report(rows)
    picture(rows)


EXPERIMENT = Experiment(
    __file__,
    {"seed": range(5), "way": WAYS},
    measure,
    told,
    quick,
    summary,
    report,
    picture,
    about=lambda rows: {"environment": ENVIRONMENT},
    order=lambda row: (row["seed"], list(WAYS).index(row["way"])),
    options=Options,
    shared=("problems",),
)


if __name__ == "__main__":
    EXPERIMENT.main()
