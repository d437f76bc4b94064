"""A replay buffer whose bonus does not go stale: it is scored anew whenever a transition is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

from e2c_control.agents.novelty.memory import Cut
from e2c_control.agents.novelty.reward import Elsewhere, NoveltyReward
from e2c_control.errors import InputError
from e2c_control.runs.stateful import Groups, State
from e2c_control.runs.typed_json import fields_from

COLUMNS = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts", "ages")
"""What is kept of each transition."""


class NoveltyReplayBuffer(ReplayBuffer):
    """Keeps what the environment paid, and adds the bonus that the model of now gives.

    `SAC("MlpPolicy", env, replay_buffer_class=NoveltyReplayBuffer, replay_buffer_kwargs={"source": env})`, with `env`
    a `NoveltyReward`. It is saved without its source, which has a `save` of its own: what stable-baselines3 loads has
    the source of the environments in which it then learns.

    Args:
        source: what pays the bonus; none for the outermost `NoveltyReward` that a `NoveltyCallback` finds.
        arguments, options: of stable-baselines3's `ReplayBuffer`.

    Raises:
        InputError: what the algorithm sees is not what the source scores.
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space[object],
        action_space: spaces.Space[object],
        *arguments: Any,
        source: NoveltyReward | Elsewhere | None = None,
        optimize_memory_usage: bool = False,
        **options: Any,
    ) -> None:
        if optimize_memory_usage:
            raise InputError("A NoveltyReplayBuffer keeps next observations: leave optimize_memory_usage out.")
        super().__init__(buffer_size, observation_space, action_space, *arguments, **options)
        self._source: NoveltyReward | None = None
        if source is not None and not isinstance(source, Elsewhere):
            self.source = source
        self.ages = np.zeros((self.buffer_size, self.n_envs), np.int64)
        """Actions since the episode's start, of next observations."""

    @property
    def source(self) -> NoveltyReward:
        """The `NoveltyReward` that pays the bonus."""
        if self._source is None:
            raise InputError(
                "This NoveltyReplayBuffer does not know yet what pays the bonus: give learn a NoveltyCallback()."
            )
        return self._source

    @source.setter
    def source(self, source: NoveltyReward) -> None:
        if not isinstance(cast(Any, source), NoveltyReward):
            raise InputError(f"The source of a NoveltyReplayBuffer is a NoveltyReward, not a {type(source).__name__}.")
        shape = self.observation_space.shape
        if shape is None or not source.frame_code.takes(shape):
            raise InputError(
                f"The algorithm sees {shape} and its NoveltyReward {source.observation_space.shape}, so that nothing "
                "can be scored anew: put what changes observations below, as in NoveltyReward(VecFrameStack(env, 4))."
            )
        self._source = source

    def settle(self, outermost: NoveltyReward) -> None:
        """Take what pays the algorithm for the source, unless there is one.

        Raises:
            InputError: there is another one.
        """
        if self._source is None:
            self.source = outermost
        if self.source is not outermost:
            raise InputError(
                "The replay buffer's source is not the outermost NoveltyReward of the environments that are learnt in: "
                "set model.replay_buffer.source to that one."
            )

    def state(self) -> State:
        """Return the transitions that it holds."""
        filled = self.buffer_size if self.full else self.pos
        columns = {name: torch.from_numpy(getattr(self, name)[:filled].copy()) for name in COLUMNS}
        return State({"replay": columns}, {"pos": int(self.pos), "full": bool(self.full)})

    def restore(self, tensors: Groups, meta: Mapping[str, object], /) -> None:
        """Go on from what `state` returned; ValueError if that is not what `meta` says."""
        where, columns = fields_from({"pos": int, "full": bool}, meta, "replay"), tensors["replay"]
        filled = self.buffer_size if where["full"] else where["pos"]
        for name in COLUMNS:
            if len(columns[name]) != filled:
                raise ValueError(f"its replay buffer has {len(columns[name])} {name}, not {filled}")
            getattr(self, name)[:filled] = columns[name].numpy()
        self.pos, self.full = where["pos"], where["full"]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_source": None}

    def add(
        self,
        obs: NDArray[np.generic],
        next_obs: NDArray[np.generic],
        action: NDArray[np.generic],
        reward: NDArray[np.generic],
        done: NDArray[np.generic],
        infos: list[dict[str, object]],
    ) -> None:
        """Add a step of every environment, as in stable-baselines3; what was paid for it is in `infos`."""
        self.ages[self.pos] = self.source.ages
        super().add(obs, next_obs, action, np.array([info["extrinsic"] for info in infos]), done, infos)

    def _get_samples(self, batch_inds: NDArray[np.int64], env: VecNormalize | None = None) -> ReplayBufferSamples:
        envs = np.random.randint(0, high=self.n_envs, size=(len(batch_inds),))  # noqa: NPY002, as the class above does
        at = (batch_inds, envs)
        bonus = self.source.bonus(self.source.novelty.score(*self._windows(batch_inds, envs)))
        rewards = self.source.weights.reward(self.rewards[at], bonus)
        parts = (
            self._normalize_obs(self.observations[at], env),
            self.actions[at],
            self._normalize_obs(self.next_observations[at], env),
            (self.dones[at] * (1 - self.timeouts[at])).reshape(-1, 1),
            self._normalize_reward(rewards.reshape(-1, 1), env),
        )
        return ReplayBufferSamples(*(self.to_torch(cast(Any, part)) for part in parts))

    def _windows(self, rows: NDArray[np.int64], envs: NDArray[np.int64]) -> Cut:
        """Return windows that end with the next observations of some transitions.

        They are filled up with the first frame of the episode, or of what the buffer still has of it.
        """
        k, code = self.source.novelty.layout.window, self.source.frame_code
        written = self.buffer_size if self.full else self.pos
        newer = (self.pos - 1 - rows) % self.buffer_size
        reach = np.minimum(self.ages[rows, envs] - 1, written - 1 - newer)
        frames, actions = [code.encode(self.next_observations[rows, envs])], list[NDArray[np.float32]]()
        for back in range(k - 1):
            there = (rows - np.minimum(back, reach)) % self.buffer_size
            frames.insert(0, code.encode(self.observations[there, envs]))
            act = self.source.action_code.from_replay(self.actions[there, envs])
            actions.insert(0, act * (back <= reach)[:, None])
        size = self.source.action_code.size
        none = np.zeros((len(rows), 0, size), np.float32)
        return np.stack(frames, axis=1), np.stack(actions, axis=1) if actions else none
