"""Collecting transitions from any vector of Gymnasium environments."""

import warnings
from pathlib import Path
from typing import NoReturn

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from tqdm import tqdm

from e2c_control.data.card import STOPPED, DatasetCard
from e2c_control.data.controls import check_unit_actions, single_spaces
from e2c_control.data.foreign import Vectors
from e2c_control.data.policy import Policy, Remembers
from e2c_control.data.senses import Senses
from e2c_control.data.source import environment_identity, own_frame_stack
from e2c_control.data.stepper import Mask, Sight, Starts, Step, Stepper
from e2c_control.data.transitions import Transitions
from e2c_control.data.unfinished import Unfinished
from e2c_control.data.writer import TransitionsWriter
from e2c_control.envs.registry import task_of
from e2c_control.errors import InputError, InputWarning
from e2c_control.fields import Count, FrameStack, Seed, checked
from e2c_control.runs.progress import progress_bar

_MEMORY_LIMIT = 2 << 30


@checked
def collect(
    vector_env: Vectors,
    path: Path | str,
    transitions: Count,
    episode_length: Count,
    *,
    starts: Starts = "reset",
    policy: Policy | None = None,
    seed: Seed = 0,
    frame_stack: FrameStack | None = None,
    overwrite: bool = False,
    resume: bool = False,
    progress: bool = False,
) -> Transitions:
    """Run the environments in rounds of ``episode_length`` steps and write exactly ``transitions`` transitions.

    Each round begins with a reset of all, by a seed of ``seed`` and the round: what a round gathers depends on none
    before it. An environment that ends early is reset and goes on within the round.

    Interrupted, killed, or left by an environment that raises, whole rounds stay beside ``path``, and a collection that
    resumes ends as one that was never stopped: to the bit, if its environments do the same after the same seed.

    Args:
        vector_env: environments that show single frames (frame_stack=1), as `make_vector_env` makes them.
        path: dataset folder to write.
        transitions: how many.
        episode_length: T, the most steps in an episode.
        starts: where episodes begin: where a reset puts them, or at states drawn from the System (if it can).
        policy: default `UniformPolicy`.
        seed: of the environments and the policy.
        frame_stack: how many frames show a state, noted in the dataset for those who train on it; default: as many as
            the environment shows by itself.
        overwrite: whether a dataset at ``path`` may be replaced.
        resume: whether to go on with what an unfinished collection left, by the same environments and policy; without
            it that is given up.
        progress: whether to show a bar with the time left.

    Raises:
        InputError: environment, policy or disk cannot do it, or another process collects into ``path``.
    """
    with Unfinished.open(path, overwrite=overwrite, resume=resume) as growing:
        collect_into(
            growing,
            vector_env,
            transitions,
            episode_length,
            starts=starts,
            policy=policy,
            seed=seed,
            frame_stack=frame_stack,
            progress=progress,
        )
    return Transitions.open(path)


