"""Shapes that a system draws itself with for human eyes; the viewer paints them.

Coordinates and sizes are fractions of the picture's side, x to the right and y down. Colours are RGB.
"""

from dataclasses import dataclass
from typing import TypeAlias

Point: TypeAlias = tuple[float, float]
Colour: TypeAlias = tuple[int, int, int]

PAPER: Colour = (24, 27, 34)
SURFACE: Colour = (44, 49, 60)
STONE: Colour = (122, 130, 146)
GOAL: Colour = (86, 190, 130)
GOAL_AREA: Colour = (37, 66, 58)
BODY: Colour = (244, 240, 230)
CONTROL: Colour = (240, 150, 70)


@dataclass(frozen=True)
class Disc:
    """A filled circle, or a ring when ``width`` is given."""

    center: Point
    radius: float
    colour: Colour
    width: float = 0.0


@dataclass(frozen=True)
class Polygon:
    """A filled polygon."""

    points: tuple[Point, ...]
    colour: Colour


@dataclass(frozen=True)
class Path:
    """A line through points, with round ends."""

    points: tuple[Point, ...]
    width: float
    colour: Colour


Shape: TypeAlias = Disc | Polygon | Path


def rectangle(top: float, left: float, bottom: float, right: float, colour: Colour) -> Polygon:
    """An upright rectangle."""
    return Polygon(((left, top), (right, top), (right, bottom), (left, bottom)), colour)


def arrow_head(tip: Point, direction: Point, size: float, colour: Colour) -> Polygon:
    """A triangle whose tip is at ``tip`` and points along the unit vector ``direction``."""
    (x, y), (dx, dy) = tip, direction
    back_x, back_y = x - size * dx, y - size * dy
    half = 0.6 * size
    return Polygon((tip, (back_x - half * dy, back_y + half * dx), (back_x + half * dy, back_y - half * dx)), colour)
