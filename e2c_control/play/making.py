"""A session with a trained run, and a film of one without a window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from e2c_control.envs import Task
from e2c_control.errors import InputError
from e2c_control.evaluation.picturing import sample_views
from e2c_control.evaluation.trained import TrainedRun
from e2c_control.play.session import Press, Session
from e2c_control.play.worlds import GymWorld, Known, TaskWorld

KNOWN, GOALS = 700, 3


def task_session(
    trained: TrainedRun,
    task: Task,
    goals: Sequence[float] = (),
    seed: int = 0,
    planning: Mapping[str, object] | None = None,
) -> Session:
    """Return a session in a task of this project, without end.

    Args:
        trained: the run that plans.
        task: where.
        goals: states one after another, as many numbers for each as a state has.
        seed: of start, process noise, and goals that nobody chose.
        planning: see `TrainedRun.agent`.
    """
    size = task.system.state_size
    if len(goals) % size:
        raise InputError(f"--goal-state has {len(goals)} numbers: give {size} for each goal.")
    agent = trained.agent(task, seed, planning)
    agent.options = replace(agent.options, episode_steps=None)
    state = task.system.sample_states(1, np.random.default_rng(seed))[0]
    known = Known.of_task(task, *sample_views(task, KNOWN, np.random.default_rng(seed), state))
    world = TaskWorld(task, known, seed)
    return Session(agent, world, [world.goal_of(state) for state in np.reshape(goals, (-1, size))], seed, trained)


def foreign_session(trained: TrainedRun, seed: int = 0, planning: Mapping[str, object] | None = None) -> Session:
    """Return a session in a run's environment that is not one of this project's, known by what random actions show."""
    agent, card = trained.agent(None, seed, planning), trained.card
    env = trained.make_env()
    known = Known.by_wandering(env, card.frame_shape[2], KNOWN, seed)
    return Session(agent, GymWorld(card.environment, env, known, seed), seed=seed, run=trained)


def record(session: Session, steps: int, goals: int = 0) -> list[NDArray[np.uint8]]:
    """Return frames of a drive of so many steps, shared equally among its goals; `GOALS` of them, unless given."""
    goals = min(goals or GOALS, steps)
    changes = {steps * goal // goals for goal in range(1, goals)}
    frames = [session.frame()]
    for step in range(steps):
        if step in changes:
            session.handle(Press("goal"))
        session.advance()
        frames.append(session.frame())
    return frames