@checked
def collect_into(
    growing: Unfinished,
    vector_env: Vectors,
    transitions: Count,
    episode_length: Count,
    *,
    starts: Starts = "reset",
    policy: Policy | None = None,
    seed: Seed = 0,
    frame_stack: FrameStack | None = None,
    progress: bool = False,
) -> None:
    """Collect the rounds of `collect` that an unfinished dataset lacks."""
    _check_request(vector_env, episode_length, starts)
    if growing.transitions > transitions:
        raise InputError(f"{growing.path} has {growing.transitions} transitions already: ask for as many or more.")
    name, kwargs = environment_identity(vector_env)
    stepper = Stepper(vector_env, name, starts, policy)
    sight, senses = stepper.begin(seed, growing.units), stepper.senses
    card = DatasetCard(
        environment=name,
        environment_kwargs=kwargs,
        frame_shape=senses.frame_shape,
        action_dim=stepper.action_dim,
        state_dim=None if sight.states is None else sight.states.shape[1],
        frame_stack=frame_stack or own_frame_stack(vector_env),
        seed=seed,
        rewards=True,
        vector_dim=senses.vector_dim,
        choices=stepper.choices,
        vector_parts=senses.parts or {},
        cameras=senses.cameras,
    )
    request = {"n_envs": vector_env.num_envs, "episode_length": episode_length, "starts": starts}
    card = growing.describe(card, request, expected_frames=transitions + -(-transitions // episode_length))
    bar = progress_bar(transitions, done=growing.transitions, unit=" transitions", enabled=progress)
    bar.unit_scale = True
    bar.set_description(f"Collecting {name}", refresh=False)
    episodes = _Episodes(growing.writer, vector_env.num_envs, episode_length, card)
    with bar:
        while growing.transitions < transitions:
            _round(stepper, episodes, sight, transitions - growing.transitions, bar)
            growing.commit()
            if growing.units == 1 and not isinstance(policy, Remembers) and not stepper.moves:
                warn_of_stillness(name, sight.frames[0])
            if growing.transitions < transitions:
                sight = stepper.begin(seed, growing.units)


def warn_of_stillness(name: str, frame: NDArray[np.uint8]) -> None:
    """Warn that an environment has shown nothing but this frame, or one vector if it has no pixels."""
    if not frame.size:
        warnings.warn(
            f"{name} has shown one and the same vector so far: check that it tells what moves.",
            InputWarning,
            stacklevel=3,
        )
        return
    like = "black " if not frame.any() else ""
    plain = " of one colour" if frame.any() and (frame == frame[0, 0]).all() else ""
    warnings.warn(
        f"{name} has shown one and the same {like}frame{plain} so far: check that it draws what moves.",
        InputWarning,
        stacklevel=3,
    )


def _check_request(vector_env: Vectors, episode_length: int, starts: Starts) -> None:
    name, _ = environment_identity(vector_env)
    space, actions = single_spaces(vector_env)
    senses = Senses.of(space)
    if senses is None:
        raise InputError(
            f"{name} shows {space} instead of uint8 frames (H, W, C), a vector of floats, or a Dict of such an 'image' "
            "and 'vector': make it with `make_vector_env`."
        )
    check_unit_actions(name, actions)
    if starts == "sampled" and task_of(vector_env) is None:
        raise InputError(f"{name} cannot start at sampled states: collect with starts='reset'.")
    shown = int(np.prod(senses.frame_shape)) + 4 * (senses.vector_dim or 0)
    needed = vector_env.num_envs * (episode_length + 1) * shown
    if needed > _MEMORY_LIMIT:
        raise InputError(
            f"{vector_env.num_envs} episodes of {episode_length} steps of {name} need {needed / 2**30:.1f} GiB of "
            "memory: use fewer environments or shorter episodes."
        )


class _Episodes:
    """The episode that each of N environments is in, from its first frame on."""

    def __init__(self, writer: TransitionsWriter, n_envs: int, episode_length: int, card: DatasetCard) -> None:
        rows = (n_envs, episode_length + 1)
        self.n_envs = n_envs
        self.episode_length = episode_length
        self.lengths = np.zeros(n_envs, np.int64)
        self._writer = writer
        self._frames = np.empty((*rows, *card.frame_shape), np.uint8)
        self._actions = np.zeros((*rows, card.action_dim), np.float32)
        self._states = None if card.state_dim is None else np.zeros((*rows, card.state_dim))
        self._rewards = np.zeros(rows, np.float32) if card.rewards else None
        self._endings = np.full(n_envs, STOPPED, np.uint8)
        self._vectors = None if card.vector_dim is None else np.zeros((*rows, card.vector_dim), np.float32)

    def begin(self, mask: Mask, sight: Sight) -> None:
        """Begin an episode of the environments in ``mask`` at what they show."""
        self.lengths[mask], self._endings[mask] = 0, STOPPED
        self._see(np.flatnonzero(mask), np.zeros(int(mask.sum()), np.int64), sight)

    def extend(self, mask: Mask, actions: NDArray[np.float32], step: Step) -> None:
        """Add the actions that the environments in ``mask`` took, and what ``step`` paid and showed for them."""
        env, row = np.flatnonzero(mask), self.lengths[mask]
        self._actions[env, row] = actions[env]
        self._see(env, row + 1, step.last)
        if self._rewards is not None:
            self._rewards[env, row] = step.rewards[env]
            self._endings[env] = step.endings[env]
        self.lengths[env] += 1

    def _see(self, env: NDArray[np.int64], row: NDArray[np.int64], sight: Sight) -> None:
        self._frames[env, row] = sight.frames[env]
        if self._vectors is not None and sight.vectors is not None:
            self._vectors[env, row] = sight.vectors[env]
        if (kept := self._kept_states(sight.states)) is not None and sight.states is not None:
            kept[env, row] = sight.states[env]

    def _kept_states(self, told: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        """Where states are kept; nowhere any more, once they are not told."""
        if self._states is not None and told is None:
            self._states = None
            self._writer.drop_states()
        return self._states

    def write(self, mask: Mask) -> None:
        """Hand the episodes of the environments in ``mask`` to the writer, unless they have no transition."""
        mask = mask & (self.lengths > 0)
        which = slice(None) if mask.all() else mask
        if mask.any():
            self._writer.append(
                self._frames[which],
                self._actions[which],
                None if self._states is None else self._states[which],
                self.lengths[which],
                rewards=None if self._rewards is None else self._rewards[which],
                endings=self._endings[which],
                vectors=None if self._vectors is None else self._vectors[which],
            )
        self.lengths[mask] = 0


def _round(
    stepper: Stepper,
    episodes: _Episodes,
    sight: Sight,
    wanted: int,
    bar: "tqdm[NoReturn]",
) -> None:
    """Reset all environments; write at most T transitions of each and ``wanted`` of all."""
    length, index = episodes.episode_length, np.arange(episodes.n_envs)
    quota = np.clip(wanted - index * length, 0, length)
    recording = quota > 0
    resetting = np.zeros_like(recording)
    episodes.begin(recording, sight)
    for t in range(length):
        actions = stepper.act(sight, episodes.lengths == 0)
        step = stepper.step(actions)
        live = recording & ~resetting
        episodes.begin(recording & resetting, step.last)
        episodes.extend(live, actions, step)
        quota -= live
        bar.update(int(live.sum()))
        sight, resetting = step.next, np.zeros_like(recording)
        recording = recording & (quota > 0)
        if t < length - 1 and step.ended.any():
            ended = recording & step.ended
            if not stepper.restarts:
                recording = recording & ~ended
            else:
                episodes.write(ended)
                sight, resetting = _restart(stepper, episodes, step, ended)
        if not recording.any():
            break
    episodes.write(episodes.lengths > 0)


def _restart(stepper: Stepper, episodes: _Episodes, step: Step, ended: Mask) -> tuple[Sight, Mask]:
    """Begin the next episodes of the environments that ended, each autoreset mode in its way."""
    nobody = np.zeros_like(ended)
    if stepper.mode is AutoresetMode.NEXT_STEP:
        return step.next, step.ended
    sight = step.next if stepper.mode is AutoresetMode.SAME_STEP else stepper.reset(mask=step.ended)
    episodes.begin(ended, sight)
    return sight, nobody
