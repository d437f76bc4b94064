"""The frames that were seen last, of every environment, from which windows are cut."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from e2c_control.errors import InputError

Rows = NDArray[np.int64]
Cut = tuple[NDArray[np.generic], NDArray[np.float32]]
"""Frames (N, k, *frame_shape) as they were seen and the codes of the actions between them (N, k - 1, a)."""


class Memory:
    """A ring of frames for each environment, each with the action that led to it and its age.

    The age counts the actions since the episode's start. A first frame has age 0 and an action of zeros; windows that
    would reach before it are filled up with it, so that none spans two episodes.

    Args:
        n_envs: environments.
        capacity: frames, of all environments together.
        window: k.
        frame_shape, dtype: of a frame.
        action_size: a.

    Raises:
        InputError: this machine has no room for so many.
    """

    def __init__(
        self,
        n_envs: int,
        capacity: int,
        window: int,
        frame_shape: tuple[int, ...],
        dtype: np.dtype[np.generic],
        action_size: int,
    ) -> None:
        size = max(capacity // n_envs, window + 1)
        self.n_envs, self.size, self.window = n_envs, size, window
        try:
            self.frames = np.zeros((n_envs, size, *frame_shape), dtype)
            self.actions = np.zeros((n_envs, size, action_size), np.float32)
            self.ages = np.zeros((n_envs, size), np.int64)
        except (MemoryError, ValueError) as error:
            raise InputError(f"There is no room here for a memory of {capacity:,} frames: choose fewer.") from error
        self.written = np.zeros(n_envs, np.int64)

    def begin(self, envs: Rows, frames: NDArray[np.generic]) -> None:
        """First frames (M, *frame_shape) of new episodes in some environments."""
        self._write(
            envs, frames, np.zeros((len(envs), self.actions.shape[-1]), np.float32), np.zeros(len(envs), np.int64)
        )

    def add(self, frames: NDArray[np.generic], actions: NDArray[np.float32]) -> None:
        """Add what actions (n_envs, a) led to in every environment: frames (n_envs, *frame_shape)."""
        envs = np.arange(self.n_envs)
        self._write(envs, frames, actions, self.newest_ages() + 1)

    def newest_ages(self) -> Rows:
        """Return the ages of the newest frames, (n_envs,)."""
        return self.ages[np.arange(self.n_envs), (self.written - 1) % self.size]

    def newest(self) -> Cut:
        """Return windows that end with the newest frames, one for each environment."""
        return self._cut(np.arange(self.n_envs), (self.written - 1) % self.size)

    def __len__(self) -> int:
        """Count the windows that can be drawn."""
        return len(self._rows())

    @property
    def window_bytes(self) -> int:
        """Of one window, its frames and actions."""
        return self.window * (self.frames[0, 0].nbytes + self.actions[0, 0].nbytes)

    def draw(self, n: int, generator: torch.Generator) -> Cut:
        """Draw windows evenly from all that end with what an action led to."""
        rows = self._rows()
        picked = torch.randint(len(rows), (n,), generator=generator).numpy()
        envs, places = np.divmod(rows[picked], self._filled)
        return self._cut(envs, places)

    @property
    def _filled(self) -> int:
        """Places that were written to, of the environment with most of them; the others take up no memory yet."""
        return int(min(self.written.max(), self.size))

    def _rows(self) -> Rows:
        """Return places of frames, of all environments in one row, whose windows are whole."""
        there = np.minimum(self.written, self.size)[:, None]
        back = (self.written[:, None] - 1 - np.arange(self._filled)) % self.size
        ages = self.ages[:, : self._filled]
        whole = (ages > 0) & (back < there) & (back + np.minimum(self.window - 1, ages) < there)
        return np.flatnonzero(whole)

    def _write(self, envs: Rows, frames: NDArray[np.generic], actions: NDArray[np.float32], ages: Rows) -> None:
        places = self.written[envs] % self.size
        self.frames[envs, places] = frames
        self.actions[envs, places] = actions
        self.ages[envs, places] = ages
        self.written[envs] += 1  # last: an interruption leaves what was there

    def _cut(self, envs: Rows, places: Rows) -> Cut:
        ago = np.arange(self.window - 1, -1, -1)
        reached = (places[:, None] - np.minimum(ago, self.ages[envs, places][:, None])) % self.size
        # What fills up a window is a first frame, whose action is zeros.
        return self.frames[envs[:, None], reached], self.actions[envs[:, None], reached[:, 1:]]

    def state_dict(self) -> dict[str, Tensor]:
        """Return all of it that was written, as tensors."""
        whole = {"frames": self.frames, "actions": self.actions, "ages": self.ages}
        arrays = {name: array[:, : self._filled] for name, array in whole.items()}
        return {name: torch.from_numpy(array.copy()) for name, array in {**arrays, "written": self.written}.items()}

    def load_state_dict(self, state_dict: Mapping[str, Tensor], /) -> None:
        """Go on from what `state_dict` returned.

        Raises:
            InputError: it is of another number of environments, or damaged.
        """
        count, filled = state_dict["ages"].shape
        written = state_dict["written"].numpy()
        if count != self.n_envs:
            raise InputError(f"The memory is of {count} environments, not of {self.n_envs}: give as many.")
        counted = 0 <= written.min() <= written.max() < 2**62 and min(written.max(), self.size) <= filled
        if not counted or bool((state_dict["ages"] < 0).any()):
            raise InputError("The memory's counts do not fit its frames: copy the folder again from its source.")
        for name in ("frames", "actions", "ages"):
            getattr(self, name)[:, :filled] = state_dict[name].numpy()
        self.written[:] = written
