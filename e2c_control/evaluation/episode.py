"""One driven episode, as the pictures need it: on one of this project's tasks, or in any other environment.

Several goals are driven to one after another. A goal of a task is reached by the task's own test. Elsewhere nobody can
tell, and the next one is due where an agent comes no nearer on its map: `no_nearer`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e2c_control.agents import E2CAgent
from e2c_control.data.environments import ImageEnv, drawn_shape, shape_of
from e2c_control.data.pictures import as_frame, read_picture
from e2c_control.envs import Task
from e2c_control.envs.env import TaskEnv
from e2c_control.envs.viewer import Viewer
from e2c_control.errors import InputError, InputWarning
from e2c_control.evaluation.trained import TrainedRun
from e2c_control.measures import encode_means
from e2c_control.planners.mpc import Replan, summarise

Array = NDArray[np.float64]
Image = NDArray[np.uint8]


PATIENCE, NEARER = 10, 0.01


def no_nearer(distances: Sequence[float]) -> bool:
    """Return whether none of the last 10 distances to a goal is nearer than those before, by 1 % of the first."""
    before, lately = distances[:-PATIENCE], distances[-PATIENCE:]
    return bool(before) and min(lately) >= min(before) - NEARER * distances[0]


@dataclass(frozen=True, eq=False)
class Episode:
    """H steps to one goal, or to G one after another.

    Attributes:
        world: large pictures of the true state, H + 1 of (h, w, 3).
        seen: the newest frame that the agent saw, (H + 1, H, W, C).
        goals: the frames that it was to bring about, (G, H, W, C).
        aims: which of them it drives to at each frame, H + 1 numbers.
        reached: how many it reached, or came as near to as it did.
        latents: encoded observations, (H + 1, k).
        goal_latents: (G, k).
        plans: planned latents of every step, H of (T + 1, k).
        replans: what every replan reported.
        rewards: (H,), of a task whether it is in the goal that it drives to.
        states: true states, (H + 1, n), where they are known.
    """

    world: list[Image]
    seen: Image
    goals: Image
    aims: list[int]
    reached: int
    latents: Array
    goal_latents: Array
    plans: list[Array]
    replans: list[Replan]
    rewards: Array
    states: Array | None

    def scalars(self) -> dict[str, float]:
        """Return what TensorBoard shows of all replans, plan/..."""
        several = {"plan/goals_reached": float(self.reached)} if len(self.goals) > 1 else {}
        return several | summarise(self.replans)

    def nearest(self) -> list[tuple[int, float, float, float]]:
        """Return for each goal driven to the frame nearest to it on the map, and its, the first's, the last's distance.

        Frames count from 0, that of the start. A goal's first frame is the one at which its turn came.
        """
        found: list[tuple[int, float, float, float]] = []
        for aim in range(self.aims[-1] + 1):
            # The frame that reached a goal was driven to it, and stands at the next one's beginning.
            turns = zip(self.aims, [-1, *self.aims[:-1]], strict=True)
            turn = np.flatnonzero([aim in (now, before) for now, before in turns])
            ways = np.linalg.norm(self.latents[turn] - self.goal_latents[aim], axis=1)
            found.append((int(turn[ways.argmin()]), float(ways.min()), float(ways[0]), float(ways[-1])))
        return found


def drive_task(agent: E2CAgent, task: Task, start: Array, goals: Array, seed: int) -> Episode:
    """Drive from a state (n,) of a task to goals (G, n), and draw it."""
    states, viewer = list[Array](), Viewer()
    env = TaskEnv(task)

    def look(observation: Image, info: Mapping[str, Any], aim: int, action: Array) -> Image:
        states.append(info["state"])
        return viewer.picture(task.system.scene(info["state"], goals[aim], action * task.system.control_limit))

    def judge(info: Mapping[str, Any], aim: int, reward: float, distances: Sequence[float]) -> tuple[float, bool]:
        inside = bool(task.in_goal(info["state"][None], goals[aim, None])[0])
        return float(inside), inside

    options: dict[str, object] = {"state": start, "goal": goals[0]}
    targets = task.observe_at_rest(goals)
    episode = _drive(agent, env, options, targets, task.frame_stack, task.horizon, seed, look, judge)
    return replace(episode, states=np.stack(states))


def drive_foreign(agent: E2CAgent, trained: TrainedRun, goals: Sequence[Image], steps: int, seed: int) -> Episode:
    """Drive any environment from a reset to goal frames (H, W, C); without one, to where random actions led."""
    env = trained.make_env()
    channels, stack = trained.card.frame_shape[2], trained.frame_stack
    frames = goals or [_wander(agent, env, steps, seed)[..., -channels:]]
    targets = np.stack([np.tile(frame, (1, 1, stack)) for frame in frames])

    def look(observation: Image, info: Mapping[str, Any], aim: int, action: Array) -> Image:
        return _large(env, observation)

    def judge(info: Mapping[str, Any], aim: int, reward: float, distances: Sequence[float]) -> tuple[float, bool]:
        return reward, no_nearer(distances)

    return _drive(agent, env, None, targets, stack, steps, seed, look, judge)


def _drive(
    agent: E2CAgent,
    env: ImageEnv,
    options: dict[str, object] | None,
    goals: Image,
    stack: int,
    steps: int,
    seed: int,
    look: Callable[[Image, Mapping[str, Any], int, Array], Image],
    judge: Callable[[Mapping[str, Any], int, float, Sequence[float]], tuple[float, bool]],
) -> Episode:
    """Drive from a reset to goals (G, H, W, C * stack), each after the one before is reached.

    Args:
        agent, env, options, goals, stack, steps, seed: who drives where, and where to.
        look: draws an observation with its info, the goal's number, and the action that led there.
        judge: what a step is worth, and whether the goal is reached, from its info, the goal's number, the reward, and
            the distances to that goal on the map so far.
    """
    observation, info = env.reset(seed=seed, options=options)
    goal_latents, aims, reached = encode_means(agent.embedding, goals), [0], 0
    seen, latents = [observation], [encode_means(agent.embedding, observation[None])[0]]
    world = [look(observation, info, 0, np.zeros((agent.embedding.action_dim,)))]
    rewards, plans, replans, distances, state = list[float](), list[Array](), list[Replan](), list[float](), None
    agent.set_goal(goals[0])
    for _ in range(steps):
        action, state = agent.predict(observation, state)
        observation, reward, terminated, truncated, info = env.step(action)
        seen.append(observation)
        latents.append(encode_means(agent.embedding, observation[None])[0])
        plans.append(agent.shown(state)[0])
        replans += [agent.last_replan] if agent.last_replan else []
        distances.append(float(np.linalg.norm(latents[-1] - goal_latents[aims[-1]])))
        worth, done = judge(info, aims[-1], float(reward), distances)
        rewards.append(worth)
        if done and reached == aims[-1]:
            reached, distances = reached + 1, list[float]()
            if reached < len(goals):
                agent.set_goal(goals[reached])
        aims.append(min(reached, len(goals) - 1))
        world.append(look(observation, info, aims[-1], action.astype(np.float64)))
        if terminated or truncated:
            break
    env.close()
    channels = goals.shape[-1] // stack
    return Episode(
        world=world,
        seen=np.stack(seen)[..., -channels:],
        goals=goals[..., -channels:],
        aims=aims,
        reached=reached,
        latents=np.stack(latents),
        goal_latents=goal_latents,
        plans=plans,
        replans=replans,
        rewards=np.asarray(rewards),
        states=None,
    )


def read_goal(path: Path, env: ImageEnv) -> Image:
    """Read a picture as a frame (H, W, C) of an environment, on the way that its own pictures take.

    Args:
        path: the picture.
        env: made by `make_image_env`, showing single frames.

    Raises:
        InputError: there is none, or it has other proportions than frames, and than what the environment draws.
    """
    picture, (height, width, channels) = read_picture(path), shape_of(env)
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


def _wander(agent: E2CAgent, env: ImageEnv, steps: int, seed: int) -> Image:
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


def _large(env: ImageEnv, observation: Image) -> Image:
    """Return what a human sees: the environment's own picture, or what the agent sees where it draws none."""
    if env.render_mode == "rgb_array":
        return np.asarray(env.render(), np.uint8)
    return observation[..., -1:] if observation.shape[-1] != 3 else observation
