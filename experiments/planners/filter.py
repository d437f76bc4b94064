"""What a Kalman filter between the frames and the planner is worth under process noise, on a trained planar model.

The agent either trusts each encoded frame, or fuses it with what the model predicted, N(A mu + B u + o, A S A' + C).
The filter's variances are measured on random moves in the noisy world, without true states. All agents drive the same
problems under the same disturbances, at 0, 1 and 2 pixels of process noise: the differences are paired, their standard
error counts lists of ten problems, each with its own disturbances. A second filter trusts the frames ten times more
than measured: an encoder errs in the same way wherever it sees the same, which a filter takes for chance. Beside the
time in goal, the error of the latents that are planned from: the distance to a smooth map of true positions, a
polynomial of degree 9 fitted to the latents of random places, in units of what a move by one pixel changes.

    python -m experiments.planners.filter          # trains first, then some minutes
    python -m experiments.planners.filter --run runs/Planar-v0/NAME --out mine.json
    python -m experiments.planners.filter --quick  # a moment of training, writes nothing
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

import numpy as np

from e2c_control import E2CAgent, Embedding, PlanningOptions, Transitions, collect, drive, make_task, make_vector_env
from e2c_control.agents import FrameFilter
from e2c_control.evaluation import Drive
from e2c_control.measures import encode_means
from experiments.planners.replan import ENVIRONMENT, planar_embedding
from experiments.runner import measure_whole

NOISES, FIRST_SEED, DEGREE = (0.0, 1.0, 2.0), 200, 9
Array = np.ndarray


def measured_filter(embedding: Embedding, noise: float, transitions: int) -> FrameFilter:
    """From random moves in a world with this noise."""
    with tempfile.TemporaryDirectory() as folder:
        environments = make_vector_env(ENVIRONMENT, 100, frame_stack=1, noise=noise)
        collect(environments, Path(folder) / "data", transitions, 10, starts="sampled", seed=FIRST_SEED)
        dataset = Transitions.open(Path(folder) / "data")
        return FrameFilter.measured(embedding, dataset, np.arange(dataset.n_episodes))


def smooth_map(embedding: Embedding, places: int) -> tuple[Callable[[Array], Array], float]:
    """True positions (..., 2) to latents (..., 2) without the camera's grain, and how far a pixel moves a latent."""
    system = make_task(ENVIRONMENT).system
    states = system.sample_states(places, np.random.default_rng(FIRST_SEED))

    def powers(x: Array) -> Array:
        first, second = (x[..., :1] / 20 - 1, x[..., 1:] / 20 - 1)
        return np.concatenate([first**i * second**j for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)], axis=-1)

    weights = np.linalg.lstsq(powers(states), encode_means(embedding, system.render(states)), rcond=None)[0]
    moved = [(powers(states + shift) - powers(states - shift)) @ weights for shift in 0.5 * np.eye(2)]
    return lambda x: powers(x) @ weights, float(np.mean([np.linalg.norm(change, axis=1).mean() for change in moved]))


def latent_error(driven: Drive, ideal: Callable[[Array], Array]) -> float:
    """Root mean square distance of the latents that were planned from, after the first, to those of a smooth map."""
    planned = np.stack([plan[:, 0] for plan in driven.plans[1:]])
    return float(np.sqrt(((planned - ideal(driven.states[1:-1])) ** 2).sum(axis=-1).mean()))


def paired(embedding: Embedding, noise: float, seeds: list[int], filtered: FrameFilter, quick: bool) -> dict[str, Any]:
    """All agents on the same lists of problems under the same disturbances."""
    ideal, pixel = smooth_map(embedding, 500 if quick else 5000)
    task = make_task(ENVIRONMENT, noise=noise, **({"horizon": 5} if quick else {}))
    plain = PlanningOptions.for_task(task)
    sharper = replace(filtered, frame_variance=tuple(0.1 * value for value in filtered.frame_variance))
    ways = {
        "frame": plain,
        "filter": replace(plain, frame_filter=filtered),
        "filter_frames_trusted_tenfold": replace(plain, frame_filter=sharper),
    }
    scores: dict[str, list[float]] = {name: [] for name in ways}
    errors: dict[str, list[float]] = {name: [] for name in ways}
    for seed in seeds:
        problems = task.evaluation_problems(seed, 2 if quick else 10)
        for name, options in ways.items():
            driven = drive(E2CAgent.from_embedding(embedding, options), task, problems, seed)
            scores[name].append(100 * float(driven.scores.mean()))
            errors[name].append(latent_error(driven, ideal) / pixel)
    return {
        "noise_pixels": noise,
        "frame_variance": filtered.frame_variance,
        "process_variance": filtered.process_variance,
        "variance_of_a_pixel": pixel**2,
        "time_in_goal": {name: float(np.mean(values)) for name, values in scores.items()},
        "gain": {name: gain(scores[name], scores["frame"]) for name in ways if name != "frame"},
        "latent_error_pixels": {name: float(np.mean(values)) for name, values in errors.items()},
        "seeds": seeds,
        "scores": scores,
    }


def gain(scores: list[float], others: list[float]) -> dict[str, float]:
    """Mean paired difference and its standard error."""
    difference = np.subtract(scores, others)
    return {"mean": float(difference.mean()), "standard_error": float(difference.std(ddof=1) / len(difference) ** 0.5)}


@dataclass(frozen=True)
class Options:
    run: Path | None = None
    """a finished planar run; default: train one"""
    seed: int = 0
    """of the training"""
    lists: int = 20
    """of ten problems each, from seed 200 on"""


def measure(quick: bool, run: Path | None, seed: int, lists: int) -> dict[str, Any]:
    """Measure a filter at each noise, and drive with and without it."""
    embedding = planar_embedding(run, seed, quick)
    seeds = [FIRST_SEED + i for i in range(2 if quick else lists)]
    rows: list[dict[str, Any]] = []
    for noise in NOISES:
        found = measured_filter(embedding, noise, 500 if quick else 5000)
        rows.append(paired(embedding, noise, seeds, found, quick))
        print({key: value for key, value in rows[-1].items() if key not in ("seeds", "scores")}, flush=True)
    return {"noises": rows, "training_seed": None if run else seed}


if __name__ == "__main__":
    measure_whole(__file__, measure, options=Options)
