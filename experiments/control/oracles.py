"""Ceilings of the tasks: time in goal of controllers that see the true state, with the protocol's problems.

The hand-made references of each task, and the project's planners on the true simulator: replanned after every step
with the protocol's planning horizon, and with its four iterations. iLQR minimises the protocol's cost, the squared
distance of the features of a state to the goal's and the squared control; iCEM minimises what is scored, the steps
outside the goal region, with a little of the distance so that it knows where to go. The oracle of a problem is the best
of all.

    python -m experiments.control.oracles                   # writes results/oracles.json, task by task
    python -m experiments.control.oracles --tasks E2C/ThreeLink-v0  # one of them
    python -m experiments.control.oracles --quick           # a few steps of two tasks, writes nothing
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

import numpy as np

from e2c_control import ICEM, ILQR, MPC, FunctionDynamics, Limits, Planner, Task, make_task
from e2c_control.envs import Problem, task_ids
from e2c_control.envs.reference import reference_scores, time_in_goal
from e2c_control.planners import FunctionCost, Starts
from experiments.runner import Experiment, result_file, stored

SAME = {"E2C/ThreeLinkFine-v0": "E2C/ThreeLink-v0"}  # but for the picture, which nobody here looks at
QUICK = ("E2C/Planar-v0", "E2C/CartPoleBalance-v0")
SEED = 0
Array = np.ndarray


def protocol_cost(task: Task, goals: Array) -> FunctionCost:
    """q |f(s) - f(goal)|^2 + r |u|^2 over the steps, f the features, and the last state with weight q."""
    wanted = task.system.features(goals)

    def distance(states: Array, problems: Array) -> Array:
        return task.q * np.sum((task.system.features(states) - wanted[problems]) ** 2, axis=1)

    return FunctionCost(lambda s, u, p: distance(s, p) + task.r * np.sum(u**2, axis=1), distance)


def score_cost(task: Task, goals: Array) -> FunctionCost:
    """Steps outside the goal region, and a hundredth of the squared distance of the features."""
    wanted = task.system.features(goals)

    def missed(states: Array, problems: Array) -> Array:
        outside = 1.0 - task.in_goal(states, goals[problems])
        return outside + 0.01 * np.sum((task.system.features(states) - wanted[problems]) ** 2, axis=1)

    return FunctionCost(lambda s, u, p: missed(s, p), missed)


PLANNERS: dict[str, tuple[Planner, Callable[[Task, Array], FunctionCost]]] = {
    "iLQR, protocol's cost": (ILQR(iterations=4, starts=Starts(1, 1, 1), step_sizes=(1.0, 0.3, 0.1)), protocol_cost),
    "iCEM, score": (ICEM(iterations=4, samples=100, elites=10, color=1.0), score_cost),
}


def planned_scores(task: Task, name: str, problems: list[Problem]) -> Array:
    """Time in goal of a planner that replans after every step, for each problem."""
    planner, cost = PLANNERS[name]
    system, rng = task.system, np.random.default_rng(SEED)
    states, goals = (np.stack([getattr(problem, part) for problem in problems]) for part in ("start", "goal"))
    dynamics = FunctionDynamics(system.step, system.state_size, system.control_size)
    limits = Limits(-system.control_limit, system.control_limit)
    mpc = MPC(planner, dynamics, cost(task, goals), task.planning_horizon, limits)
    visited, plan = [states], None
    for left in range(task.horizon, 0, -1):
        plan, _ = mpc.replan(visited[-1], plan, left, rng)
        visited.append(system.step(visited[-1], plan.controls[:, 0]))
    return time_in_goal(task, np.stack(visited), problems)


def measure(task: Task) -> dict[str, Any]:
    """Scores in per cent of all that see the state, each problem once: a task may have the same one ten times."""
    problems = list(task.evaluation_problems())
    rows = np.stack([np.concatenate(problem) for problem in problems])
    _, first, again = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    different = [problems[index] for index in first]
    scores: dict[str, Array] = {"hand-made": reference_scores(task, different)}
    seconds: dict[str, float] = {}
    for name in PLANNERS:
        begun = time.process_time()
        scores[name] = planned_scores(task, name, different)
        seconds[name] = round(time.process_time() - begun, 1)
        print(f"{task.id:<24} {name:<22} {100 * scores[name].mean():5.1f}  {seconds[name]:.0f} CPU-s", flush=True)
    scores["oracle"] = np.max(list(scores.values()), axis=0)
    per_problem = {name: (100 * values[again.ravel()]).round(2) for name, values in scores.items()}
    mean = {name: round(float(values.mean()), 2) for name, values in per_problem.items()}
    print(f"{task.id:<24} hand-made {mean['hand-made']:.1f}, oracle {mean['oracle']:.1f}", flush=True)
    return {
        "mean": mean,
        "per_problem": {name: values.tolist() for name, values in per_problem.items()},
        "planner_cpu_seconds": seconds,
    }


def measure_task(task: str) -> dict[str, Any]:
    """Measure a task, or take the row of the same one."""
    same = (row for row in stored(result_file(__file__)) if row["task"] == SAME.get(task))
    return {**(next(same, None) or measure(make_task(task))), "task": task}


def quick() -> None:
    for task_id in QUICK:
        measure(replace(make_task(task_id), horizon=3, planning_horizon=3))


EXPERIMENT = Experiment(
    __file__,
    {"task": task_ids()},
    measure_task,
    "{task} is done",
    quick,
    about=lambda rows: {"seed": SEED},
    order=lambda row: list(task_ids()).index(row["task"]),
    threads=None,
)


if __name__ == "__main__":
    EXPERIMENT.main()
