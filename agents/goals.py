"""Which episodes begin, and to what goals: given to an agent, or drawn by its environments for every episode."""

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


def starting(count: int, before: int | None, episode_start: NDArray[np.generic] | None) -> NDArray[np.bool_]:
    """Return which of the environments (count,) begin an episode.

    Args:
        count: observations.
        before: environments that the given state is of, or none without a state: then all begin.
        episode_start: what was given.

    Raises:
        InputError: they are of other numbers of environments.
    """
    started = np.zeros(count, np.bool_) if episode_start is None else np.asarray(episode_start, np.bool_)
    if started.shape != (count,):
        raise InputError(f"episode_start has shape {started.shape}: give one for each of {count} observations.")
    if before not in (None, count):
        raise InputError(
            f"The state is of {before} environments, but there are {count} observations: pass none at first."
        )
    return started if before is not None else np.ones(count, np.bool_)


def check_goals(goals: NDArray[np.uint8] | None, count: int) -> NDArray[np.uint8]:
    """Return the goals, once there is one for all of the observations (count,), or one for each.

    Raises:
        InputError: there is none, or another number.
    """
    if goals is None:
        raise InputError("The agent has no goal: call set_goal(image) before predict.")
    if len(goals) not in (1, count):
        raise InputError(f"There are {len(goals)} goals and {count} observations: set one goal, or one for each.")
    return goals


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
