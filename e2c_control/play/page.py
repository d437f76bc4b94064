"""One frame of a session: the world, the latent map, what the agent sees, expects and wants, and what the keys do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from e2c_control.envs.scene import BODY, CONTROL, GOAL, PAPER, STONE, SURFACE, Colour
from e2c_control.figures.squares import in_square
from e2c_control.play.atlas import SIDE

Image = NDArray[np.uint8]

GAP, HEAD, FOOT, SMALL, CAPTION = 20, 50, 78, 139, 20
WORLD_LEFT, MAP_LEFT, SMALL_LEFT = GAP, SIDE + 2 * GAP, 2 * SIDE + 3 * GAP
WIDTH, HEIGHT = SMALL_LEFT + SMALL + GAP, HEAD + SIDE + FOOT
FAINT: Colour = (160, 167, 180)
KEYS = (
    ("click", "a goal"),
    ("arrows", "drive yourself"),
    ("Enter", "let the agent drive"),
    ("N", "another goal"),
    ("Space", "pause"),
    ("R", "begin anew"),
    ("Q", "quit"),
)
LEGEND: tuple[tuple[str, Colour], ...] = (("now", BODY), ("plan", CONTROL), ("goal", GOAL))


class Place(NamedTuple):
    """A point of a page: in which panel, and where in it, in fractions of its sides."""

    panel: Literal["world", "map"]
    x: float
    y: float


@dataclass(frozen=True, eq=False)
class Page:
    """What a frame shows.

    Attributes:
        title: of the world.
        meaning: of the colours of the map.
        driver: who drives, and in which colour it is said.
        status: numbers.
        note: what the last event came to, where that must be said.
        world: a large picture (h, w, 3) or (h, w, 1).
        latent_map: (SIDE, SIDE, 3).
        small: smaller pictures (H, W, C) by name.
    """

    title: str
    meaning: str
    driver: tuple[str, Colour]
    status: str
    note: str
    world: Image
    latent_map: Image
    small: dict[str, Image]

    def paint(self) -> Image:
        """Paint the frame, (HEIGHT, WIDTH, 3)."""
        page = Pillow.new("RGB", (WIDTH, HEIGHT), PAPER)
        draw = ImageDraw.Draw(page)
        _words(draw, (WORLD_LEFT, HEAD - 15), self.title, BODY, 19)
        after = _words(draw, (MAP_LEFT, HEAD - 15), "Latent map", BODY, 19)
        _words(draw, (after + 10, HEAD - 15), f"known frames by {self.meaning}", FAINT, 14)
        page.paste(in_square(self.world, SIDE, PAPER), (WORLD_LEFT, HEAD))
        page.paste(Pillow.fromarray(self.latent_map), (MAP_LEFT, HEAD))
        _legend(draw)
        for i, (name, image) in enumerate(self.small.items()):
            top = HEAD + i * (SMALL + CAPTION + 1)
            _words(draw, (SMALL_LEFT, top + 13), name, FAINT, 14)
            page.paste(in_square(image, SMALL, PAPER), (SMALL_LEFT, top + CAPTION))
        self._foot(draw)
        return np.array(page, np.uint8)

    def _foot(self, draw: ImageDraw.ImageDraw) -> None:
        text, colour = self.driver
        middle = HEAD + SIDE + 22
        draw.ellipse((GAP, middle - 5, GAP + 10, middle + 5), fill=colour)
        after = _words(draw, (GAP + 18, middle + 5), text, colour, 16)
        after = _words(draw, (after + 18, middle + 5), self.status, FAINT, 15)
        _words(draw, (after + 18, middle + 5), self.note, CONTROL, 15)
        _keys(draw, KEYS, middle + 34)


def place(x: float, y: float) -> Place | None:
    """Return what lies at a pixel of a frame; none beside the panels."""
    down = (y - HEAD) / SIDE
    across: dict[Literal["world", "map"], float] = {"world": (x - WORLD_LEFT) / SIDE, "map": (x - MAP_LEFT) / SIDE}
    for panel, right in across.items():
        if 0 <= right < 1 and 0 <= down < 1:
            return Place(panel, right, down)
    return None


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _words(draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, colour: Colour, size: int) -> float:
    """Write on a base line; returns where the text ends."""
    draw.text(at, text, fill=colour, font=_font(size), anchor="ls")
    return at[0] + draw.textlength(text, font=_font(size))


def _keys(draw: ImageDraw.ImageDraw, keys: Sequence[tuple[str, str]], base: float) -> None:
    x = float(GAP)
    for key, meaning in keys:
        width = draw.textlength(key, font=_font(14))
        draw.rounded_rectangle((x, base - 15, x + width + 14, base + 6), 5, fill=SURFACE, outline=STONE)
        _words(draw, (x + 7, base), key, BODY, 14)
        x = _words(draw, (x + width + 22, base), meaning, FAINT, 14) + 22


def _legend(draw: ImageDraw.ImageDraw) -> None:
    x, base = MAP_LEFT + SIDE - 178.0, HEAD + SIDE - 12
    for name, colour in LEGEND:
        draw.ellipse((x, base - 9, x + 9, base), fill=colour)
        x = _words(draw, (x + 15, base), name, FAINT, 14) + 16
