"""Large pictures for human eyes, drawn with pygame from a system's scene. No display is opened for an array."""

import os
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from e2c_control.envs.scene import PAPER, SURFACE, Disc, Path, Point, Polygon, Shape, rectangle
from e2c_control.envs.system import Frames
from e2c_control.errors import one_of

if TYPE_CHECKING:
    from pygame import Surface
    from pygame.time import Clock

SIZE = 480
OVERSAMPLING = 3  # pygame draws without anti-aliasing: draw larger, then shrink
MARGIN = 0.04


def check_render_mode(render_mode: str | None, known: Sequence[str]) -> None:
    """Raise InputError for a render mode that an environment does not have."""
    if render_mode is not None:
        one_of("render mode", render_mode, known)


class Viewer:
    """Paints scenes, into arrays or into a window. pygame is imported by the first of them."""

    def __init__(self) -> None:
        self._window: Surface | None = None
        self._clock: Clock | None = None

    def picture(self, scene: Sequence[Shape]) -> Frames:
        """Return the scene as an image ``(480, 480, 3)``."""
        from pygame import surfarray

        pixels: Frames = surfarray.array3d(paint(scene))
        return np.ascontiguousarray(pixels.transpose(1, 0, 2))

    def show(self, scene: Sequence[Shape], frames_per_second: int) -> None:
        """Put the scene into a window, and wait so long that the episode runs at its own speed."""
        import pygame

        if self._window is None or self._clock is None:
            pygame.display.init()
            pygame.display.set_caption("e2c-control")
            self._window = pygame.display.set_mode((SIZE, SIZE))
            self._clock = pygame.time.Clock()
        self._window.blit(paint(scene), (0, 0))
        pygame.event.pump()
        pygame.display.flip()
        self._clock.tick(frames_per_second)

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            import pygame

            pygame.display.quit()
            self._window = self._clock = None


def paint(scene: Sequence[Shape]) -> "Surface":
    """Paint the scene on a surface of 480 x 480 pixels, with a frame around it."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    import pygame

    canvas = pygame.Surface((SIZE * OVERSAMPLING, SIZE * OVERSAMPLING), 0, 32)
    canvas.fill(PAPER)
    for shape in (rectangle(0, 0, 1, 1, SURFACE), *scene):
        _paint_shape(canvas, shape)
    return pygame.transform.smoothscale(canvas, (SIZE, SIZE))


def _paint_shape(canvas: "Surface", shape: Shape) -> None:
    from pygame import draw

    match shape:
        case Disc():
            width = max(1, round(_length(shape.width))) if shape.width else 0
            draw.circle(canvas, shape.colour, _place(shape.center), _length(shape.radius), width)
        case Polygon():
            draw.polygon(canvas, shape.colour, [_place(point) for point in shape.points])
        case Path():
            _paint_path(canvas, shape)


def _paint_path(canvas: "Surface", path: Path) -> None:
    """Paint a thick line: a quadrilateral for each segment, and a disc at each point, for round joints and ends."""
    from pygame import draw

    half = _length(path.width) / 2
    points = [_place(point) for point in path.points]
    for (x, y), (to_x, to_y) in pairwise(points):
        length = max(np.hypot(to_x - x, to_y - y), 1e-9)
        side_x, side_y = -half * (to_y - y) / length, half * (to_x - x) / length
        corners = [(x + side_x, y + side_y), (to_x + side_x, to_y + side_y)]
        corners += [(to_x - side_x, to_y - side_y), (x - side_x, y - side_y)]
        draw.polygon(canvas, path.colour, corners)
    for point in points:
        draw.circle(canvas, path.colour, point, half)


def _length(fraction: float) -> float:
    return fraction * (1 - 2 * MARGIN) * SIZE * OVERSAMPLING


def _place(point: Point) -> Point:
    corner = MARGIN * SIZE * OVERSAMPLING
    return corner + _length(point[0]), corner + _length(point[1])
