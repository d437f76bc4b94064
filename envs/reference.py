"""Scores of the hand-made controllers, which see the true state: what a planner from pixels is measured against."""

from collections.abc import Sequence

import numpy as np

from e2c_control.envs.system import FloatArray
from e2c_control.envs.task import Controller, Problem, Task


def drive(task: Task, controller: Controller, problems: Sequence[Problem], seed: int = 0) -> FloatArray:
    """Return the states ``(H + 1, P, n)`` of a controller on P problems for one horizon, starts first."""
    rng = np.random.default_rng(seed)
    states = np.stack([problem.start for problem in problems])
    goals = np.stack([problem.goal for problem in problems])
    visited = [states]
    for step in range(task.horizon):
        controls = controller(visited[-1], goals, step, rng)
        visited.append(task.system.step(visited[-1], controls, rng))
    return np.stack(visited)


def time_in_goal(task: Task, states: FloatArray, problems: Sequence[Problem]) -> FloatArray:
    """Return the score of each problem, ``(P,)``: the share of the states after a step that are in the goal region.

    States are ``(H + 1, P, n)``; the first ones, the starts, do not count.
    """
    goals = np.stack([problem.goal for problem in problems])
    inside = np.stack([task.in_goal(now, goals) for now in states[1:]])
    return np.asarray(inside.mean(axis=0))


def reference_scores(task: Task, problems: Sequence[Problem] | None = None, seed: int = 0) -> FloatArray:
    """Return the time in goal of the best reference controller for each problem, ``(P,)``, from 0 to 1.

    It is a lower bound of what is possible, and on the published tasks equal to the best published figure.
    """
    problems = task.evaluation_problems() if problems is None else problems
    runs = [time_in_goal(task, drive(task, reference, problems, seed), problems) for reference in task.references]
    return np.max(runs, axis=0)
