"""Transitions written while a policy of stable-baselines3 acts."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from e2c_control.agents.spaces import spaces_of
from e2c_control.data.card import STOPPED, TERMINATED, TRUNCATED
from e2c_control.data.choices import choices_of
from e2c_control.data.collect import warn_of_stillness
from e2c_control.data.controls import check_unit_actions
from e2c_control.data.foreign import as_vector
from e2c_control.data.stepper import paid_rewards
from e2c_control.data.writer import TransitionsWriter

STILL = 1_000
"""Steps after which frames should have changed."""


class Recorder(VecEnvWrapper):
    """Writes the episodes of image environments as single frames, actions, rewards and, where told, true states.

    Stands below all that changes what environments show or pay. A stacked observation's newest frame is kept; where an
    episode ends, that of the terminal observation, not of the reset that follows.

    Args:
        venv: environments with (H, W, stack * C) uint8 observations and actions in [-1, 1].
        channels: C.
        keeps_states: whether the dataset has states.
    """

    def __init__(self, venv: VecEnv, channels: int, keeps_states: bool) -> None:
        super().__init__(venv)
        size, self._choices = check_unit_actions("The environment", spaces_of(venv)[1]), choices_of(spaces_of(venv)[1])
        self.transitions = 0
        """Since recording began."""
        self._writer: TransitionsWriter | None = None
        self._moves = False
        self._channels, self._keeps_states = channels, keeps_states
        self._frames: list[list[NDArray[np.uint8]]] = [[] for _ in range(self.num_envs)]
        self._actions: list[list[NDArray[np.float32]]] = [[] for _ in range(self.num_envs)]
        self._rewards: list[list[np.float32]] = [[] for _ in range(self.num_envs)]
        self._states: list[list[NDArray[np.float64]]] = [[] for _ in range(self.num_envs)]
        self._taken = np.zeros((self.num_envs, size), np.float32)

    def record(self, writer: TransitionsWriter) -> None:
        """Write to a dataset of frames (H, W, C), with states if they are kept, from the next reset on."""
        self._writer, self.transitions = writer, 0
        if not self._keeps_states:
            writer.drop_states()

    def reset(self) -> NDArray[np.uint8]:
        """New episodes everywhere; what there was of the old ones is written."""
        self.flush()
        observations = cast(NDArray[np.uint8], self.venv.reset())
        for i in range(self.num_envs):
            self._begin(i, observations[i])
        return observations

    def step_async(self, actions: NDArray[np.float32]) -> None:
        if self._choices is None:
            self._taken = np.clip(actions, -1.0, 1.0).astype(np.float32)
        else:
            self._taken = self._choices.nearest(actions)
        self.venv.step_async(actions)

    def step_wait(self) -> Any:
        observations, rewards, dones, infos = cast(Any, self.venv.step_wait())
        paid = paid_rewards("The environment", rewards)
        for i, info in enumerate(infos):
            self._actions[i].append(self._taken[i])
            self._rewards[i].append(paid[i])
            self._see(i, info["terminal_observation"] if dones[i] else observations[i], info)
            if dones[i]:
                self._write(i, TRUNCATED if info.get("TimeLimit.truncated") else TERMINATED)
                self._begin(i, observations[i])
        self.transitions += self.num_envs
        if self.transitions >= STILL:
            self._warn_if_still()
        return observations, rewards, dones, infos

    def flush(self) -> None:
        """Write the episodes that are not over; they begin anew with the next reset."""
        if self.transitions:
            self._warn_if_still()
        for i in range(self.num_envs):
            self._write(i)

    def _warn_if_still(self) -> None:
        """Warn once if no frame differed from the one before it."""
        if not self._moves and self._frames[0]:
            self._moves = True
            warn_of_stillness("The environment", self._frames[0][-1])

    def _begin(self, i: int, observation: NDArray[np.uint8]) -> None:
        self._see(i, observation, self.venv.reset_infos[i])

    def _see(self, i: int, observation: NDArray[np.uint8], info: dict[str, Any]) -> None:
        frame = observation[..., -self._channels :].copy()
        if not self._moves and self._frames[i]:
            self._moves = not np.array_equal(frame, self._frames[i][-1])
        self._frames[i].append(frame)
        if not self._keeps_states:
            return
        state = as_vector(info.get("state"))
        if state is not None and np.isfinite(state).all():
            self._states[i].append(state)
        else:  # those that were told before are no use alone
            self._keeps_states = False
            if self._writer is not None:
                self._writer.drop_states()

    def _write(self, i: int, ending: int = STOPPED) -> None:
        # An interruption may have come between an action and what was seen after it.
        seen = min(len(self._frames[i]), len(self._states[i])) if self._keeps_states else len(self._frames[i])
        steps = min(len(self._actions[i]), len(self._rewards[i]), seen - 1)
        if steps > 0 and self._writer is not None:
            actions = np.stack([*self._actions[i][:steps], np.zeros_like(self._taken[i])])
            rewards = np.array([*self._rewards[i][:steps], 0], np.float32) if self._writer.card.rewards else None
            states = np.stack(self._states[i][: steps + 1])[None] if self._keeps_states else None
            self._writer.append(
                np.stack(self._frames[i][: steps + 1])[None],
                actions[None],
                states,
                rewards=None if rewards is None else rewards[None],
                endings=None if rewards is None else [ending],
            )
        for kept in (self._frames[i], self._actions[i], self._rewards[i], self._states[i]):
            kept.clear()
