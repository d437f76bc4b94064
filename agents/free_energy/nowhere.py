"""In place of the environments that a loaded agent was not given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv

from e2c_control.agents.spaces import Space
from e2c_control.errors import InputError


class Nowhere(VecEnv):
    """Stands for environments that a loaded agent was not given: it has their spaces, and nothing can be done in it."""

    def __init__(self, num_envs: int, observation_space: Space, action_space: Space) -> None:
        self.render_mode = None
        super().__init__(num_envs, observation_space, action_space)

    def reset(self) -> NoReturn:
        raise InputError("This agent has no environment to act in: give load one.")

    def step_async(self, actions: object) -> None:
        self.reset()

    def step_wait(self) -> NoReturn:
        self.reset()

    def close(self) -> None:
        pass

    def get_attr(self, attr_name: str, indices: object = None) -> list[object]:
        return [getattr(self, attr_name)] * self.num_envs

    def set_attr(self, attr_name: str, value: object, indices: object = None) -> None:
        self.reset()

    def env_method(self, method_name: str, *arguments: object, indices: object = None, **options: object) -> NoReturn:
        self.reset()

    def env_is_wrapped(self, wrapper_class: object, indices: object = None) -> list[bool]:
        return [wrapper_class is Monitor] * self.num_envs

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        return [None] * self.num_envs
