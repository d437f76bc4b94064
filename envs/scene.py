"""Shapes that a system draws itself with for human eyes; the viewer paints them.

Coordinates and sizes are fractions of the picture's side, x to the right and y down. Colours are RGB.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

Point: TypeAlias = tuple[float, float]
Colour: TypeAlias = tuple[int, int, int]

PAPER: Colour = (24, 27, 34)
SURFACE: Colour = (44, 49, 60)
STONE: Colour = (122, 130, 146)
CORE: Colour = (24, 27, 34)
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
    """Return an upright rectangle."""
    return Polygon(((left, top), (right, top), (right, bottom), (left, bottom)), colour)


def arrow_head(tip: Point, direction: Point, size: float, colour: Colour) -> Polygon:
    """Return a triangle whose tip is at ``tip`` and points along the unit vector ``direction``."""
    (x, y), (dx, dy) = tip, direction
    back_x, back_y = x - size * dx, y - size * dy
    half = 0.6 * size
    return Polygon((tip, (back_x - half * dy, back_y + half * dx), (back_x + half * dy, back_y - half * dx)), colour)


def on_circle(middle: Point, angle: float, radius: float) -> Point:
    """Return the point of a circle at ``angle``, rad, clockwise from up."""
    return middle[0] + radius * math.sin(angle), middle[1] - radius * math.cos(angle)


def sector(middle: Point, angle: float, half_angle: float, radius: float, colour: Colour) -> Polygon:
    """Return a slice of a disc, within ``half_angle`` of ``angle``, both rad."""
    edge = (on_circle(middle, angle + half_angle * part / 20, radius) for part in range(-20, 21))
    return Polygon((middle, *edge), colour)


def torque_arrow(middle: Point, effort: float, radius: float, width: float = 0.012) -> tuple[Shape, ...]:
    """Return an arc around a motor, a third of a turn at full torque (``effort`` 1), counter-clockwise if positive."""
    if abs(effort) < 0.02:
        return ()
    sweep = -effort * 2 * math.pi / 3
    arc = tuple(on_circle(middle, math.pi - sweep / 2 + sweep * part / 30, radius) for part in range(31))
    end = math.pi + sweep / 2
    turn = math.copysign(1, sweep)
    direction = (turn * math.cos(end), turn * math.sin(end))
    tip = (arc[-1][0] + 2.5 * width * direction[0], arc[-1][1] + 2.5 * width * direction[1])
    return Path(arc, width, CONTROL), arrow_head(tip, direction, 3.75 * width, CONTROL)
