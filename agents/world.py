"""What an agent learns in: an environment, given in any of the ways that users have one, as collecting needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import SyncVectorEnv, VectorEnv
from gymnasium.wrappers import FrameStackObservation
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from e2c_control.data import make_image_env, make_vector_env
from e2c_control.data.controls import check_unit_actions
from e2c_control.data.environments import (
    environment_identity,
    stacked,
    task_of,
    user_wrappers,
)
from e2c_control.data.stepper import Starts
from e2c_control.envs import Task
from e2c_control.envs.env import TaskEnv
from e2c_control.envs.vector_env import TaskVectorEnv
from e2c_control.errors import InputError, whole
from e2c_control.training.presets import default_starts

Vectors = VectorEnv[Any, Any, Any]
EnvSource = str | gymnasium.Env[Any, Any] | Vectors | VecEnv

# What an environment of this project is made with and a dataset does not depend on.
_NOT_PHYSICS = ("task", "frame_stack", "render_mode", "goal", "num_envs")


@dataclass(frozen=True, eq=False)
class World:
    """An environment to learn in.

    Attributes:
        name: Gymnasium id, or the class of an environment that has none.
        frame_shape: (H, W, C) of a single frame.
        frame_stack: frames in an observation.
        action_dim: m.
        task: the task behind it, if it is this project's, or the user's own.
        vectors: makes so many environments that show single frames.
        own: the environments that the user gave, as stable-baselines3 sees them.
    """

    name: str
    frame_shape: tuple[int, int, int]
    frame_stack: int
    action_dim: int
    task: Task | None
    vectors: Callable[[int], Vectors]
    own: Callable[[], VecEnv]

    @property
    def observation_shape(self) -> tuple[int, int, int]:
        """(H, W, stack * C)."""
        height, width, channels = self.frame_shape
        return height, width, channels * self.frame_stack

    @property
    def native(self) -> bool:
        """Whether there is a task behind it, so that it can start anywhere."""
        return self.task is not None

    @property
    def starts(self) -> Starts:
        """Where episodes of random actions begin: all over the world, if it can do that."""
        return default_starts(self.native)


class Kept(gymnasium.Wrapper[Any, Any, Any, Any]):
    """A user's environment in a vector of ours, which must not close it."""

    def close(self) -> None:
        pass


def world_of(env: EnvSource, frame_stack: int | None = None) -> World:
    """The world behind an environment id, a Gymnasium environment or vector, or a stable-baselines3 `DummyVecEnv`.

    An id, or an environment of this project with nothing around it, is made anew and collected from as single frames,
    many at once. Any other environment is used as it is, with all its wrappers: what it shows counts as one frame, of
    which `frame_stack` are joined.

    Raises:
        InputError: unknown, nothing that shows images and takes actions in [-1, 1], or it stacks frames by itself,
            other than `frame_stack`.
    """
    frame_stack = None if frame_stack is None else whole("frame_stack", frame_stack)
    if isinstance(env, str):
        return _from_id(env, {}, frame_stack, None)
    if isinstance(env, gymnasium.Env):
        return _from_envs([env], DummyVecEnv([lambda: env]), frame_stack)
    if isinstance(env, DummyVecEnv):
        return _from_envs(env.envs, env, frame_stack)
    if isinstance(env, VectorEnv):
        return _as_it_is(env, frame_stack, None)
    raise InputError(
        f"Cannot collect from a {type(env).__name__}: give an id, a Gymnasium environment or a DummyVecEnv."
    )


def _from_envs(envs: list[gymnasium.Env[Any, Any]], own: DummyVecEnv, frame_stack: int | None) -> World:
    if all(type(env.unwrapped) is TaskEnv and not user_wrappers(env) for env in envs):
        first: Any = envs[0].unwrapped
        made = [None if env.spec is None else (env.spec.id, _physics(env.spec)) for env in envs]
        if made[0] is None and len(envs) == 1:
            return _from_task(first.task, frame_stack, own)
        if made[0] is not None and all(other == made[0] for other in made):
            return _from_id(*made[0], frame_stack or first.task.frame_stack, own)
    return _as_it_is(SyncVectorEnv([partial(Kept, env) for env in envs]), frame_stack, own)


