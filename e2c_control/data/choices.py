"""Actions that are choices among a few, Discrete and MultiDiscrete, as one-hot vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, TypeGuard

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from e2c_control.errors import InputError
from e2c_control.fields import MOST_AT_ONCE, AtOnce, Bounds, Several, check

Start = Annotated[int, Bounds(-(2**62), 2**62)]


@dataclass(frozen=True)
class Choices:
    """One choice, or several at a time: an action is a vector (m,) with a 1 for what is chosen and 0 for the rest.

    Attributes:
        sizes: among how many each choice is; m is their sum.
        starts: what the environment calls the first of each.
        single: whether the environment takes a number (Discrete) and no vector of them (MultiDiscrete).
    """

    sizes: Several[AtOnce]
    starts: Several[Start]
    single: bool = False

    def __post_init__(self) -> None:
        check(self)
        if len(self.starts) != len(self.sizes) or (self.single and len(self.sizes) > 1) or self.size > MOST_AT_ONCE:
            raise InputError(
                f"Choices of sizes {self.sizes[:10]} that begin at {self.starts[:10]}: give a start for each, one for "
                f"a single choice, and {MOST_AT_ONCE:,} at most in all."
            )

    @property
    def size(self) -> int:
        """m."""
        return sum(self.sizes)

    @property
    def _borders(self) -> list[int]:
        return np.cumsum(self.sizes)[:-1].tolist()

    def indices(self, actions: NDArray[np.number]) -> NDArray[np.int64]:
        """Return which is the largest of each choice (..., g), counted from 0, in vectors (..., m)."""
        groups = np.split(np.asarray(actions), self._borders, axis=-1)
        return np.stack([group.argmax(axis=-1) for group in groups], axis=-1).astype(np.int64)

    def one_hot(self, indices: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the actions (..., m) of choices (..., g), counted from 0."""
        places = np.asarray(indices) + np.array([0, *self._borders])
        actions = np.zeros((*places.shape[:-1], self.size), np.float32)
        np.put_along_axis(actions, places, 1, axis=-1)
        return actions

    def nearest(self, actions: NDArray[np.number]) -> NDArray[np.float32]:
        """Return the one-hot actions (..., m) that vectors (..., m) stand for."""
        return self.one_hot(self.indices(actions))

    def are_chosen(self, actions: NDArray[np.number]) -> NDArray[np.bool_]:
        """Return which of vectors (..., m) are one-hot, (...)."""
        return (actions == self.nearest(actions)).all(axis=-1)

    def sample(self, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Draw actions (count, m) evenly."""
        return self.one_hot(rng.integers(0, self.sizes, (count, len(self.sizes))))

    def decode(self, action: NDArray[np.number]) -> int | NDArray[np.int64]:
        """Return what the environment itself takes for a vector (m,)."""
        chosen = self.indices(action) + np.array(self.starts)
        return int(chosen[0]) if self.single else chosen


class ChoiceSpace(spaces.Box):
    """Vectors (m,) in [0, 1], of which the environment takes the largest of each choice; samples are one-hot."""

    def __init__(self, choices: Choices) -> None:
        super().__init__(0, 1, (choices.size,), np.float32)
        self.choices = choices

    def sample(self, mask: None = None, probability: None = None) -> NDArray[np.float32]:
        """Draw a one-hot action evenly."""
        return self.choices.sample(1, self.np_random)[0]

    def __repr__(self) -> str:
        return f"ChoiceSpace({', '.join(map(str, self.choices.sizes))})"


def choices_of(space: object) -> Choices | None:
    """Return the choices of a space of one-hot vectors, as environments made here have it; none of any other."""
    return space.choices if isinstance(space, ChoiceSpace) else None


def choices_in(name: str, space: object) -> Choices | None:
    """Return the choices that an environment's own space leaves; none if it is no space of choices.

    Raises:
        InputError: they are too many, in no vector, or leave nothing to choose.
    """
    if _is_single(space):
        sizes, starts = [int(space.n)], [int(space.start)]
    elif _is_several(space):
        sizes, starts = space.nvec.tolist(), space.start.tolist()
    else:
        return None
    if np.ndim(sizes) != 1 or sum(sizes) > MOST_AT_ONCE:
        raise InputError(
            f"{name} takes {space}: wrap it so that its actions are one vector of {MOST_AT_ONCE:,} choices at most."
        )
    if math.prod(sizes) == 1:
        raise InputError(f"{name} takes {space}, which leaves nothing to choose: give it actions that vary.")
    return Choices(tuple(sizes), tuple(starts), _is_single(space))


def _is_single(space: object) -> TypeGuard[spaces.Discrete]:
    return isinstance(space, spaces.Discrete)


def _is_several(space: object) -> TypeGuard[spaces.MultiDiscrete]:
    return isinstance(space, spaces.MultiDiscrete)
