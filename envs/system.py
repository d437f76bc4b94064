"""A controlled system: physics and camera as pure, batched functions in physical units."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from e2c_control.envs.scene import Shape
from e2c_control.errors import InputError
from e2c_control.fields import NotNegative, check

FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]
Frames: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class System(ABC):
    """A controlled system: its state, its controls, and what a camera sees of it.

    States are ``(N, n)`` float64, controls ``(N, m)`` float64, frames ``(N, H, W, C)`` uint8. Every row is treated
    alone: a batch gives the same bits as its rows one by one. Nothing is kept between calls.

    Attributes:
        noise: standard deviation of the process noise, ``noise * N(0, 1)`` added after a step to all of the state but
            its constants.
    """

    noise: NotNegative = 0.0

    def __post_init__(self) -> None:
        check(self)

    @property
    @abstractmethod
    def control_limit(self) -> FloatArray:
        """Largest magnitude of each control, ``(m,)``; `step` clips to it."""

    @property
    @abstractmethod
    def state_low(self) -> FloatArray:
        """Lower end of the state range, ``(n,)``."""

    @property
    @abstractmethod
    def state_high(self) -> FloatArray:
        """Upper end of the state range, ``(n,)``."""

    @property
    @abstractmethod
    def state_names(self) -> tuple[str, ...]:
        """Names of the n state variables, with their units, as plots show them."""

    @property
    @abstractmethod
    def frame_shape(self) -> tuple[int, int, int]:
        """``(H, W, C)`` of a camera image."""

    @property
    @abstractmethod
    def detail(self) -> float:
        """Side in pixels of the smallest thing that moves in a camera image."""

    def background(self, state: FloatArray) -> Frames | None:
        """Return the camera image of a state ``(n,)`` without what moves, ``(H, W, C)``, if the state is a place in it.

        A place is (row, column) in pixels, and constants may follow it.
        """
        return None

    @property
    def constants(self) -> int:
        """How many of the last state variables a step never changes, such as the layout of an episode's walls."""
        return 0

    @property
    @abstractmethod
    def frames_per_second(self) -> int:
        """Steps that make a second on screen."""

    @abstractmethod
    def advance(self, states: FloatArray, controls: FloatArray, disturbances: FloatArray | None) -> FloatArray:
        """Take one step under given disturbances ``(N, n)``, or under none; see `step`."""

    @abstractmethod
    def render(self, states: FloatArray) -> Frames:
        """Return what the camera sees, ``(N, H, W, C)``."""

    @abstractmethod
    def sample_states(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw states spread over all that the system can do, ``(n, state_size)``."""

    def sample_alongside(self, states: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Draw one for each of N states ``(N, n)``, spread over all that it could lead to: with the same constants."""
        return self.sample_states(len(states), rng)

    @abstractmethod
    def features(self, states: FloatArray) -> FloatArray:
        """Return coordinates ``(N, f)`` in which Euclidean distance makes sense: an angle as its cosine and sine."""

    @abstractmethod
    def scene(self, state: FloatArray, goal: FloatArray, control: FloatArray) -> Sequence[Shape]:
        """Return shapes that show a human one state ``(n,)``, its goal and the control ``(m,)`` that led to it."""

    def varying(self, states: FloatArray) -> FloatArray:
        """Return the states ``(..., n)`` without their constants."""
        return states[..., : self.state_size - self.constants]

    def contains(self, states: FloatArray) -> BoolArray:
        """Return which states ``(N, n)`` can occur, ``(N,)``."""
        return np.asarray(np.all((states >= self.state_low) & (states <= self.state_high), axis=-1))

    def disturbances(self, rngs: Sequence[np.random.Generator]) -> FloatArray | None:
        """Draw the process noise, one row from each generator, ``(N, n)``; None when the system has none."""
        if self.noise == 0:
            return None
        return self.noise * np.stack([rng.standard_normal(self.state_size) for rng in rngs])

    def step(self, states: FloatArray, controls: FloatArray, rng: np.random.Generator | None = None) -> FloatArray:
        """Return the next states ``(N, n)`` under controls ``(N, m)``, which are clipped to the limits first.

        A system without noise needs no ``rng``.
        """
        if self.noise == 0:
            return self.advance(states, controls, None)
        if rng is None:
            raise InputError("A system with noise needs a random generator: pass rng to step.")
        return self.advance(states, controls, self.noise * rng.standard_normal(states.shape))

    @property
    def state_size(self) -> int:
        """Number of state variables n."""
        return self.state_low.shape[0]

    @property
    def control_size(self) -> int:
        """Number of controls m."""
        return self.control_limit.shape[0]