def _physics(spec: EnvSpec) -> dict[str, Any]:
    return {name: value for name, value in spec.kwargs.items() if name not in _NOT_PHYSICS}


def _from_id(env_id: str, kwargs: Mapping[str, Any], frame_stack: int | None, own: VecEnv | None) -> World:
    shown = make_image_env(env_id, frame_stack, **kwargs)
    single = make_image_env(env_id, 1, **kwargs)
    height, width, channels = single.observation_space.shape or (0, 0, 0)
    stack = (shown.observation_space.shape or (1,))[-1] // channels
    return World(
        name=env_id,
        frame_shape=(height, width, channels),
        frame_stack=stack,
        action_dim=(shown.action_space.shape or (0,))[0],
        task=task_of(shown),
        vectors=lambda count: make_vector_env(env_id, count, frame_stack=1, **kwargs),
        own=_showing(shown, own),
    )


def _from_task(task: Task, frame_stack: int | None, own: VecEnv) -> World:
    """A task of the user's own: many environments are made of it."""
    task = task if frame_stack is None else replace(task, frame_stack=frame_stack)
    return World(
        name=TaskEnv.__name__,
        frame_shape=task.system.frame_shape,
        frame_stack=task.frame_stack,
        action_dim=task.system.control_size,
        task=task,
        vectors=lambda count: TaskVectorEnv(replace(task, frame_stack=1), count),
        own=_showing(TaskEnv(task), own),
    )


def _showing(shown: gymnasium.Env[Any, Any], own: VecEnv | None) -> Callable[[], VecEnv]:
    """The user's environments, if they show what the agent sees; others in their place, if they do not."""
    if own is not None and own.observation_space.shape == shown.observation_space.shape:
        return lambda: own
    return lambda: DummyVecEnv([lambda: shown])


def _as_it_is(env: Vectors, frame_stack: int | None, own: DummyVecEnv | None) -> World:
    space, name = cast(Any, env.single_observation_space), environment_identity(env)[0]
    if space.shape is None or len(space.shape) != 3 or space.dtype != np.uint8:
        raise InputError(
            f"The environment shows {space} instead of uint8 (H, W, C): make it with make_image_env, or wrap it."
        )
    box = cast(Any, env.single_action_space)
    check_unit_actions("The environment", box)
    shows = _frames_shown(env)
    if shows > 1 and frame_stack not in (None, shows):
        raise InputError(
            f"The environment shows {shows} frames in an observation already, and frame_stack is {frame_stack}: leave "
            "it out, or make the environment show one."
        )
    stack = frame_stack if frame_stack is not None and shows == 1 else 1
    height, width, channels = space.shape
    task = task_of(env)
    return World(
        name=name,
        frame_shape=(height, width, channels),
        frame_stack=stack,
        action_dim=box.shape[0],
        task=task,
        vectors=lambda _: env,
        own=_no_vec_env if own is None else partial(_stacking, own, stack),
    )


def _frames_shown(env: Any) -> int:
    """How many frames an environment, or one of a vector, joins in an observation by itself, as far as one can see."""
    if isinstance(env, VectorEnv):
        inner: Any = cast(Any, env).unwrapped
        env = inner.envs[0] if isinstance(inner, SyncVectorEnv) else inner
    while isinstance(env, gymnasium.Wrapper):
        if isinstance(env, FrameStackObservation):
            return int(cast(Any, env).stack_size)
        env = cast(Any, env).env
    task = task_of(env)
    return 1 if task is None else int(task.frame_stack)


def _stacking(own: DummyVecEnv, stack: int) -> VecEnv:
    return own if stack == 1 else DummyVecEnv([partial(stacked, env, stack) for env in own.envs])


def _no_vec_env() -> VecEnv:
    raise InputError("A Gymnasium vector has no stable-baselines3 face: make the agent from an id to use callbacks.")
