"""The planar world: a square agent among obstacles, seen from above (Watter et al. 2015; PCC, Levine et al. 2020)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

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
    """

    obstacles: tuple[Point, ...] = PROTOCOL_OBSTACLES
    walls: tuple[Wall, ...] = ()
    max_step: float = 3.0

    def __post_init__(self) -> None:
        super().__post_init__()
        # The agent's centre keeps its radius from both faces of a wall: it would have to jump that much more.
        thickness = min((min(bottom - top, right - left) for top, left, bottom, right in self.walls), default=SIZE)
        jump = thickness + 2 * AGENT_RADIUS
        if not 0 < self.max_step < jump:
            raise InputError(f"max_step must be above 0 and below {jump:g} pixels, but it is {self.max_step}.")

    @property
    def control_limit(self) -> FloatArray:
        return np.full(2, self.max_step)

    @property
    def state_low(self) -> FloatArray:
        return np.full(2, AGENT_RADIUS)

    @property
    def state_high(self) -> FloatArray:
        return np.full(2, SIZE - AGENT_RADIUS)

    @property
    def state_names(self) -> tuple[str, ...]:
        return "row (pixels)", "column (pixels)"

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        return SIZE, SIZE, 1

    @property
    def detail(self) -> float:
        return 2

    @property
    def background(self) -> Frames:
        return self._image[..., None]

    @property
    def frames_per_second(self) -> int:
        return 10

    def advance(self, states: FloatArray, controls: FloatArray, disturbances: FloatArray | None) -> FloatArray:
        displacement = np.clip(controls, -self.control_limit, self.control_limit)
        landing = np.clip(states + displacement, self.state_low, self.state_high)
        moved = np.where(self.blocked(landing)[:, None], states, landing)
        if disturbances is None:
            return moved
        pushed = np.clip(moved + disturbances, self.state_low, self.state_high)
        return np.where(self.in_wall(pushed)[:, None], moved, pushed)

    def blocked(self, states: FloatArray) -> BoolArray:
        """Return where the agent cannot land, ``(N,)``."""
        offset = np.asarray(self.obstacles)[None] - states[:, None]
        inside = np.all((offset > -AGENT_RADIUS) & (offset <= AGENT_RADIUS), axis=2)
        return np.any(inside, axis=1) | self.in_wall(states)

    def in_wall(self, states: FloatArray) -> BoolArray:
        """Return where the agent's box overlaps a wall, ``(N,)``."""
        walls = np.asarray(self.walls, np.float64).reshape(-1, 2, 2)
        above, below = walls[:, 0] - AGENT_RADIUS, walls[:, 1] + AGENT_RADIUS
        overlap = np.all((states[:, None] > above) & (states[:, None] < below), axis=2)
        return np.asarray(np.any(overlap, axis=1))

    def contains(self, states: FloatArray) -> BoolArray:
        # Noise may push the agent onto an obstacle; without noise it never stands on one.
        return super().contains(states) & ~(self.in_wall(states) if self.noise else self.blocked(states))

    @cached_property
    def _image(self) -> Frames:
        """The background as ``(40, 40)``."""
        image = np.zeros((SIZE, SIZE), np.uint8)
        for row, column in self.obstacles:
            top, left = int(row) - 2, int(column) - 2
            image[top : top + 5, left : left + 5][DISC] = 255
        for top, left, bottom, right in self.walls:
            image[top:bottom, left:right] = 255
        return image

    def render(self, states: FloatArray) -> Frames:
        frames = np.repeat(self._image[None], len(states), axis=0)
        corner = np.rint(states).astype(np.intp) - 1
        index = np.arange(len(states))
        for down in (0, 1):
            for right in (0, 1):
                frames[index, corner[:, 0] + down, corner[:, 1] + right] = 255
        return frames[..., None]

    def sample_states(self, n: int, rng: np.random.Generator) -> FloatArray:
        states = rng.uniform(self.state_low, self.state_high, size=(n, 2))
        while (blocked := np.flatnonzero(self.blocked(states))).size:
            states[blocked] = rng.uniform(self.state_low, self.state_high, size=(blocked.size, 2))
        return states

    def features(self, states: FloatArray) -> FloatArray:
        return np.array(states, np.float64)

    def scene(self, state: FloatArray, goal: FloatArray, control: FloatArray) -> Sequence[Shape]:
        (row, column), (goal_row, goal_column) = state / SIZE, goal / SIZE
        half = AGENT_RADIUS / SIZE
        shapes: list[Shape] = [
            Disc((goal_column, goal_row), GOAL_RADIUS / SIZE, GOAL_AREA),
            Disc((goal_column, goal_row), GOAL_RADIUS / SIZE, GOAL, width=0.006),
        ]
        # The camera sees a disc; what a landing must keep away from is its centre, dark here.
        for r, c in self.obstacles:
            shapes += [
                Disc((c / SIZE, r / SIZE), radius / SIZE, colour) for radius, colour in ((2.5, STONE), (0.5, CORE))
            ]
        for top, left, bottom, right in self.walls:
            shapes.append(rectangle(top / SIZE, left / SIZE, bottom / SIZE, right / SIZE, STONE))
        shapes.append(rectangle(row - half, column - half, row + half, column + half, BODY))
        return [*shapes, *_move_arrow((column, row), control)]


def _move_arrow(start: Point, control: FloatArray) -> Sequence[Shape]:
    """Draw the displacement that the agent asked for, at its centre, three times as long."""
    length = float(np.linalg.norm(control))
    if length < 0.1:
        return ()
    direction = (float(control[1]) / length, float(control[0]) / length)
    reach = 3 * length / SIZE
    end = (start[0] + reach * direction[0], start[1] + reach * direction[1])
    tip = (end[0] + 0.02 * direction[0], end[1] + 0.02 * direction[1])
    return Path((start, end), 0.01, CONTROL), arrow_head(tip, direction, 0.03, CONTROL)


def near(states: FloatArray, goals: FloatArray) -> BoolArray:
    """Return which states are within two pixels of the goal."""
    return np.asarray(np.linalg.norm(states - goals, axis=1) <= GOAL_RADIUS)
