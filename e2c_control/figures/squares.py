"""Pictures of any proportions in squares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow


def in_square(image: NDArray[np.uint8], side: int, paper: tuple[int, int, int]) -> Pillow.Image:
    """Return a picture (h, w, 1) or (h, w, 3) as large as fits into a square of ``side`` pixels, on paper.

    A larger picture is averaged, of a smaller one the pixels show.
    """
    picture = Pillow.fromarray(image[..., 0] if image.shape[-1] == 1 else image).convert("RGB")
    longest = max(picture.size)
    width, height = (max(round(length * side / longest), 1) for length in picture.size)
    if picture.size != (width, height):
        picture = picture.resize(
            (width, height), Pillow.Resampling.LANCZOS if longest > side else Pillow.Resampling.NEAREST
        )
    square = Pillow.new("RGB", (side, side), paper)
    square.paste(picture, ((side - width) // 2, (side - height) // 2))
    return square
