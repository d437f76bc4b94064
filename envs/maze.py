"""Mazes and rooms: a disc among walls, seen from above. A room's walls may be drawn anew for each state."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray

from e2c_control.envs.planar import Planar, Wall
from e2c_control.envs.scene import BODY, Disc, Point, Shape
from e2c_control.envs.system import BoolArray, FloatArray, Frames
from e2c_control.fields import Bounds, Positive

WALL_GREY, DISC_GREY = 128, 255
GOAL_RADIUS = 4.0
WALL_THICKNESS, DOOR = 2, 8
SMALLEST_ROOM = 8
"""Between a wall and the edge or the other wall, pixels."""
RoomSize = Annotated[int, Bounds(40, 65)]
WallCount = Annotated[int, Bounds(1, 2)]


@dataclass(frozen=True, kw_only=True, eq=False)
class Maze(Planar):
    """A white disc that moves by its control among grey walls, and stays put where it would land on one.

    State: (row, column) of the disc's centre, pixels. Control: the displacement, pixels.
    A landing is blocked as in `Planar`, when the square around the disc would overlap a wall: only the landing point is
    tested, so that a move may cut a corner, but none can cross a wall. Process noise moves the disc after the step; a
    push into a wall has no effect.
    The image is continuous in the disc's place: a pixel is as bright as the disc covers it.
    """

    goal_radius: ClassVar[float] = GOAL_RADIUS

    radius: Positive = 2.0
    obstacles: tuple[Point, ...] = field(default=(), init=False)

    @property
    def thickness(self) -> float:
        """None at all where two walls touch at their corners."""
        return 0

    @property
    def detail(self) -> float:
        return 2 * self.radius

    @cached_property
    def _image(self) -> Frames:
        """The background of all states as ``(size, size)``."""
        return self._painted(self.walls_around(np.zeros((1, 2))))[0]

    def _painted(self, walls: FloatArray) -> Frames:
        """Return images ``(N, size, size)`` of walls ``(N, W, 2, 2)``."""
        pixel = np.arange(self.size)
        within = (pixel >= walls[:, :, 0, :, None]) & (pixel < walls[:, :, 1, :, None])
        wall = np.any(within[:, :, 0, :, None] & within[:, :, 1, None, :], axis=1)
        return wall * np.uint8(WALL_GREY)

    def render(self, states: FloatArray) -> Frames:
        frames = self._backgrounds(states)
        self._cover(frames, states[:, :2], DISC_GREY)
        return frames[..., None]

    def _cover(self, frames: Frames, places: FloatArray, grey: int) -> None:
        """Draw a disc at places ``(N, 2)`` into images ``(N, size, size)``."""
        # Coverage ends half a pixel beyond the disc's edge; pixels outside the image are counted on its rim, uncovered.
        first = np.ceil(places - self.radius - 1).astype(np.intp)
        window = np.arange(math.ceil(2 * self.radius + 1))
        pixels = np.clip(first[..., None] + window, 0, self.size - 1)
        offset = (pixels + 0.5 - places[..., None]) ** 2
        distance = np.sqrt(offset[:, 0, :, None] + offset[:, 1, None, :])
        covered = np.rint(grey * np.clip(self.radius + 0.5 - distance, 0, 1)).astype(np.uint8)
        where = np.arange(len(places))[:, None, None], pixels[:, 0, :, None], pixels[:, 1, None, :]
        frames[where] = np.maximum(frames[where], covered)

    def _body(self, row: float, column: float) -> Shape:
        return Disc((column, row), self.radius / self.size, BODY)


@dataclass(frozen=True, kw_only=True, eq=False)
class Rooms(Maze):
    """Two or three rooms side by side, with a door in each wall between them.

    State: (row, column) of the disc's centre, then the layout, unless it is the same for all states: whether walls
    stand upright, and for each wall its first row, or column if it is upright, and where along it the door begins,
    pixels. A step never changes the layout.

    Attributes:
        n_walls: walls, all in one direction, so that every room can be reached.
        layout: of all states, which then are places alone.
    """

    walls: tuple[Wall, ...] = field(default=(), init=False)
    n_walls: WallCount = 1
    layout: tuple[float, ...] | None = None

    @property
    def thickness(self) -> float:
        return WALL_THICKNESS

    @property
    def constants(self) -> int:
        return len(self._layout_low) if self.layout is None else 0

    @cached_property
    def _layout_low(self) -> FloatArray:
        """The smallest layout ``(1 + 2 * n_walls,)``."""
        walls = [self.size * wall // self.n_walls + SMALLEST_ROOM // (2 if wall else 1) for wall in range(self.n_walls)]
        return np.array([0.0, *(value for wall in walls for value in (wall, 0))])

    @cached_property
    def _layout_high(self) -> FloatArray:
        """The largest layout, mirrored: walls as far from the other edge."""
        walls = self.size - WALL_THICKNESS - self._layout_low[1::2][::-1]
        return np.array([1.0, *(value for wall in walls for value in (wall, self.size - DOOR))])

    @property
    def state_low(self) -> FloatArray:
        return np.concatenate((super().state_low, self._layout_low[: self.constants]))

    @property
    def state_high(self) -> FloatArray:
        return np.concatenate((super().state_high, self._layout_high[: self.constants]))

    @property
    def state_names(self) -> tuple[str, ...]:
        names = ["upright (0 or 1)"]
        for wall in range(1, self.n_walls + 1):
            names += [f"wall {wall} (pixels)", f"door {wall} (pixels)"]
        return (*super().state_names, *names[: self.constants])

    def _backgrounds(self, states: FloatArray) -> Frames:
        return self._painted(self.walls_around(states)) if self.constants else super()._backgrounds(states)

    def draw_layouts(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw layouts ``(n, 1 + 2 * n_walls)``, whole numbers, each as likely as the other."""
        low, high = self._layout_low.astype(np.int64), self._layout_high.astype(np.int64)
        return rng.integers(low, high, size=(n, len(low)), endpoint=True).astype(np.float64)

    def layouts(self, states: FloatArray) -> FloatArray:
        """Return the layouts of N states, or that of all, ``(N or 1, 1 + 2 * n_walls)``."""
        return states[:, 2:] if self.layout is None else np.array([self.layout])

    def walls_around(self, states: FloatArray) -> FloatArray:
        layouts = self.layouts(states)
        walls, doors = layouts[:, 1::2], layouts[:, 2::2]
        corners = np.zeros((len(layouts), 2, self.n_walls, 2, 2))  # the first halves, then the second ones
        corners[..., 0, 0], corners[..., 1, 0] = walls[:, None], walls[:, None] + WALL_THICKNESS
        corners[:, 0, :, 1, 1], corners[:, 1, :, 0, 1], corners[:, 1, :, 1, 1] = doors, doors + DOOR, self.size
        corners = corners.reshape(len(layouts), 2 * self.n_walls, 2, 2)
        return np.where(layouts[:, 0, None, None, None] != 0, corners[..., ::-1], corners)

    def room(self, states: FloatArray) -> NDArray[np.intp]:
        """Return the number of each state's room, ``(N,)``; a doorway belongs to both, half and half."""
        layouts = self.layouts(states)
        across = np.where(layouts[:, 0] != 0, states[:, 1], states[:, 0])
        return np.sum(across[:, None] > layouts[:, 1::2] + WALL_THICKNESS / 2, axis=1)

    def contains(self, states: FloatArray) -> BoolArray:
        layouts = self.layouts(states)
        return super().contains(states) & np.all(layouts == np.rint(layouts), axis=1)

    def sample_states(self, n: int, rng: np.random.Generator) -> FloatArray:
        layouts = self.draw_layouts(n, rng)[:, : self.constants]
        return self.sample_alongside(np.hstack((np.zeros((n, 2)), layouts)), rng)


def walls_of(cells: Sequence[str], cell: int, border: int) -> tuple[Wall, ...]:
    """Return the walls of a map, "#" in it, with a border around it; cells and border in pixels."""
    size = len(cells) * cell + 2 * border
    edges = [(0, 0, border, size), (size - border, 0, size, size), (0, 0, size, border), (0, size - border, size, size)]
    inner = [
        (top, left, top + cell, left + cell)
        for top, row in zip(range(border, size, cell), cells, strict=False)
        for left, kind in zip(range(border, size, cell), row, strict=False)
        if kind == "#"
    ]
    return tuple(edges + inner)


def close(states: FloatArray, goals: FloatArray) -> BoolArray:
    """Return which states are within four pixels of the goal."""
    return np.asarray(np.linalg.norm(states[:, :2] - goals[:, :2], axis=1) <= GOAL_RADIUS)
