"""The planar world: a square agent among obstacles, seen from above (Watter et al. 2015; PCC, Levine et al. 2020)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, TypeAlias

import numpy as np

from e2c_control.envs.scene import (
    BODY,
    CONTROL,
    CORE,
    GOAL,
    GOAL_AREA,
    STONE,
    Disc,
    Path,
    Point,
    Shape,
    arrow_head,
    rectangle,
)
from e2c_control.envs.system import BoolArray, FloatArray, Frames, System
from e2c_control.errors import InputError
from e2c_control.fields import ImageSize, Positive

Wall: TypeAlias = tuple[int, int, int, int]
"""Top, left, bottom and right edge in pixels."""

SIZE = 40
AGENT_RADIUS = 1.5
GOAL_RADIUS = 2.0
PROTOCOL_OBSTACLES = ((20.5, 5.5), (20.5, 13.5), (20.5, 27.5), (20.5, 35.5), (10.5, 20.5), (30.5, 20.5))
# What Pillow paints for a filled ellipse with a bounding box of five pixels: a square without its corners.
DISC = np.pad(np.ones((5, 3), np.bool_), ((0, 0), (1, 1))) | np.pad(np.ones((3, 5), np.bool_), ((1, 1), (0, 0)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Planar(System):
    """An agent that moves by its control, one step at a time, and stays put where it would land on something.

    State: (row, column) of the agent's centre, pixels, in [1.5, 38.5]. Control: the displacement, pixels.
    Only the landing point is tested, so the agent can jump over what is small. A landing is blocked when the centre of
    an obstacle lies in the agent's box of 3 x 3 pixels, or when that box overlaps a wall.
    Process noise moves the agent after the step; it is not tested for obstacles (as in the protocol), but a push
    into a wall has no effect.

    Attributes:
        size: side of the world and of its image, pixels.
        radius: half the side of the agent's box, pixels.
        obstacles: their centres.
        walls: the same for every state; a subclass may take them from further state variables, see `walls_around`.
        max_step: largest displacement per axis, pixels.
    """

    goal_radius: ClassVar[float] = GOAL_RADIUS  # for a person's eyes

    size: ImageSize = SIZE
    radius: Positive = AGENT_RADIUS
    obstacles: tuple[Point, ...] = PROTOCOL_OBSTACLES
    walls: tuple[Wall, ...] = ()
    max_step: float = 3.0

    def __post_init__(self) -> None:
        super().__post_init__()
        # The agent's centre keeps its radius from both faces of a wall: it would have to jump that much more.
        jump = self.thickness + 2 * self.radius
        if not 0 < self.max_step < jump:
            raise InputError(f"max_step must be above 0 and below {jump:g} pixels, but it is {self.max_step}.")

    @property
    def thickness(self) -> float:
        """What walls have at the least where one could jump over them, pixels."""
        return min((min(bottom - top, right - left) for top, left, bottom, right in self.walls), default=self.size)

    @property
    def control_limit(self) -> FloatArray:
        return np.full(2, self.max_step)

    @property
    def state_low(self) -> FloatArray:
        return np.full(2, self.radius)

    @property
    def state_high(self) -> FloatArray:
        return np.full(2, self.size - self.radius)

    @property
    def state_names(self) -> tuple[str, ...]:
        return "row (pixels)", "column (pixels)"

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        return self.size, self.size, 1

    @property
    def detail(self) -> float:
        return 2

    def background(self, state: FloatArray) -> Frames | None:
        return self._backgrounds(state[None])[0, ..., None]

    @property
    def frames_per_second(self) -> int:
        return 10

    def advance(self, states: FloatArray, controls: FloatArray, disturbances: FloatArray | None) -> FloatArray:
        displacement = np.clip(controls, -self.max_step, self.max_step)
        landing = self._displaced(states, displacement)
        moved = np.where(self.blocked(landing)[:, None], states, landing)
        if disturbances is None:
            return moved
        pushed = self._displaced(moved, disturbances)
        return np.where(self.in_wall(pushed)[:, None], moved, pushed)

    def _displaced(self, states: FloatArray, by: FloatArray) -> FloatArray:
        """Return the states with their places displaced, within the image."""
        moved = states.copy()
        np.clip(states[:, :2] + by[:, :2], self.radius, self.size - self.radius, out=moved[:, :2])
        return moved

    def blocked(self, states: FloatArray) -> BoolArray:
        """Return where the agent cannot land, ``(N,)``."""
        in_wall = self.in_wall(states)
        if not self.obstacles:
            return in_wall
        offset = np.asarray(self.obstacles)[None] - states[:, None, :2]
        inside = np.all((offset > -self.radius) & (offset <= self.radius), axis=2)
        return np.any(inside, axis=1) | in_wall

    def walls_around(self, states: FloatArray) -> FloatArray:
        """Return the walls of each of N states, or those of all: their first and last corner, ``(N or 1, W, 2, 2)``."""
        return np.asarray(self.walls, np.float64).reshape(1, -1, 2, 2)

    def in_wall(self, states: FloatArray) -> BoolArray:
        """Return where the agent's box overlaps a wall, ``(N,)``."""
        walls, places = self.walls_around(states), states[:, None, :2]
        above, below = walls[:, :, 0] - self.radius, walls[:, :, 1] + self.radius
        overlap = np.all((places > above) & (places < below), axis=2)
        return np.asarray(np.any(overlap, axis=1))

    def contains(self, states: FloatArray) -> BoolArray:
        # Noise may push the agent onto an obstacle; without noise it never stands on one.
        return super().contains(states) & ~(self.in_wall(states) if self.noise else self.blocked(states))

    def _backgrounds(self, states: FloatArray) -> Frames:
        """Return images without the agent, ``(N, size, size)``."""
        return np.repeat(self._image[None], len(states), axis=0)

    @cached_property
    def _image(self) -> Frames:
        """The background as ``(size, size)``."""
        image = np.zeros((self.size, self.size), np.uint8)
        for row, column in self.obstacles:
            top, left = int(row) - 2, int(column) - 2
            image[top : top + 5, left : left + 5][DISC] = 255
        for top, left, bottom, right in self.walls:
            image[top:bottom, left:right] = 255
        return image

    def render(self, states: FloatArray) -> Frames:
        frames = self._backgrounds(states)
        corner = np.rint(states).astype(np.intp) - 1
        index = np.arange(len(states))
        for down in (0, 1):
            for right in (0, 1):
                frames[index, corner[:, 0] + down, corner[:, 1] + right] = 255
        return frames[..., None]

    def sample_states(self, n: int, rng: np.random.Generator) -> FloatArray:
        return self.sample_alongside(np.zeros((n, self.state_size)), rng)

    def sample_alongside(self, states: FloatArray, rng: np.random.Generator) -> FloatArray:
        low, high = self.radius, self.size - self.radius
        found, wrong = states.copy(), np.arange(len(states))
        while wrong.size:
            found[wrong, :2] = rng.uniform(low, high, size=(wrong.size, 2))
            wrong = wrong[self.blocked(found[wrong])]
        return found

    def features(self, states: FloatArray) -> FloatArray:
        return np.array(states, np.float64)

    def scene(self, state: FloatArray, goal: FloatArray, control: FloatArray) -> Sequence[Shape]:
        size = self.size
        (row, column), (goal_row, goal_column) = state[:2] / size, goal[:2] / size
        shapes: list[Shape] = [
            Disc((goal_column, goal_row), self.goal_radius / size, GOAL_AREA),
            Disc((goal_column, goal_row), self.goal_radius / size, GOAL, width=0.006),
        ]
        # The camera sees a disc; what a landing must keep away from is its centre, dark here.
        for r, c in self.obstacles:
            shapes += [
                Disc((c / size, r / size), radius / size, colour) for radius, colour in ((2.5, STONE), (0.5, CORE))
            ]
        for top, left, bottom, right in self.walls_around(state[None])[0].reshape(-1, 4) / size:
            shapes.append(rectangle(top, left, bottom, right, STONE))
        return [*shapes, self._body(row, column), *move_arrow((column, row), control, size)]

    def _body(self, row: float, column: float) -> Shape:
        """Return what a person sees of the agent."""
        half = self.radius / self.size
        return rectangle(row - half, column - half, row + half, column + half, BODY)


def move_arrow(start: Point, control: FloatArray, size: int) -> Sequence[Shape]:
    """Draw the displacement that the agent asked for, at its centre, three times as long."""
    length = float(np.linalg.norm(control))
    if length < 0.1:
        return ()
    direction = (float(control[1]) / length, float(control[0]) / length)
    reach = 3 * length / size
    end = (start[0] + reach * direction[0], start[1] + reach * direction[1])
    tip = (end[0] + 0.02 * direction[0], end[1] + 0.02 * direction[1])
    return Path((start, end), 0.01, CONTROL), arrow_head(tip, direction, 0.03, CONTROL)


def near(states: FloatArray, goals: FloatArray) -> BoolArray:
    """Return which states are within two pixels of the goal."""
    return np.asarray(np.linalg.norm(states - goals, axis=1) <= GOAL_RADIUS)
