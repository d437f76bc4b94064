"""Driving an agent through a list of problems, all at once, and scoring what it did."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2c_control.agents.e2c_agent import E2CAgent, PlanState
from e2c_control.envs import Problem, Task
from e2c_control.envs.vector_env import TaskVectorEnv
from e2c_control.fields import Seed, checked
from e2c_control.measures import encode_means, resemblance
from e2c_control.planners.mpc import Replan


@dataclass(frozen=True, eq=False)
class Drive:
    """What happened in N episodes of H steps.

    Attributes:
        states: true states, (H + 1, N, n).
        latents: encoded observations, (H + 1, N, k).
        goals: encoded goals, (N, k).
        actions: (H, N, m).
        in_goal: membership after each step, (H, N).
        resemblance: of each image seen after a step to the goal's image, in [0, 1], (H, N).
        plans: the planned latents of each step, H arrays (N, T + 1, k).
        replans: what each replan reported.
        cpu_seconds: of each decision for one episode, encoding included, in the mean, (H,).
    """

    states: NDArray[np.float64]
    latents: NDArray[np.float64]
    goals: NDArray[np.float64]
    actions: NDArray[np.float32]
    in_goal: NDArray[np.bool_]
    resemblance: NDArray[np.float64]
    plans: list[NDArray[np.float64]]
    replans: list[Replan]
    cpu_seconds: NDArray[np.float64]

    @property
    def scores(self) -> NDArray[np.float64]:
        """Share of steps in the goal region, the protocol's score, (N,)."""
        return self.in_goal.mean(0)


@checked
def drive(agent: E2CAgent, task: Task, problems: Sequence[Problem], seed: Seed = 0) -> Drive:
    """Let the agent drive every problem of a task, seeing images alone.

    Args:
        agent: its goal is set to the images of the problems' goals.
        task: where.
        problems: starts and goals.
        seed: of the environments' process noise.
    """
    env = TaskVectorEnv(task, len(problems))
    starts, goals = (np.stack(part) for part in zip(*problems, strict=True))
    observations, info = env.reset(seed=seed, options={"state": starts, "goal": goals})
    goal_images = task.observe_at_rest(goals)
    agent.set_goal(goal_images)
    states, latents = [info["state"]], [encode_means(agent.embedding, observations)]
    actions: list[NDArray[np.float32]] = []
    in_goal: list[NDArray[np.bool_]] = []
    alike: list[NDArray[np.float64]] = []
    plans: list[NDArray[np.float64]] = []
    replans: list[Replan] = []
    cpu_seconds = np.empty(task.horizon)
    state: PlanState | None = None
    for t in range(task.horizon):
        begun = time.process_time()
        action, state = agent.predict(observations, state)
        cpu_seconds[t] = (time.process_time() - begun) / len(problems)
        observations, reward, _, _, info = env.step(action)
        states.append(info["state"])
        latents.append(encode_means(agent.embedding, observations))
        actions.append(action)
        in_goal.append(np.asarray(reward) > 0)
        alike.append(resemblance(agent.embedding, observations, goal_images))
        plans.append(agent.shown(state))
        if agent.last_replan is not None:
            replans.append(agent.last_replan)
    env.close()
    return Drive(
        np.stack(states),
        np.stack(latents),
        encode_means(agent.embedding, goal_images),
        np.stack(actions),
        np.stack(in_goal),
        np.stack(alike),
        plans,
        replans,
        cpu_seconds,
    )
