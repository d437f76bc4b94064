"""What a disc among walls is not: one that coasts, and two of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from e2c_control.envs.maze import DISC_GREY, GOAL_RADIUS, Maze, close
from e2c_control.envs.navigator import Navigator, grid_of, steps_to_goal
from e2c_control.envs.planar import move_arrow
from e2c_control.envs.scene import Colour, Disc, Shape
from e2c_control.envs.system import BoolArray, FloatArray, Frames

KEPT = 0.6
"""Share of its velocity that a coasting disc has after a step without a push."""
SECOND_GREY = 192
SECOND: Colour = (120, 170, 230)


@dataclass(frozen=True, kw_only=True, eq=False)
class Coasting(Maze):
    """A disc that is pushed by its control and coasts: it keeps a share of its velocity, and what it hits stops it.

    State: (row, column) of the disc's centre, pixels, then what it moved by in the last step, (down, right), pixels.
    Control: the push, pixels a step; `max_step` is the speed that the largest one leads to. Process noise moves the
    disc after the step and changes its velocity.
    """

    max_step: float = 2.5

    @property
    def control_limit(self) -> FloatArray:
        return np.full(2, (1 - KEPT) * self.max_step)

    @property
    def state_low(self) -> FloatArray:
        return np.concatenate((super().state_low, np.full(2, -self.max_step)))

    @property
    def state_high(self) -> FloatArray:
        return np.concatenate((super().state_high, np.full(2, self.max_step)))

    @property
    def state_names(self) -> tuple[str, ...]:
        return *super().state_names, "row velocity (pixels a step)", "column velocity (pixels a step)"

    def advance(self, states: FloatArray, controls: FloatArray, disturbances: FloatArray | None) -> FloatArray:
        places, push = states[:, :2], np.clip(controls, -self.control_limit, self.control_limit)
        moved = super().advance(places, KEPT * states[:, 2:] + push, None)
        velocity = moved - places
        if disturbances is not None:
            moved = super().advance(moved, np.zeros_like(moved), disturbances[:, :2])
            velocity = velocity + disturbances[:, 2:]
        return np.hstack((moved, np.clip(velocity, -self.max_step, self.max_step)))

    def background(self, state: FloatArray) -> None:
        return None

    def sample_alongside(self, states: FloatArray, rng: np.random.Generator) -> FloatArray:
        velocity = rng.uniform(-self.max_step, self.max_step, (len(states), 2))
        return super().sample_alongside(np.hstack((states[:, :2], velocity)), rng)


@dataclass(frozen=True, kw_only=True, eq=False)
class TwoDiscs(Maze):
    """Two discs among the same walls, each with controls of its own; the second one is darker, and they may overlap.

    State: (row, column) of the first disc's centre, then of the second one's, pixels. Control: their displacements.
    """

    @property
    def control_limit(self) -> FloatArray:
        return np.full(4, self.max_step)

    @property
    def state_low(self) -> FloatArray:
        return np.tile(super().state_low, 2)

    @property
    def state_high(self) -> FloatArray:
        return np.tile(super().state_high, 2)

    @property
    def state_names(self) -> tuple[str, ...]:
        names = super().state_names
        return tuple(f"{which} {name}" for which in ("first", "second") for name in names)

    def advance(self, states: FloatArray, controls: FloatArray, disturbances: FloatArray | None) -> FloatArray:
        pushes = (None, None) if disturbances is None else np.hsplit(disturbances, 2)
        halves = zip(np.hsplit(states, 2), np.hsplit(controls, 2), pushes, strict=True)
        return np.hstack([super(TwoDiscs, self).advance(*half) for half in halves])

    def in_wall(self, states: FloatArray) -> BoolArray:
        """Return where one of the discs of each state, or the one that is given, overlaps a wall, ``(N,)``."""
        places = states.reshape(len(states), -1, 2).swapaxes(0, 1)
        return np.any([super(TwoDiscs, self).in_wall(disc) for disc in places], axis=0)

    def sample_alongside(self, states: FloatArray, rng: np.random.Generator) -> FloatArray:
        return np.hstack([super(TwoDiscs, self).sample_alongside(half, rng) for half in np.hsplit(states, 2)])

    def background(self, state: FloatArray) -> None:
        return None

    def render(self, states: FloatArray) -> Frames:
        frames = self._backgrounds(states)
        self._cover(frames, states[:, :2], DISC_GREY)
        self._cover(frames, states[:, 2:], SECOND_GREY)
        return frames[..., None]

    def scene(self, state: FloatArray, goal: FloatArray, control: FloatArray) -> Sequence[Shape]:
        (row, column), (goal_row, goal_column) = state[2:] / self.size, goal[2:] / self.size
        second = Disc((column, row), self.radius / self.size, SECOND)
        area = Disc((goal_column, goal_row), self.goal_radius / self.size, SECOND, width=0.006)
        arrow = move_arrow((column, row), control[2:], self.size)
        return [*super().scene(state[:2], goal[:2], control[:2]), area, second, *arrow]


@dataclass(frozen=True)
class Braking:
    """Pushes a coasting disc to where it comes to rest with the fewest pixels left to the goal, if it brakes next."""

    system: Coasting

    def __call__(self, states: FloatArray, goals: FloatArray, step: int, rng: np.random.Generator) -> FloatArray:
        pushes = self.system.control_limit[0] * (np.indices((9, 9)).reshape(2, -1).T / 4 - 1)
        around = alone(self.system, 1.0)
        tried, resting = np.tile(pushes, (len(states), 1)), np.repeat(states, len(pushes), axis=0)
        for _ in range(4):  # one push, and as many steps of braking as the highest speed needs
            resting = self.system.advance(resting, tried, None)
            tried = -KEPT * resting[:, 2:]
        places = resting[:, :2].reshape(len(states), len(pushes), 1, 2)
        corners = np.floor(places) + np.array([(0, 0), (0, 1), (1, 0), (1, 1)])
        index, reach = corners.astype(np.intp), grid_of(around)[1] + 1
        tables = np.stack([steps_to_goal(around, tuple(goal[:2]), close) for goal in goals])
        left = tables[np.arange(len(states))[:, None, None], index[..., 0] + reach, index[..., 1] + reach]
        left = (left + np.abs(places - corners).max(-1)).min(-1)
        # In the goal's region nothing is left to tell: keep to its middle.
        apart = np.linalg.norm(places[..., 0, :] - goals[:, None, :2], axis=-1)
        left = np.where(apart <= GOAL_RADIUS, 0, left) + apart / 1000
        return pushes[left.argmin(1)]


@dataclass(frozen=True)
class Navigators:
    """The way around walls of each of two discs."""

    system: TwoDiscs

    def __call__(self, states: FloatArray, goals: FloatArray, step: int, rng: np.random.Generator) -> FloatArray:
        one = Navigator(alone(self.system, self.system.max_step), close)
        halves = zip(np.hsplit(states, 2), np.hsplit(goals, 2), strict=True)
        return np.hstack([one(*half, step, rng) for half in halves])


@lru_cache(maxsize=64)
def alone(system: Maze, max_step: float) -> Maze:
    """Return the world with a plain disc; the same object for the same world, of which the Navigator keeps tables."""
    return Maze(size=system.size, walls=system.walls, max_step=max_step)


def both_close(states: FloatArray, goals: FloatArray) -> BoolArray:
    """Return which states have both discs within four pixels of their goals."""
    return close(states, goals) & close(states[:, 2:], goals[:, 2:])
