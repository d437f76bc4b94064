"""What chooses the actions while transitions are collected."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from e2c_control.fields import Count, Share, ShareAboveZero, check


class Policy(Protocol):
    """Chooses the actions (N, m) float32 in [-1, 1] at the single frames (N, H, W, C) uint8."""

    def __call__(self, frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class UniformPolicy:
    """Actions drawn evenly from [-scale, scale], with a share of them at the corners of that box.

    Attributes:
        action_dim: m.
        scale: largest action, at most 1.
        corner_share: share of the actions that are as large as can be in every dimension.
    """

    action_dim: Count
    scale: ShareAboveZero = 1.0
    corner_share: Share = 0.0

    def __post_init__(self) -> None:
        check(self)

    def __call__(self, frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
        actions = 2 * rng.random((len(frames), self.action_dim), np.float32) - 1
        if self.corner_share > 0:
            at_corner = rng.random((len(frames), 1), np.float32) < self.corner_share
            actions = np.where(at_corner, np.copysign(np.float32(1), actions), actions)
        return np.float32(self.scale) * actions
