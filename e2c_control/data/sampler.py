"""Batches of windows, drawn at random or in order."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from e2c_control.data.rows import FileRows
from e2c_control.data.store import FrameStore, open_store, store_of
from e2c_control.data.transitions import Transitions
from e2c_control.errors import InputError

LARGEST_BATCH = 1 << 27
"""Pixels of a batch that no dataset is too small for; larger ones are held against its size, since the size of a batch
is a number in a config, and networks see its pixels as float32."""


@dataclass(frozen=True, eq=False)
class Batch:
    """N windows of K steps.

    Attributes:
        frames: (N, stack + K, H, W, C) uint8; the frames k .. k + stack - 1 make the observation after k steps.
        actions: (N, K, m) float32; action k leads from the observation after k steps to the one after k + 1.
        states: (N, stack + K, n) float64 at the frames, only where it was asked for.
        rewards: (N, K) float32 for the actions, where the dataset has them.
        terminations: (N, K) float32 beside them: 1 for the action that ended its episode by termination, 0 for others.
        vectors: (N, stack + K, v) float32 at the frames, where the dataset has them.
    """

    frames: Tensor
    actions: Tensor
    states: Tensor | None = None
    rewards: Tensor | None = None
    terminations: Tensor | None = None
    vectors: Tensor | None = None


def check_batch(batch_size: int, world_size: int) -> None:
    """Refuse a batch that does not divide evenly among that many processes."""
    if batch_size < 1:
        raise InputError(f"A batch cannot have {batch_size} windows: give 1 or more.")
    if batch_size % world_size:
        raise InputError(
            f"A batch of {batch_size} windows does not divide among {world_size} processes: start a number of them "
            "that divides it."
        )


class WindowSampler:
    """Draws windows evenly, with replacement.

    All that a draw depends on is the generator's state: restore that, and the same batches follow, whether the frames
    are resident or streamed and whatever the device.

    Args:
        transitions: the dataset.
        steps: K.
        stack: frames in an observation.
        batch_size: N, of all processes together.
        device: where batches are put.
        generator: a CPU generator; for several processes, the same state in each.
        episodes: sample from these only (see `Transitions.split`).
        store: frames that another sampler of the same dataset has opened already.
        budget_bytes: for `open_store`.
        repeat_first: whether stacks may reach before their episode; see `Transitions.windows`.
        with_states: whether batches carry the true states.
        rank, world_size: this process's place: of each global batch it gets the rank-th equal slice.

    Raises:
        InputError: no window fits, no states are there, or the batch does not divide among the processes.
    """

    def __init__(
        self,
        transitions: Transitions,
        *,
        steps: int,
        stack: int,
        batch_size: int,
        device: torch.device | str,
        generator: torch.Generator,
        episodes: NDArray[np.int64] | None = None,
        store: FrameStore | None = None,
        budget_bytes: int | None = None,
        repeat_first: bool = True,
        with_states: bool = False,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        check_batch(batch_size, world_size)
        self.transitions = transitions
        self.steps, self.stack, self.batch_size = steps, stack, batch_size
        self.device = torch.device(device)
        self.generator = generator
        self.starts = transitions.windows(steps, stack, episodes=episodes, repeat_first=repeat_first)
        self._with_states = with_states
        self._slice = slice(rank * batch_size // world_size, (rank + 1) * batch_size // world_size)
        self._check(episodes)
        self.store = store or open_store(transitions, self.device, budget_bytes)
        self._actions = torch.as_tensor(transitions.all_actions()).to(self.device)
        self._paid: Tensor | None = None
        if transitions.rewards is not None:
            paid = np.stack([FileRows(transitions.rewards).all(), np.zeros(len(self._actions), np.float32)], axis=1)
            paid[transitions.terminal_rows, 1] = 1
            self._paid = torch.as_tensor(paid).to(self.device)
        vectors = transitions.vectors
        self._vectors = None if vectors is None else store_of(vectors, self.device, budget_bytes)

    def draw(self) -> Batch:
        """Draw the next random batch, or this process's share of it."""
        chosen = torch.randint(len(self.starts), (self.batch_size,), generator=self.generator)
        return self.gather(self.starts[chosen[self._slice].numpy()])

    def ordered(self, limit: int | None = None) -> Iterator[Batch]:
        """Return all windows in order, or ``limit`` of them spread evenly; the last batch may be smaller."""
        starts = self.starts
        if limit is not None and limit < len(starts):
            starts = starts[np.linspace(0, len(starts) - 1, limit).round().astype(np.int64)]
        for first in range(0, len(starts), self.batch_size):
            yield self.gather(starts[first : first + self.batch_size])

    def gather(self, starts: NDArray[np.int64]) -> Batch:
        """Return the windows at the rows ``starts (N,)``."""
        rows = self.transitions.window_rows(starts, self.steps, self.stack)
        frame_rows = torch.as_tensor(rows)
        action_rows = frame_rows[:, self.stack - 1 : -1] if self.steps else frame_rows[:, :0]
        flat = action_rows.reshape(-1).to(self.device, non_blocking=True)
        rewards = terminations = None
        if self._paid is not None:
            rewards, terminations = self._paid.index_select(0, flat).view(*action_rows.shape, 2).unbind(-1)
        return Batch(
            frames=self.store.gather(frame_rows),
            actions=self._actions.index_select(0, flat).view(*action_rows.shape, self._actions.shape[-1]),
            states=self._states(rows),
            rewards=rewards,
            terminations=terminations,
            vectors=None if self._vectors is None else self._vectors.gather(frame_rows),
        )

    def _states(self, rows: NDArray[np.int64]) -> Tensor | None:
        if not self._with_states or self.transitions.states is None:
            return None
        return torch.as_tensor(self.transitions.states[rows]).to(self.device)

    def _check(self, episodes: NDArray[np.int64] | None) -> None:
        path = self.transitions.path
        if len(self.starts) == 0:
            lengths = np.diff(self.transitions.episodes) - 1
            chosen = lengths if episodes is None else lengths[episodes]
            among = "its longest episode" if len(chosen) == len(lengths) else "the longest of the episodes chosen here"
            raise InputError(
                f"{path} has no window of {self.steps} steps with {self.stack} frames stacked, {among} has "
                f"{int(chosen.max(initial=0))} steps: ask for fewer steps or collect longer episodes."
            )
        card, frames = self.transitions.card, len(self.transitions.frames)
        of_one = int(np.prod(card.frame_shape)) + (card.vector_dim or 0)
        pixels, most = self.batch_size * (self.stack + self.steps) * of_one, max(LARGEST_BATCH, 2 * frames * of_one)
        if pixels > most:
            what = "pixels" if card.has_frames else "numbers"
            raise InputError(
                f"A batch of {self.batch_size} windows has {pixels:,} {what}, more than {most:,}, which is twice the "
                f"frames of {path} or more: ask for a smaller batch."
            )
        if self._with_states and self.transitions.states is None:
            raise InputError(f"{path} holds no true states: collect from an environment that tells info['state'].")
