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


def film(episode: Episode, embedding: Embedding | None) -> list[Image]:
    """Return frames (480, w, 3), one for each step; the last one stays for a moment.

    Args:
        episode: what happened.
        embedding: draws what the agent expects at the end of its plan; none where its decoder is not trained.
    """
    ends, frames = np.stack([plan[-1] for plan in episode.plans]), list[Image]()
    foreseen = None if embedding is None else decode_frames(embedding, ends, episode.goals.shape[-1])
    for t, (world, seen, aim) in enumerate(zip(episode.world, episode.seen, episode.aims, strict=True)):
        expected = {} if foreseen is None else {"expects": foreseen[min(t, len(foreseen) - 1)]}
        frames.append(_page(world, {"sees": seen, **expected, "goal": episode.goals[aim]}))
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
