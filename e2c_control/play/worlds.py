"""Where a session happens: one of this project's tasks, or any other environment that shows images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from e2c_control.data.environments import ImageEnv
from e2c_control.envs import Task
from e2c_control.envs.env import TaskEnv
from e2c_control.envs.options import check_alike, given_goals
from e2c_control.envs.scene import Path
from e2c_control.envs.viewer import MARGIN, Viewer
from e2c_control.errors import LARGEST_COUNT, InputError
from e2c_control.figures.colours import value_colours
from e2c_control.figures.latent_map import is_plane, map_colours

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

ENDLESS = LARGEST_COUNT
TRAIL = 40
FAINT = (150, 150, 148)


@dataclass(frozen=True, eq=False)
class Goal:
    """What to bring about: its observation at rest (H, W, stack * C), and its state (n,) where that is known."""

    observation: Image
    state: Array | None = None


@dataclass(frozen=True, eq=False)
class Known:
    """Frames from all over a world, which make its map and can be goals.

    Attributes:
        observations: (N, H, W, stack * C).
        at_rest: the newest frame of each, as often as an observation holds frames, (N, H, W, stack * C).
        colours: of their dots on the map, (N, 3) or (N, 4) in [0, 1].
        meaning: what the colours say.
        channels: of a single frame.
        states: true states (N, n), where they are known.
    """

    observations: Image
    at_rest: Image
    colours: Array
    meaning: str
    channels: int
    states: Array | None = None

    @classmethod
    def of_task(cls, task: Task, observations: Image, states: Array) -> Known:
        """Coloured by true state."""
        varying = task.system.varying(states)
        meaning = "place" if is_plane(varying) else task.system.state_names[0]
        colours = np.asarray(map_colours(varying, len(states)), np.float64)
        return cls(observations, task.observe_at_rest(states), colours, meaning, task.system.frame_shape[2], states)

    @classmethod
    def by_wandering(cls, env: ImageEnv, channels: int, count: int, seed: int) -> Known:
        """Return what random actions lead to, coloured by the environment's own reward."""
        rng, seen, rewards = np.random.default_rng(seed), list[Image](), list[float]()
        env.reset(seed=seed)
        for _ in range(count):
            action = rng.uniform(-1, 1, env.action_space.shape).astype(np.float32)
            observation, reward, terminated, truncated, _ = env.step(action)
            seen.append(observation)
            rewards.append(float(reward))
            if terminated or truncated:
                env.reset()
        frames = np.stack(seen)
        at_rest = np.tile(frames[..., -channels:], (1, 1, 1, frames.shape[-1] // channels))
        return cls(frames, at_rest, value_colours(np.asarray(rewards), cyclic=False)[0], "reward", channels)

    def goal(self, index: int) -> Goal:
        """Return one of them as a goal."""
        return Goal(self.at_rest[index], None if self.states is None else self.states[index])


class World(Protocol):
    """What a session needs of it.

    Attributes:
        title: its name.
        known: frames of it.
        frames_per_second: how fast it goes by itself.
        observation: what the agent sees now, (H, W, stack * C).
        goal: what to drive to.
    """

    title: str
    known: Known
    frames_per_second: int
    observation: Image
    goal: Goal

    @property
    def in_goal(self) -> bool | None:
        """Whether the goal is reached now; none where nobody can tell."""
        ...

    def reset(self) -> None:
        """Begin anew, with the same goal."""
        ...

    def step(self, action: NDArray[np.float32]) -> bool:
        """Take an action (m,) in [-1, 1]; returns whether the episode ended, and another one has begun."""
        ...

    def steered(self, right: int, down: int) -> NDArray[np.float32]:
        """Return the action of arrow keys, each -1, 0 or 1; raise `InputError` where two keys cannot say what to do."""
        ...

    def picture(self) -> Image:
        """Return what a person sees, (h, w, 3) or (h, w, 1)."""
        ...

    def goal_at(self, x: float, y: float) -> Goal:
        """Return the goal of a click into the picture, in fractions of its sides; raise `InputError` if it is none."""
        ...


class TaskWorld:
    """A task of this project, in an episode without end; process noise and start come from the seed.

    Where a state has constants, such as a layout of walls, they are those of the known states.
    """

    def __init__(self, task: Task, known: Known, seed: int) -> None:
        self.task, self.title, self.known = task, task.id, known
        self.frames_per_second = task.system.frames_per_second
        self._env, self._viewer = TaskEnv(replace(task, horizon=ENDLESS)), Viewer()
        states = known.states if task.system.constants else None
        self._options: dict[str, object] = {} if states is None else {"goal": states[0]}
        self.observation, info = self._env.reset(seed=seed, options=self._options)
        self.state: Array = info["state"]
        self.goal = self.goal_of(info["goal"])
        self._control = np.zeros(task.system.control_size)
        self._trail = [self.state]

    @property
    def in_goal(self) -> bool | None:
        assert self.goal.state is not None
        return bool(self.task.in_goal(self.state[None], self.goal.state[None])[0])

    def reset(self) -> None:
        self.observation, info = self._env.reset(options=self._options)
        self.state, self._control = info["state"], 0.0 * self._control
        self._trail = [self.state]

    def step(self, action: NDArray[np.float32]) -> bool:
        self.observation, _, _, _, info = self._env.step(action)
        self.state, self._control = info["state"], action * self.task.system.control_limit
        self._trail = [*self._trail[-TRAIL:], self.state]
        return False

    def steered(self, right: int, down: int) -> NDArray[np.float32]:
        return _steered(self.task.system.control_size, right, down if self._is_place else -down)

    def picture(self) -> Image:
        assert self.goal.state is not None
        system = self.task.system
        scene = [*system.scene(self.state, self.goal.state, self._control)]
        if self._is_place:
            points = tuple(
                (place[1] / system.frame_shape[1], place[0] / system.frame_shape[0]) for place in self._trail
            )
            scene.insert(0, Path(points, 0.005, FAINT))
        return self._viewer.picture(scene)

    def goal_at(self, x: float, y: float) -> Goal:
        system = self.task.system
        if not self._is_place:
            raise InputError("A place in this picture is no state: click on the latent map.")
        inside = (np.array([y, x]) - MARGIN) / (1 - 2 * MARGIN)
        state = np.concatenate((inside * np.array(system.frame_shape[:2]), self.state[2:]))
        if not system.contains(state[None])[0]:
            raise InputError("Nothing can stand there: click on a free place.")
        return self.goal_of(state)

    @property
    def _is_place(self) -> bool:
        return self.task.system.background(self.state) is not None

    def goal_of(self, state: ArrayLike) -> Goal:
        """Return a state (n,) as a goal; raise `InputError` if there is none like it in this world."""
        states = given_goals(self.task, np.asarray(state, np.float64), 1)
        check_alike(self.task, self.state[None], states)
        return Goal(self.task.observe_at_rest(states)[0], states[0])


class GymWorld:
    """Any environment that `make_image_env` makes; its own picture where it draws one, what the agent sees if not."""

    in_goal = None

    def __init__(self, title: str, env: ImageEnv, known: Known, seed: int) -> None:
        self.title, self.known, self._env = title, known, env
        self.frames_per_second = int(env.metadata.get("render_fps", 25))
        self.observation, _ = env.reset(seed=seed)
        self.goal = known.goal(int(np.random.default_rng(seed).integers(len(known.observations))))

    def reset(self) -> None:
        self.observation, _ = self._env.reset()

    def step(self, action: NDArray[np.float32]) -> bool:
        self.observation, _, terminated, truncated, _ = self._env.step(action)
        if terminated or truncated:
            self.reset()
        return bool(terminated or truncated)

    def steered(self, right: int, down: int) -> NDArray[np.float32]:
        return _steered((self._env.action_space.shape or (0,))[0], right, -down)

    def picture(self) -> Image:
        if self._env.render_mode == "rgb_array":
            return np.asarray(self._env.render(), np.uint8)
        return self.observation[..., -self.known.channels :]

    def goal_at(self, x: float, y: float) -> Goal:
        raise InputError("A place in this picture is no state: click on the latent map.")


def _steered(action_dim: int, right: int, second: int) -> NDArray[np.float32]:
    if action_dim > 2:
        raise InputError(f"Arrow keys say two things at once, and this world wants {action_dim}: let the agent drive.")
    return np.array([right] if action_dim == 1 else [second, right], np.float32)
