"""Acting in environments, with the noise of every action kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import obs_as_tensor
from stable_baselines3.common.vec_env import VecEnv

from e2c_control.agents.policy_gradient.actions import action_distribution_at, look, sample
from e2c_control.agents.policy_gradient.rollout import NoiseBuffer
from e2c_control.agents.spaces import Shown, Space, bounds_of, check_finite, spaces_of

if TYPE_CHECKING:
    from e2c_control.agents.policy_gradient.algorithm import PolicyGradient

Step = tuple[Shown, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]

ACTING, TRAINING, SURROGATE = range(3)
"""Random numbers have generators of their own: what one part draws changes nothing for the others."""


def collect(
    model: PolicyGradient, env: VecEnv, callback: BaseCallback, rollout_buffer: NoiseBuffer, n_rollout_steps: int
) -> bool:
    """Fill the buffer by acting, as `OnPolicyAlgorithm.collect_rollouts` does.

    What a callback finds in `locals` has the names that it has there; values and log-probabilities are in the buffer
    when the rollout ends.

    Returns:
        Whether to go on: False where a callback asked to stop.

    Raises:
        InputError: the environment gave a reward or an observation that is not finite.
    """
    model.policy.set_training_mode(False)
    rollout_buffer.reset()
    callback.on_rollout_start()
    n_steps, ended = 0, 0
    unknown = torch.zeros(env.num_envs)
    enough = np.inf if model.n_episodes is None else model.n_episodes * env.num_envs
    last: Any = model._last_obs  # pyright: ignore[reportPrivateUsage]
    starts = cast(NDArray[np.bool_], model._last_episode_starts)  # pyright: ignore[reportPrivateUsage]
    while n_steps < n_rollout_steps and ended < enough:
        with torch.no_grad():
            obs_tensor = obs_as_tensor(last, model.device)
            action, noise = sample(action_distribution_at(model.policy, obs_tensor), model.generators[ACTING])
        actions = action.cpu().numpy()
        clipped_actions = _within_bounds(actions, spaces_of(model)[1])
        new_obs, rewards, dones, infos = cast(Step, env.step(clipped_actions))
        check_finite("reward", rewards, model.num_timesteps)
        check_finite("observation", new_obs, model.num_timesteps)
        model.num_timesteps += env.num_envs
        n_steps += 1
        ended += int(np.sum(dones))
        callback.update_locals(locals())
        if not callback.on_step():
            return False
        model._update_info_buffer(infos, dones)  # pyright: ignore[reportPrivateUsage]
        paid = _with_values_of_the_cut_off(model, rewards, dones, infos)
        rollout_buffer.add(last, actions, paid, starts, unknown, unknown, noise=noise)
        last, starts = new_obs, dones
        model._last_obs, model._last_episode_starts = new_obs, dones  # pyright: ignore[reportPrivateUsage]
    rollout_buffer.close()
    with torch.no_grad():
        # All at once, since the policy did not move: a pass for each step would cost half of a small network's time.
        rollout = rollout_buffer.whole()
        seen = look(model.policy, rollout.observations)
        rollout_buffer.judge(seen.values, seen.distribution.log_prob(rollout.actions))
        values = model.policy.predict_values(obs_as_tensor(last, model.device))  # pyright: ignore[reportArgumentType]
    rollout_buffer.compute_returns_and_advantage(last_values=values, dones=starts)
    callback.update_locals(locals())
    callback.on_rollout_end()
    return True


def _within_bounds(actions: NDArray[np.generic], space: Space) -> NDArray[np.generic]:
    """Return actions as the environment takes them; those of a Box may lie outside."""
    if not isinstance(space, spaces.Box):
        return actions
    return np.clip(actions.reshape(-1, *space.shape), *bounds_of(space))


def _with_values_of_the_cut_off(
    model: PolicyGradient, rewards: NDArray[np.float32], dones: NDArray[np.bool_], infos: list[dict[str, Any]]
) -> NDArray[np.float32]:
    """Return rewards, plus the value of the last observation where a time limit ended the episode."""
    paid = np.array(rewards, dtype=np.float32)
    for i in np.flatnonzero(dones):
        last = infos[i].get("terminal_observation")
        if last is not None and infos[i].get("TimeLimit.truncated", False):
            with torch.no_grad():
                value = model.policy.predict_values(model.policy.obs_to_tensor(last)[0])
            paid[i] += model.gamma * float(value)
    return paid
