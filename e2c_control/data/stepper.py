"""Vector environments as a collection sees them: every autoreset mode alike, all that is shown checked."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from e2c_control.data.card import STOPPED, TERMINATED, TRUNCATED
from e2c_control.data.choices import choices_of
from e2c_control.data.controls import check_unit_actions, single_spaces
from e2c_control.data.environments import bad_frames
from e2c_control.data.foreign import Vectors, as_vectors
from e2c_control.data.policy import Policy, Remembers, Shown, uniform_policy
from e2c_control.data.senses import IMAGE, VECTOR, Senses
from e2c_control.errors import InputError, in_a_sentence
from e2c_control.fields import conform, is_mapping

Starts = Literal["reset", "sampled"]
Mask = NDArray[np.bool_]


class Stepper:
    """The environments and the policy: resets, steps, and what comes out of them, checked."""

    def __init__(self, vector_env: Vectors, name: str, starts: Starts, policy: Policy | None) -> None:
        self._vector_env = vector_env
        space, actions = single_spaces(vector_env)
        self.action_dim, self.choices = check_unit_actions(name, actions), choices_of(actions)
        senses = Senses.of(space)
        assert senses is not None, space
        self.senses = senses
        self.mode = AutoresetMode(vector_env.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP))
        # Where an environment resets itself, it starts as a reset does: that is only asked for with starts="reset".
        self.restarts = starts == "reset" or self.mode is AutoresetMode.DISABLED
        self._name = name
        self._starts = starts
        self._policy = policy or uniform_policy(self.action_dim, self.choices)
        self._rng: np.random.Generator  # from `begin` on
        self._has_states: bool | None = None  # from the first reset on
        self._state_dim: int | None = None
        self._first: tuple[NDArray[np.uint8], NDArray[np.float32] | None] | None = None
        self.moves = False
        """Whether any frame differed from the first one so far."""

    def begin(self, seed: int, number: int) -> "Sight":
        """Reset all environments, and the policy's generator, for the round of that number, counted from 0."""
        env_seed, policy_seed = np.random.SeedSequence([seed, number]).spawn(2)
        self._rng = np.random.default_rng(policy_seed)
        return self.reset(int(env_seed.generate_state(1)[0]) >> 1)

    def reset(self, seed: int | None = None, mask: Mask | None = None) -> "Sight":
        """Reset all environments, or those in ``mask``."""
        options: dict[str, object] = {} if self._starts == "reset" else {"start": self._starts}
        if mask is not None:
            options["reset_mask"] = mask
        with in_a_sentence(f"{self._name} failed in reset"):
            shown, info = self._vector_env.reset(seed=seed, options=options or None)
        if self._has_states is None:
            self._has_states = "state" in info
        return self._seen(shown, self._states(info, mask))

    def act(self, sight: "Sight", fresh: Mask) -> NDArray[np.float32]:
        """Choose actions (N, m) in [-1, 1], or one-hot; who remembers is told which episodes begin, (N,)."""
        if isinstance(self._policy, Remembers):
            self._policy.begin(fresh)
        actions = conform(NDArray[np.float64], self._policy(sight.shown, self._rng), "The policy's actions")
        expected = self._vector_env.action_space.shape
        if actions.shape != expected or not np.isfinite(actions).all():
            raise InputError(f"The policy gave actions of shape {actions.shape} or not finite, {expected} is needed.")
        if self.choices is not None:
            return self.choices.nearest(actions)
        return np.clip(actions, -1, 1).astype(np.float32, copy=False)

    def step(self, actions: NDArray[np.float32]) -> "Step":
        """Take one step of all environments."""
        with in_a_sentence(f"{self._name} failed in step"):
            shown, paid, terminated, truncated, info = self._vector_env.step(actions)
        rewards = paid_rewards(self._name, paid)
        endings = np.where(terminated, TERMINATED, np.where(truncated, TRUNCATED, STOPPED)).astype(np.uint8)
        ended, begun = endings != STOPPED, self._seen(shown, self._states(info))
        if self.mode is not AutoresetMode.SAME_STEP or not ended.any():
            return Step(begun, begun, rewards, endings)
        # The environments that ended show their next first frame already; their last one is in the info.
        shown_last = [self.senses.split(_of_one(info["final_obs"], i), 1) for i in np.flatnonzero(ended).tolist()]
        frames, vectors, states = begun.frames.copy(), begun.vectors, begun.states
        frames[ended] = np.stack([frame.reshape(frames.shape[1:]) for frame, _ in shown_last])
        if vectors is not None:
            vectors = vectors.copy()
            vectors[ended] = np.stack([vector for _, vector in shown_last if vector is not None])
        if states is not None:
            final = self._states(info["final_info"], ended)
            if final is None:
                begun = replace(begun, states=None)
                return Step(Sight(frames, vectors, None), begun, rewards, endings)
            states = states.copy()
            states[ended] = final[ended]
        return Step(Sight(frames, vectors, states), begun, rewards, endings)

    def _seen(self, shown: object, states: NDArray[np.float64] | None) -> "Sight":
        """Return what is shown, checked."""
        count, senses = self._vector_env.num_envs, self.senses
        frames, vectors = senses.split(shown, count)
        if frames.dtype != np.uint8 or frames.shape != (count, *senses.frame_shape):
            raise bad_frames(self._name, frames, (count, *senses.frame_shape))
        pixels, numbers = frames.astype(np.uint8, copy=False), None
        if vectors is not None:
            if vectors.shape != (count, senses.vector_dim):
                raise InputError(
                    f"{self._name} shows vectors {vectors.shape} instead of {(count, senses.vector_dim)}: make its "
                    "observations what its observation space says."
                )
            numbers = vectors.astype(np.float32, copy=False)
            if not np.isfinite(numbers).all():
                raise InputError(f"{self._name} shows a vector that is not finite: repair its observations.")
        if self._first is None:
            self._first = pixels[0].copy(), None if numbers is None else numbers[0].copy()
        self.moves = (
            self.moves
            or bool((pixels != self._first[0]).any())
            or (numbers is not None and not senses.frame_shape[0] and bool((numbers != self._first[1]).any()))
        )
        return Sight(pixels, numbers, states)

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


def _of_one(told: object, env: int) -> object:
    """Return what a vector of environments tells of one of them; a dictionary may be one of arrays."""
    return {name: np.asarray(part)[env] for name, part in told.items()} if is_mapping(told) else np.asarray(told)[env]


@dataclass(frozen=True, eq=False)
class Sight:
    """What N environments show at one time.

    Attributes:
        frames: (N, H, W, C), (N, 0, 0, 0) without images.
        vectors: (N, v), none without them.
        states: (N, n), none where they are not told.
    """

    frames: NDArray[np.uint8]
    vectors: NDArray[np.float32] | None
    states: NDArray[np.float64] | None

    @property
    def shown(self) -> Shown:
        """What a policy is shown."""
        if self.vectors is None:
            return self.frames
        return {IMAGE: self.frames, VECTOR: self.vectors} if self.frames.shape[1] else self.vectors


@dataclass(frozen=True)
class Step:
    """Where a step led: `last` ends the transition, `next` begins the following one.

    `rewards` (N,) were paid for it, and `endings` (N,) say how it ended an episode, `STOPPED` where it did not.
    """

    last: Sight
    next: Sight
    rewards: NDArray[np.float32]
    endings: NDArray[np.uint8]

    @property
    def ended(self) -> Mask:
        """Which episodes ended."""
        return self.endings != STOPPED
