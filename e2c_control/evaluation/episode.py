"""One driven episode, as the pictures need it: on one of this project's tasks, or in any other environment."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e2c_control.agents import E2CAgent
from e2c_control.data.environments import drawn_shape
from e2c_control.data.pictures import as_frame, read_picture
from e2c_control.envs import Problem, Task
from e2c_control.envs.viewer import Viewer
from e2c_control.errors import InputError, InputWarning
from e2c_control.evaluation import drive
from e2c_control.evaluation.trained import TrainedRun
from e2c_control.measures import encode_means
from e2c_control.planners.mpc import Replan, summarise

Array = NDArray[np.float64]
Image = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Episode:
    """H steps to one goal.

    Attributes:
        world: large pictures of the true state, H + 1 of (h, w, 3).
        seen: the newest frame that the agent saw, (H + 1, H, W, C).
        goal: the frame that it was to bring about, (H, W, C).
        latents: encoded observations, (H + 1, k).
        goal_latent: (k,).
        plans: planned latents of every step, H of (T + 1, k).
        replans: what every replan reported.
        rewards: (H,).
        states: true states, (H + 1, n), where they are known.
    """

    world: list[Image]
    seen: Image
    goal: Image
    latents: Array
    goal_latent: Array
    plans: list[Array]
    replans: list[Replan]
    rewards: Array
    states: Array | None

    def scalars(self) -> dict[str, float]:
        """Return what TensorBoard shows of all replans, plan/..."""
        return summarise(self.replans)


def drive_task(agent: E2CAgent, task: Task, problem: Problem, seed: int) -> Episode:
    """Drive one problem of a task, and draw it."""
    driven = drive(agent, task, [problem], seed)
    states = driven.states[:, 0]
    controls = np.concatenate([driven.actions[:1, 0] * 0.0, driven.actions[:, 0]]) * task.system.control_limit
    viewer = Viewer()
    scenes = (task.system.scene(state, problem.goal, u) for state, u in zip(states, controls, strict=True))
    return Episode(
        world=[viewer.picture(scene) for scene in scenes],
        seen=task.system.render(states),
        goal=task.system.render(problem.goal[None])[0],
        latents=driven.latents[:, 0],
        goal_latent=driven.goals[0],
        plans=[plan[0] for plan in driven.plans],
        replans=driven.replans,
        rewards=driven.in_goal[:, 0].astype(np.float64),
        states=states,
    )


def drive_foreign(agent: E2CAgent, trained: TrainedRun, goal: Image | None, steps: int, seed: int) -> Episode:
    """Drive any environment from a reset to a goal frame (H, W, C); without one, to where random actions led."""
    env: Any = trained.make_env()
    channels, stack = trained.card.frame_shape[2], trained.frame_stack
    goal = _wander(agent, env, steps, seed)[..., -channels:] if goal is None else goal
    agent.set_goal(np.tile(goal, (1, 1, stack)))
    observation, _ = env.reset(seed=seed)
    seen, world, rewards = [observation], [_large(env, observation)], list[float]()
    plans, replans, state = list[Array](), list[Replan](), None
    for _ in range(steps):
        action, state = agent.predict(observation, state)
        observation, reward, terminated, truncated, _ = env.step(action)
        seen.append(observation)
        world.append(_large(env, observation))
        rewards.append(float(reward))
        plans.append(agent.shown(state)[0])
        replans += [agent.last_replan] if agent.last_replan else []
        if terminated or truncated:
            break
    env.close()
    return Episode(
        world=world,
        seen=np.stack(seen)[..., -channels:],
        goal=goal,
        latents=encode_means(agent.embedding, np.stack(seen)),
        goal_latent=encode_means(agent.embedding, np.tile(goal, (1, 1, stack))[None])[0],
        plans=plans,
        replans=replans,
        rewards=np.asarray(rewards),
        states=None,
    )


def read_goal(path: Path, env: Any) -> Image:
    """Read a picture as a frame (H, W, C) of an environment, on the way that its own pictures take.

    Args:
        path: the picture.
        env: made by `make_image_env`, showing single frames.

    Raises:
        InputError: there is none, or it has other proportions than frames, and than what the environment draws.
    """
    picture, (height, width, channels) = read_picture(path), env.observation_space.shape
    if channels not in (1, 3):
        raise InputError(f"Frames have {channels} channels, more than a picture: set the goal in Python (set_goal).")
    sizes = {(height, width), drawn_shape(env)}
    if not any(picture.shape[0] * w == picture.shape[1] * h for h, w in sizes):
        known = " or ".join(f"{w} x {h}" for h, w in sorted(sizes))
        raise InputError(
            f"{path} is {picture.shape[1]} x {picture.shape[0]} pixels: give a picture of the proportions {known}."
        )
    if picture.ndim == 2 and channels == 3:
        said = f"{path} is grey, and the environment is seen in colours: the goal is as grey as the picture."
        warnings.warn(said, InputWarning, stacklevel=2)
    return as_frame(picture, (height, width, channels))


def _wander(agent: E2CAgent, env: Any, steps: int, seed: int) -> Image:
    """Return what random actions lead to farthest from the start, by the agent's map."""
    rng = np.random.default_rng([seed, 1])
    observation, _ = env.reset(seed=seed)
    seen = [observation]
    for _ in range(steps):
        action = np.asarray(rng.uniform(-1, 1, env.action_space.shape), np.float32)
        observation, _, terminated, truncated, _ = env.step(action)
        if terminated:  # such as a pole that fell
            break
        seen.append(observation)
        if truncated:
            break
    latents = encode_means(agent.embedding, np.stack(seen))
    return seen[int(np.linalg.norm(latents - latents[0], axis=1).argmax())]


def _large(env: Any, observation: Image) -> Image:
    """Return what a human sees: the environment's own picture, or what the agent sees where it draws none."""
    if env.render_mode == "rgb_array":
        return np.asarray(env.render(), np.uint8)
    return observation[..., -1:] if observation.shape[-1] != 3 else observation
