"""A film of an episode: the world, and beside it what the agent sees, what it foresees, and its goal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from e2c_control.evaluation.episode import Episode
from e2c_control.figures.squares import in_square
from e2c_control.measures import decode_frames
from e2c_control.models.embedding import Embedding

Image = NDArray[np.uint8]

SIDE, LABEL, GAP = 480, 22, 12
PANEL = (SIDE - 3 * LABEL - 2 * GAP) // 3
PAPER, FAINT, INK = (255, 255, 255), (190, 190, 190), (40, 40, 40)


def film(episode: Episode, embedding: Embedding) -> list[Image]:
    """Return frames (480, w, 3), one for each step; the last one stays for a moment."""
    foreseen = decode_frames(embedding, np.stack([plan[-1] for plan in episode.plans]), episode.goal.shape[-1])
    last = len(foreseen) - 1
    frames = [
        _page(world, {"sees": seen, "expects": foreseen[min(t, last)], "goal": episode.goal})
        for t, (world, seen) in enumerate(zip(episode.world, episode.seen, strict=True))
    ]
    return frames + [frames[-1]] * 10


def _page(world: Image, panels: dict[str, Image]) -> Image:
    page = Pillow.new("RGB", (SIDE + GAP + PANEL, SIDE), PAPER)
    page.paste(in_square(world, SIDE, PAPER), (0, 0))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(15)
    for i, (name, image) in enumerate(panels.items()):
        top = i * (PANEL + LABEL + GAP)
        draw.text((SIDE + GAP, top), name, fill=INK, font=font)
        page.paste(in_square(image, PANEL, PAPER), (SIDE + GAP, top + LABEL))
        draw.rectangle((SIDE + GAP, top + LABEL, SIDE + GAP + PANEL - 1, top + LABEL + PANEL - 1), outline=FAINT)
    return np.asarray(page, np.uint8)
