"""What a free-energy agent lives in, given in any of the ways that users have it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn, cast

import gymnasium
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, unwrap_vec_wrapper

from e2c_control.agents.novelty import NoveltyReward
from e2c_control.data.environments import find_spec
from e2c_control.data.foreign import in_a_sentence
from e2c_control.errors import InputError, whole

EnvSource = str | gymnasium.Env[Any, Any] | Callable[[], gymnasium.Env[Any, Any]] | VecEnv


def vectors_of(env: EnvSource, n_envs: int | None, usual: int) -> VecEnv:
    """A vector of environments.

    Args:
        env: a Gymnasium id, a function that makes an environment, an environment, or a vector of stable-baselines3.
        n_envs: how many; must be what a given environment or vector has.
        usual: how many where that was left open.

    Raises:
        InputError: nothing that environments can be made of, or not as many.
    """
    if n_envs is not None:
        n_envs = whole("n_envs", n_envs)
    if isinstance(env, VecEnv | gymnasium.Env):
        venv = env if isinstance(env, VecEnv) else DummyVecEnv([lambda: Monitor(cast(Any, env))])
        if unwrap_vec_wrapper(venv, NoveltyReward) is not None:
            raise InputError("These environments pay for novelty already: give them without NoveltyReward.")
        if n_envs not in (None, venv.num_envs):
            raise InputError(f"{venv.num_envs} environments were given and {n_envs} asked for: give an id, or as many.")
        return venv
    if isinstance(env, str):
        find_spec(env)
    elif not callable(env):
        raise InputError(
            f"An environment is an id, an environment, a vector or a function, not a {type(env).__name__}."
        )
    with in_a_sentence(f"{env if isinstance(env, str) else 'The environment'} cannot be made"):
        return make_vec_env(env, n_envs or usual)


class Nowhere(VecEnv):
    """Stands for environments that a loaded agent was not given: it has their spaces, and nothing can be done in it."""

    def __init__(self, num_envs: int, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
        self.render_mode = None
        super().__init__(num_envs, observation_space, action_space)

    def reset(self) -> NoReturn:
        raise InputError("This agent has no environment to act in: give load one.")

    def step_async(self, actions: Any) -> None:
        self.reset()

    def step_wait(self) -> NoReturn:
        self.reset()

    def close(self) -> None:
        pass

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [getattr(self, attr_name)] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        self.reset()

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> NoReturn:
        self.reset()

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [wrapper_class is Monitor] * self.num_envs

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        return [None] * self.num_envs


def smallest_side(space: spaces.Space[Any]) -> int:
    """Of an image space, in pixels, whichever way its channels stand."""
    return int(np.sort(np.array(space.shape))[-2])
