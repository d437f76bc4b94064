"""What chooses the actions while transitions are collected."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from e2c_control.data.choices import Choices
from e2c_control.errors import InputError
from e2c_control.fields import Count, Share, ShareAboveZero, check

Shown: TypeAlias = "NDArray[np.generic] | Mapping[str, NDArray[np.generic]]"
"""What environments show."""


class Policy(Protocol):
    """Chooses the actions (N, m) float32 in [-1, 1] at the single frames (N, H, W, C) uint8.

    Environments that show vectors give those (N, v), and those that show both a dictionary of "image" and "vector". Of
    actions that are choices the largest number counts.
    """

    def __call__(self, frames: Any, rng: np.random.Generator, /) -> NDArray[np.float32]: ...


def number_of(shown: Shown) -> int:
    """Return of how many environments this is what they show."""
    return len(next(iter(shown.values()))) if isinstance(shown, Mapping) else len(shown)


@runtime_checkable
class Remembers(Protocol):
    """A policy that remembers what it saw in an episode, and is told which episodes (N,) begin, before each choice."""

    def begin(self, fresh: NDArray[np.bool_]) -> None: ...


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

    def __call__(self, frames: Shown, rng: np.random.Generator) -> NDArray[np.float32]:
        count = number_of(frames)
        actions = 2 * rng.random((count, self.action_dim), np.float32) - 1
        if self.corner_share > 0:
            at_corner = rng.random((count, 1), np.float32) < self.corner_share
            actions = np.where(at_corner, np.copysign(np.float32(1), actions), actions)
        return np.float32(self.scale) * actions


@dataclass(frozen=True)
class UniformChoices:
    """One-hot actions, drawn evenly from what there is to choose."""

    choices: Choices

    def __call__(self, frames: Shown, rng: np.random.Generator) -> NDArray[np.float32]:
        return self.choices.sample(number_of(frames), rng)


def uniform_policy(action_dim: int, choices: Choices | None, corner_share: float = 0.0) -> Policy:
    """Return what draws actions evenly, of whatever kind.

    Raises:
        InputError: they are choices, which have no corners to favour.
    """
    if choices is None:
        return UniformPolicy(action_dim, corner_share=corner_share)
    if corner_share:
        raise InputError("Actions that are choices have no corners: leave out corner_share (--corner-share).")
    return UniformChoices(choices)
