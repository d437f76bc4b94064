"""The goals of environments that draw one for every episode, as the agent would see them."""

from __future__ import annotations

from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium.vector import SyncVectorEnv, VectorObservationWrapper, VectorWrapper
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from e2c_control.data.foreign import AnyEnv, Vectors
from e2c_control.errors import InputError

GOAL, ELAPSED = "goal_observation", "elapsed_steps"

GoalEnv = AnyEnv | Vectors | VecEnv


class EpisodeGoals:
    """Reads the `goal_observation` of environments at the moment, and which episodes are at their first frame.

    A goal image goes through the same observation wrappers as the frames do.

    Args:
        env: one environment, a Gymnasium vector or a stable-baselines3 vector.

    Raises:
        InputError: the environments have no `goal_observation`.
    """

    def __init__(self, env: GoalEnv) -> None:
        self._env = env
        try:
            self.images()
        except gymnasium.error.ResetNeeded:
            pass  # the goal is drawn by a reset
        except AttributeError as error:
            raise InputError(
                f"The environment has no {GOAL} to follow: call set_goal with an image of the goal."
            ) from error

    def images(self) -> NDArray[np.uint8]:
        """Return the goals (N, H, W, C)."""
        env = self._env
        if isinstance(env, gymnasium.Env):
            return _seen_goal(env)[None]
        if isinstance(env, DummyVecEnv):
            return np.stack([_seen_goal(one) for one in env.envs])
        if isinstance(env, VecEnv):
            return np.stack(env.get_attr(GOAL))
        wrappers, inner = _unwrapped(env, VectorWrapper, GOAL)
        goals: Any = getattr(inner, GOAL, None)
        if goals is None:
            goals = (
                [_seen_goal(one) for one in inner.envs] if isinstance(inner, SyncVectorEnv) else inner.get_attr(GOAL)
            )
        goals = np.asarray(goals)
        for wrapper in reversed(wrappers):
            if isinstance(wrapper, VectorObservationWrapper):
                goals = cast(Any, wrapper).observations(goals)
        return np.asarray(goals)

    def at_start(self) -> NDArray[np.bool_] | None:
        """Return which episodes have taken no step yet (N,); None where the environments do not count their steps.

        A Gymnasium vector that resets in the step after the last one shows an episode's last frame after
        `terminated | truncated`, and the next one's first frame a step later: what it counts itself is right.
        """
        env = self._env
        try:
            if isinstance(env, gymnasium.Env):
                elapsed = env.get_wrapper_attr(ELAPSED)
            elif isinstance(env, VecEnv):
                elapsed = env.get_attr(ELAPSED) if env.has_attr(ELAPSED) else None
            else:
                inner: Any = env.unwrapped
                elapsed = inner.get_attr(ELAPSED) if isinstance(inner, SyncVectorEnv) else getattr(inner, ELAPSED)
        except AttributeError:
            return None
        return None if elapsed is None else np.atleast_1d(np.asarray(elapsed)) == 0


def _seen_goal(env: AnyEnv) -> NDArray[np.uint8]:
    """Return the goal of one environment (H, W, C), as its observation wrappers show it."""
    wrappers, inner = _unwrapped(env, gymnasium.Wrapper, GOAL)
    goal: Any = getattr(inner, GOAL)
    for wrapper in reversed(wrappers):
        if isinstance(wrapper, gymnasium.ObservationWrapper):
            goal = cast(Any, wrapper).observation(goal)
        elif wrapper.observation_space != wrapper.env.observation_space:
            raise InputError(
                f"{type(wrapper).__name__} changes observations, and how it would show the goal is unknown: call "
                "set_goal with an image of the goal as the agent would see it."
            )
    return np.asarray(goal)


def _unwrapped(outer: Any, kind: Any, name: str) -> tuple[list[Any], Any]:
    """Return the wrappers, outermost first, around the first one that has the attribute itself, and that one."""
    wrappers, env = list[Any](), outer
    while isinstance(env, kind) and name not in env.__dict__ and not hasattr(env.__class__, name):
        wrappers.append(env)
        env: Any = env.env
    return wrappers, env
