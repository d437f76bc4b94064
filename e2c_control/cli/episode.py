"""One driven episode, as the pictures need it: on one of this project's tasks, or in any other environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from e2c_control.agents import E2CAgent, drive
from e2c_control.data import make_image_env
from e2c_control.data.card import DatasetCard
from e2c_control.envs import Problem, Task
from e2c_control.envs.viewer import Viewer
from e2c_control.errors import InputError
from e2c_control.measures import encode_means
from e2c_control.planners.mpc import Replan, summarise
from e2c_control.runs.atomic import unreadable

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
"""Of goal pictures: plain pixels. Pillow hands some other formats to programs outside."""

MOST_PIXELS = 1 << 25
"""Of a goal picture: its file says how many it has before they are decoded, and may say anything."""


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
        """What TensorBoard shows of all replans, plan/..."""
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


def drive_foreign(agent: E2CAgent, card: DatasetCard, goal: Image | None, steps: int, seed: int) -> Episode:
    """Drive any environment from a reset to a goal frame (H, W, C); without one, to the end of a random rollout."""
    env: Any = make_image_env(card.environment, _stack(agent, card), **card.environment_kwargs)
    channels = card.frame_shape[2]
    goal = _wander(env, steps, seed)[..., -channels:] if goal is None else goal
    agent.set_goal(np.tile(goal, (1, 1, _stack(agent, card))))
    observation, _ = env.reset(seed=seed)
    seen, world, rewards = [observation], [_large(env, observation)], list[float]()
    plans, replans, state = list[Array](), list[Replan](), None
    for _ in range(steps):
        action, state = agent.predict(observation, state)
        observation, reward, terminated, truncated, _ = env.step(action)
        seen.append(observation)
        world.append(_large(env, observation))
        rewards.append(float(reward))
        plans.append(state.plan.states[0])
        replans += [agent.last_replan] if agent.last_replan else []
        if terminated or truncated:
            break
    env.close()
    return Episode(
        world=world,
        seen=np.stack(seen)[..., -channels:],
        goal=goal,
        latents=encode_means(agent.embedding, np.stack(seen)),
        goal_latent=encode_means(agent.embedding, np.tile(goal, (1, 1, _stack(agent, card)))[None])[0],
        plans=plans,
        replans=replans,
        rewards=np.asarray(rewards),
        states=None,
    )


def read_goal(path: Path, frame_shape: tuple[int, int, int]) -> Image:
    """A picture as a frame (H, W, C), shrunk as Gymnasium shrinks what an environment renders.

    Raises:
        InputError: there is none, or it has another shape.
    """
    try:
        with Pillow.open(path, formats=FORMATS) as file:
            if file.width * file.height > MOST_PIXELS:
                raise InputError(
                    f"{path} is {file.width} x {file.height} pixels: give a picture of at most {MOST_PIXELS:,} pixels."
                )
            picture = np.asarray(file.convert("L" if frame_shape[2] == 1 else "RGB"), np.uint8)
    except FileNotFoundError as error:
        raise InputError(f"There is no picture {path}: check the path.") from error
    except PermissionError as error:
        raise unreadable(path, error) from error
    except Pillow.DecompressionBombError as error:
        raise InputError(f"{path} is too large: give a picture of at most {MOST_PIXELS:,} pixels.") from error
    except InputError:
        raise
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise InputError(f"{path} is no picture that can be read: give a PNG.") from error
    height, width, channels = frame_shape
    if picture.shape[0] * width != picture.shape[1] * height:
        raise InputError(
            f"{path} is {picture.shape[1]} x {picture.shape[0]} pixels, frames are {width} x {height}: give a picture "
            "of the same proportions."
        )
    small = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return small.reshape(height, width, channels)


def _stack(agent: E2CAgent, card: DatasetCard) -> int:
    return agent.embedding.observation_shape[2] // card.frame_shape[2]


def _wander(env: Any, steps: int, seed: int) -> Image:
    """The last observation of random actions."""
    rng = np.random.default_rng(seed)
    observation, _ = env.reset(seed=seed + 1)
    for _ in range(steps):
        observation, _, terminated, truncated, _ = env.step(
            rng.uniform(-1, 1, env.action_space.shape).astype(np.float32)
        )
        if terminated or truncated:
            break
    return observation


def _large(env: Any, observation: Image) -> Image:
    """What a human sees: the environment's own picture, or what the agent sees where it draws none."""
    if env.render_mode == "rgb_array":
        return np.asarray(env.render(), np.uint8)
    return observation[..., -1:] if observation.shape[-1] != 3 else observation
