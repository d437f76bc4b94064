"""Vector environments as a collection sees them: every autoreset mode alike, every frame checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from e2c_control.data.card import STOPPED, TERMINATED, TRUNCATED
from e2c_control.data.controls import check_unit_actions, single_spaces
from e2c_control.data.environments import bad_frames
from e2c_control.data.foreign import Vectors, as_vectors
from e2c_control.data.policy import Policy, UniformPolicy
from e2c_control.errors import InputError, in_a_sentence
from e2c_control.fields import conform

Starts = Literal["reset", "sampled"]
Mask = NDArray[np.bool_]


class Stepper:
    """The environments and the policy: resets, steps, and what comes out of them, checked."""

    def __init__(self, vector_env: Vectors, name: str, starts: Starts, policy: Policy | None) -> None:
        self._vector_env = vector_env
        self.action_dim = check_unit_actions(name, single_spaces(vector_env)[1])
        self.mode = AutoresetMode(vector_env.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP))
        # Where an environment resets itself, it starts as a reset does: that is only asked for with starts="reset".
        self.restarts = starts == "reset" or self.mode is AutoresetMode.DISABLED
        self._name = name
        self._starts = starts
        self._policy = policy or UniformPolicy(self.action_dim)
        self._rng: np.random.Generator  # from `begin` on
        self._has_states: bool | None = None  # from the first reset on
        self._state_dim: int | None = None
        self._first: NDArray[np.uint8] | None = None
        self.moves = False
        """Whether any frame differed from the first one so far."""

    def begin(self, seed: int, number: int) -> tuple[NDArray[np.uint8], NDArray[np.float64] | None]:
        """Reset all environments, and the policy's generator, for the round of that number, counted from 0."""
        env_seed, policy_seed = np.random.SeedSequence([seed, number]).spawn(2)
        self._rng = np.random.default_rng(policy_seed)
        return self.reset(int(env_seed.generate_state(1)[0]) >> 1)

    def reset(
        self, seed: int | None = None, mask: Mask | None = None
    ) -> tuple[NDArray[np.uint8], NDArray[np.float64] | None]:
        """Reset all environments, or those in ``mask``; returns frames (N, H, W, C) and states (N, n) or None."""
        options: dict[str, object] = {} if self._starts == "reset" else {"start": self._starts}
        if mask is not None:
            options["reset_mask"] = mask
        with in_a_sentence(f"{self._name} failed in reset"):
            frames, info = self._vector_env.reset(seed=seed, options=options or None)
        if self._has_states is None:
            self._has_states = "state" in info
        return self._checked(frames), self._states(info, mask)

    def act(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Choose actions (N, m) in [-1, 1]."""
        actions = conform(NDArray[np.float64], self._policy(frames, self._rng), "The policy's actions")
        expected = self._vector_env.action_space.shape
        if actions.shape != expected or not np.isfinite(actions).all():
            raise InputError(f"The policy gave actions of shape {actions.shape} or not finite, {expected} is needed.")
        return np.clip(actions, -1, 1).astype(np.float32, copy=False)

    def step(self, actions: NDArray[np.float32]) -> "Step":
        """Take one step of all environments."""
        with in_a_sentence(f"{self._name} failed in step"):
            frames, paid, terminated, truncated, info = self._vector_env.step(actions)
        frames, rewards = self._checked(frames), paid_rewards(self._name, paid)
        endings = np.where(terminated, TERMINATED, np.where(truncated, TRUNCATED, STOPPED)).astype(np.uint8)
        ended, states = endings != STOPPED, self._states(info)
        if self.mode is not AutoresetMode.SAME_STEP or not ended.any():
            return Step(frames, states, frames, states, rewards, endings)
        # The environments that ended show their next first frame already; their last one is in the info.
        last_frames = frames.copy()
        last_frames[ended] = np.stack(list(info["final_obs"][ended]))
        last_states = None if states is None else states.copy()
        if last_states is not None:
            final = self._states(info["final_info"], ended)
            if final is None:
                return Step(last_frames, None, frames, None, rewards, endings)
            last_states[ended] = final[ended]
        return Step(last_frames, last_states, frames, states, rewards, endings)

    def _checked(self, frames: NDArray[np.generic]) -> NDArray[np.uint8]:
        expected = self._vector_env.observation_space.shape or ()
        if frames.dtype != np.uint8 or frames.shape != expected:
            raise bad_frames(self._name, frames, expected)
        pixels = frames.astype(np.uint8, copy=False)
        if self._first is None:
            self._first = pixels[0].copy()
        self.moves = self.moves or bool((pixels != self._first).any())
        return pixels

    def _states(self, info: Mapping[str, object], mask: Mask | None = None) -> NDArray[np.float64] | None:
        """Return states (N, n) while all, or those in ``mask``, are vectors of numbers; none ever after one is not."""
        if not self._has_states:
            return None
        told = np.asarray(info.get("_state", True)) | (False if mask is None else ~mask)
        states = as_vectors(info.get("state"), mask)
        if states is None or not np.all(told) or states.shape[1] != (self._state_dim or states.shape[1]):
            self._has_states = False
            return None
        self._state_dim = states.shape[1]
        return states


def paid_rewards(name: str, paid: object) -> NDArray[np.float32]:
    """Return the rewards (N,) that environments of that name paid; raise `InputError` if one is no finite number."""
    with np.errstate(over="ignore"):
        rewards = conform(NDArray[np.float64], paid, f"The rewards of {name}").astype(np.float32)
    if not np.isfinite(rewards).all():
        raise InputError(f"{name} paid a reward of {rewards[~np.isfinite(rewards)][0]}: make its rewards finite.")
    return rewards


@dataclass(frozen=True)
class Step:
    """Where a step led: `frames` and `states` end the transition, `next_*` begin the following one.

    `rewards` (N,) were paid for it, and `endings` (N,) say how it ended an episode, `STOPPED` where it did not.
    """

    frames: NDArray[np.uint8]
    states: NDArray[np.float64] | None
    next_frames: NDArray[np.uint8]
    next_states: NDArray[np.float64] | None
    rewards: NDArray[np.float32]
    endings: NDArray[np.uint8]

    @property
    def ended(self) -> Mask:
        """Which episodes ended."""
        return self.endings != STOPPED
