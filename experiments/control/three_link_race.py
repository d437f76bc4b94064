"""The fewest steps into the goal region of the three-link arm, from its one start: a search over torque sequences.

The cross-entropy method on the true simulator: sequences around the best one so far, the better ones kept, for as many
steps as the best of the hand-made controllers needs, and whenever that succeeds for one step fewer. The references of
the task hold a sequence that it found, rounded to a tenth of a newton metre.

    python -m experiments.control.three_link_race          # four CPU-minutes
    python -m experiments.control.three_link_race --quick  # a few seconds
"""

from __future__ import annotations

import os
import time
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

import numpy as np

from e2c_control import Task, make_task
from e2c_control.envs.reference import drive
from e2c_control.envs.three_link import GOAL_ANGLE, leaning, stands
from e2c_control.envs.three_link_tasks import FoldAndRise
from experiments.runner import measure_whole

SEED, SAMPLES, ELITES = 1, 240, 24
Array = np.ndarray


def missing(task: Task, start: Array, torques: Array) -> Array:
    """By how much the links are outside the goal region in the end, rad, ``(N,)``, for torques ``(N, T, 3)``."""
    states = np.tile(start, (len(torques), 1))
    for step in range(torques.shape[1]):
        states = task.system.step(states, torques[:, step])
    return np.maximum(np.abs(leaning(states.T)) - GOAL_ANGLE, 0.0).sum(axis=0)


def first_torques(task: Task) -> Array:
    """Of the best controller that feels its way, until it is in the goal region, ``(T, 3)``."""
    problem = task.evaluation_problems(n=1)
    runs: list[Array] = []
    for controller in task.references:
        if isinstance(controller, FoldAndRise):
            states = drive(task, controller, problem)[:, 0]
            steps = int(np.argmax(stands(states)))
            goals = np.tile(problem[0].goal, (steps, 1))
            runs.append(controller(states[:steps], goals, 0, np.random.default_rng(0)))
    return min(runs, key=len)


def measure(quick: bool) -> dict[str, Any]:
    """Search until the time is over."""
    task, rng = make_task("E2C/ThreeLink-v0", horizon=40), np.random.default_rng(SEED)
    start, samples = task.evaluation_problems(n=1)[0].start, 20 if quick else SAMPLES
    best = first_torques(task)
    print(f"a controller needs {len(best)} steps", flush=True)
    until, spread, found = time.process_time() + (2 if quick else 240), 0.2, best
    best, least = best[:-1], np.inf
    mean, deviation = best.copy(), np.full_like(best, spread)
    while time.process_time() < until:
        torques = np.clip(mean + deviation * rng.standard_normal((samples, *best.shape)), -1, 1)
        torques[0] = best
        outside = missing(task, start, torques)
        order = np.argsort(outside)[: max(2, samples * ELITES // SAMPLES)]
        if outside[order[0]] < least:
            best, least = torques[order[0]], float(outside[order[0]])
        mean = (mean + torques[order].mean(axis=0)) / 2
        deviation = (deviation + torques[order].std(axis=0)) / 2 + 0.01
        if least == 0:
            print(f"{len(best)} steps will do: {best.T.round(2).tolist()}", flush=True)
            found, best, least = best, best[:-1], np.inf
            mean, deviation = best.copy(), np.full_like(best, spread)
    outside = float(np.degrees(least)) if np.isfinite(least) else None
    return {"steps": len(found), "torques": found.T.tolist(), "one_less_degrees_outside": outside}


def report(result: dict[str, Any]) -> None:
    outside = result["one_less_degrees_outside"]
    how = "not tried before the time was over" if outside is None else f"{outside:.1f} degrees outside at best"
    print(f"{result['steps'] - 1} steps: {how}")


if __name__ == "__main__":
    measure_whole(__file__, measure, report)
