"""The latent map as a picture that can be drawn on and clicked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw

from e2c_control.envs.scene import BODY, CONTROL, GOAL, SURFACE, Colour
from e2c_control.figures.projection import Projection, project

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

SIDE, BORDER = 480, 34
FINE = 2  # Pillow draws without anti-aliasing: draw larger, then shrink
LIGHTER = 0.18  # dark dots would drown in a dark ground
DOT, LINE, MARK = 3.0, 2.2, 7.0


class Atlas:
    """Known latents in a square of `SIDE` pixels, x to the right and y down.

    Args:
        latents: of known frames, (N, k).
        at_rest: of the same frames as goals, (N, k).
        colours: of the frames, (N, 3) or (N, 4) in [0, 1].
        projection: of the run that the latents are of; without it one of the latents.
    """

    def __init__(self, latents: Array, at_rest: Array, colours: Array, projection: Projection | None = None) -> None:
        self._projection = projection or project(latents)
        points = self._projection(latents)[:, :2]
        low, high = points.min(0), points.max(0)
        self._centre = (low + high) / 2
        self._scale = (SIDE - 2 * BORDER) / max(float((high - low).max()), np.finfo(np.float64).tiny)
        self._goals = self.pixels(at_rest)
        self._ground = self._dotted(self.pixels(latents), colours)

    def pixels(self, latents: Array) -> Array:
        """Return where latents (..., k) lie, (..., 2)."""
        return SIDE / 2 + (self._projection(latents)[..., :2] - self._centre) * self._scale * np.array([1.0, -1.0])

    def nearest(self, x: float, y: float) -> int:
        """Return which known frame, as a goal, lies nearest to a pixel."""
        return int(np.linalg.norm(self._goals - np.array([x, y]), axis=1).argmin())

    def draw(self, trail: Sequence[Array], plan: Array, goal: Array) -> Image:
        """Draw the map with latents driven through, each (k,), the planned ones (T + 1, k), and the goal (k,)."""
        picture = self._ground.copy()
        draw = ImageDraw.Draw(picture)
        path, planned = self._fine(self.pixels(np.stack(trail))), self._fine(self.pixels(plan))
        draw.line([*map(tuple, path)], BODY, round(LINE * FINE), joint="curve")
        draw.line([*map(tuple, planned)], CONTROL, round(LINE * FINE), joint="curve")
        for point in planned[1:]:
            _disc(draw, point, 1.4 * DOT, CONTROL)
        _star(draw, self._fine(self.pixels(goal)), 1.9 * MARK, GOAL)
        _disc(draw, path[-1], MARK + 2, SURFACE)
        _disc(draw, path[-1], MARK, BODY)
        return np.asarray(picture.reduce(FINE), np.uint8)

    def _fine(self, pixels: Array) -> Array:
        # A plan may lead far off the map, and Pillow counts in 32 bits.
        return FINE * np.clip(np.nan_to_num(pixels, nan=-9 * SIDE), -9 * SIDE, 9 * SIDE)

    def _dotted(self, points: Array, colours: Array) -> Pillow.Image:
        picture = Pillow.new("RGB", (SIDE * FINE, SIDE * FINE), SURFACE)
        draw = ImageDraw.Draw(picture)
        light = np.rint(255 * (LIGHTER + (1 - LIGHTER) * colours[:, :3])).astype(int)
        for point, (red, green, blue) in zip(self._fine(points), light.tolist(), strict=True):
            _disc(draw, point, DOT, (red, green, blue))
        return picture


def _disc(draw: ImageDraw.ImageDraw, centre: Array, radius: float, colour: Colour) -> None:
    (x, y), reach = centre, radius * FINE
    draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=colour)


def _star(draw: ImageDraw.ImageDraw, centre: Array, radius: float, colour: Colour) -> None:
    angles = -np.pi / 2 + np.arange(10) * np.pi / 5
    reach = radius * FINE * np.where(np.arange(10) % 2, 0.45, 1.0)
    corners = centre + reach[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    draw.polygon([*map(tuple, corners)], fill=colour, outline=SURFACE)
