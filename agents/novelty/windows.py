"""What a novelty model looks at: the last k frames of an episode and the actions between them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common import preprocessing
from torch import Tensor

from e2c_control.agents.spaces import Space, bounds_of, check_starts
from e2c_control.errors import InputError


@dataclass(frozen=True)
class Layout:
    """Shapes of what a model sees.

    Attributes:
        frame_shape: (d,), or (H, W, C) for images.
        action_size: a, numbers in the code of an action.
        choices: sizes of the one-hot blocks that make up an action's code; empty where it is made of real numbers.
        window: k.
    """

    frame_shape: tuple[int, ...]
    action_size: int
    choices: tuple[int, ...]
    window: int

    @property
    def joint_shape(self) -> tuple[int, ...]:
        """Of a frame that holds all of a window: vectors one after another, or all in an image's channels."""
        actions = (self.window - 1) * self.action_size
        return (*self.frame_shape[:-1], self.window * self.frame_shape[-1] + actions)


@dataclass(frozen=True, eq=False)
class Windows:
    """N windows of k frames. Before an episode's start stand its first frame, again, and actions of zeros."""

    frames: Tensor  # (N, k, *frame_shape), whitened
    actions: Tensor  # (N, k - 1, a): between the frames

    def joint(self) -> Tensor:
        """Return what is sensed and done as one frame, (N, *joint_shape); actions fill whole channels of an image."""
        n, _, *sides, _ = self.frames.shape
        frames = self.frames.movedim(1, -2).flatten(-2)
        actions = self.actions.flatten(1).reshape(n, *(1 for _ in sides), -1).expand(n, *sides, -1)
        return torch.cat([frames, actions], dim=-1)


class FrameCode:
    """Observations of a space as frames: images with their channels last, anything else as a vector.

    Raises:
        InputError: the space is no Box.
    """

    def __init__(self, space: Space) -> None:
        if not isinstance(space, spaces.Box):
            raise InputError(
                f"Novelty is scored on vectors or images, not on {space}: wrap the environment in Gymnasium's "
                "FlattenObservation, or in one that picks the part to explore."
            )
        self.observation_shape: tuple[int, ...] = space.shape
        self.dtype: np.dtype[np.generic] = space.dtype
        kinds: Any = preprocessing
        self.channels_first = bool(kinds.is_image_space(space) and kinds.is_image_space_channels_first(space))
        shape = self._channels_last(np.zeros((1, *space.shape), np.bool_)).shape[1:]
        self.shape: tuple[int, ...] = shape if len(shape) == 3 else (prod(shape),)

    def encode(self, observations: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return observations (N, *observation_shape), or images with channels first, as frames (N, *shape).

        Raises:
            InputError: they have another shape.
        """
        shape = observations.shape[1:]
        if not self.takes(shape):
            raise InputError(
                f"An observation has the shape {shape} where {self.observation_shape} was announced: repair the "
                "environment; what was learnt so far can be saved."
            )
        if shape == self.observation_shape:
            return self._channels_last(observations).reshape(len(observations), *self.shape)
        return np.moveaxis(observations, 1, -1)

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Return whether observations of a shape can be encoded: as announced, or as images with channels first."""
        return shape == self.observation_shape or (len(shape) == 3 and (*shape[1:], shape[0]) == self.shape)

    def _channels_last(self, observations: NDArray[np.generic]) -> NDArray[np.generic]:
        return np.moveaxis(observations, 1, -1) if self.channels_first else observations


class ActionCode:
    """Actions of a space as vectors: choices as ones among zeros, bounded numbers in [-1, 1].

    Raises:
        InputError: the space is none of Discrete, MultiDiscrete, MultiBinary, Box, or does not count from 0.
    """

    def __init__(self, space: Space) -> None:
        check_starts("actions", space)
        known = (spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary, spaces.Box)
        if not isinstance(space, known):
            raise InputError(f"Novelty knows no actions like {space}: wrap the environment so that they are a Box.")
        self.space: Space = space
        self.choices: tuple[int, ...] = ()
        if isinstance(space, spaces.Discrete):
            self.choices = (int(space.n),)
        if isinstance(space, spaces.MultiDiscrete):
            self.choices = tuple(cast(list[int], space.nvec.flatten().tolist()))
        self.size = sum(self.choices) or prod(space.shape or (1,))

    def encode(self, actions: NDArray[np.number]) -> NDArray[np.float32]:
        """Return actions (N, ...) as an environment takes them as codes (N, size)."""
        if isinstance(self.space, spaces.Box):
            low, high = (np.asarray(end, np.float64) for end in bounds_of(self.space))
            width = high - low
            if (width < np.finfo(np.float32).max).all():
                # What is held fast tells nothing, and is 0.
                actions = np.where(width > 0, 2.0 * (actions - low) / np.where(width > 0, width, 1.0) - 1.0, 0.0)
        return self.from_replay(actions)

    def from_replay(self, actions: NDArray[np.generic]) -> NDArray[np.float32]:
        """Encode actions of a replay buffer, where those of a Box are in [-1, 1] already."""
        flat = np.asarray(actions).reshape(len(actions), -1)
        if not self.choices:
            return flat.astype(np.float32)
        picked = flat.astype(np.int64)
        blocks = [np.eye(n, dtype=np.float32)[picked[:, i]] for i, n in enumerate(self.choices)]
        return np.concatenate(blocks, axis=1)
