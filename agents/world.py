"""What an agent learns in: an environment, given in any of the ways that users have one, as collecting needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium.vector import SyncVectorEnv, VectorEnv
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from e2c_control.data import make_image_env, make_vector_env
from e2c_control.data.environments import environment_identity, find_spec, is_native
from e2c_control.data.stepper import Starts
from e2c_control.envs import Task, make_task
from e2c_control.errors import InputError
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
        native: whether it is this project's, and can start anywhere.
        task: the task behind it, if it is this project's.
        vectors: makes so many environments that show single frames.
        own: the environments that the user gave, as stable-baselines3 sees them.
    """

    name: str
    frame_shape: tuple[int, int, int]
    frame_stack: int
    action_dim: int
    native: bool
    task: Task | None
    vectors: Callable[[int], Vectors]
    own: Callable[[], VecEnv]

    @property
    def observation_shape(self) -> tuple[int, int, int]:
        """(H, W, stack * C)."""
        height, width, channels = self.frame_shape
        return height, width, channels * self.frame_stack

    @property
    def starts(self) -> Starts:
        """Where episodes of random actions begin: all over the world, if it can do that."""
        return default_starts(self.native)


class _Kept(gymnasium.Wrapper[Any, Any, Any, Any]):
    """A user's environment in a vector of ours, which must not close it."""

    def close(self) -> None:
        pass


def world_of(env: EnvSource, frame_stack: int | None = None) -> World:
    """The world behind an environment id, a Gymnasium environment or vector, or a stable-baselines3 `DummyVecEnv`.

    An id, or an environment of this project, is made anew and collected from as single frames, many at once. Any other
    environment is used as it is: its whole observation counts as one frame.

    Raises:
        InputError: unknown, or nothing that shows images and takes actions in [-1, 1].
    """
    if isinstance(env, str):
        return _from_id(env, {}, frame_stack, None)
    if isinstance(env, gymnasium.Env):
        return _from_env(env, frame_stack)
    if isinstance(env, DummyVecEnv):
        return _from_envs(env.envs, env, frame_stack)
    if isinstance(env, VectorEnv):
        return _as_it_is(env, lambda _: env, _no_vec_env)
    raise InputError(
        f"Cannot collect from a {type(env).__name__}: give an id, a Gymnasium environment or a DummyVecEnv."
    )


def _from_env(env: gymnasium.Env[Any, Any], frame_stack: int | None) -> World:
    return _from_envs([env], None, frame_stack)


def _from_envs(envs: list[gymnasium.Env[Any, Any]], own: DummyVecEnv | None, frame_stack: int | None) -> World:
    vec_env = own or DummyVecEnv([lambda: envs[0]])
    spec, space = envs[0].spec, envs[0].observation_space
    if spec is not None and is_native(spec):
        kwargs = {name: value for name, value in spec.kwargs.items() if name not in _NOT_PHYSICS}
        stack = (space.shape or (1,))[-1] // make_task(spec.id).system.frame_shape[2]
        return _from_id(spec.id, kwargs, stack if frame_stack is None else frame_stack, vec_env)
    vectors = SyncVectorEnv([partial(_Kept, env) for env in envs])
    return _as_it_is(vectors, lambda _: vectors, lambda: vec_env, None if spec is None else spec.id)


def _from_id(env_id: str, kwargs: Mapping[str, Any], frame_stack: int | None, own: VecEnv | None) -> World:
    shown = make_image_env(env_id, frame_stack, **kwargs)
    single = make_image_env(env_id, 1, **kwargs)
    height, width, channels = single.observation_space.shape or (0, 0, 0)
    stack = (shown.observation_space.shape or (1,))[-1] // channels
    native = is_native(env_id)
    return World(
        name=env_id,
        frame_shape=(height, width, channels),
        frame_stack=stack,
        action_dim=(shown.action_space.shape or (0,))[0],
        native=native,
        task=make_task(find_spec(env_id).id, frame_stack=stack, **kwargs) if native else None,
        vectors=lambda count: make_vector_env(env_id, count, frame_stack=1, **kwargs),
        own=lambda: own or DummyVecEnv([lambda: shown]),
    )


def _as_it_is(
    env: Vectors, vectors: Callable[[int], Vectors], own: Callable[[], VecEnv], name: str | None = None
) -> World:
    space, box = cast(Any, env.single_observation_space), cast(Any, env.single_action_space)
    if space.shape is None or len(space.shape) != 3 or space.dtype != np.uint8 or box.shape is None:
        raise InputError(f"The environment shows {space} instead of uint8 (H, W, C): make it with make_image_env.")
    height, width, channels = space.shape
    return World(
        name=name or environment_identity(env)[0],
        frame_shape=(height, width, channels),
        frame_stack=1,
        action_dim=box.shape[0],
        native=is_native(env.unwrapped.spec),
        task=None,
        vectors=vectors,
        own=own,
    )


def _no_vec_env() -> VecEnv:
    raise InputError("A Gymnasium vector has no stable-baselines3 face: make the agent from an id to use callbacks.")
