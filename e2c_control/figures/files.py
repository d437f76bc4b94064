"""Pictures and films on the disk."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image as Pillow

from e2c_control.errors import InputError
from e2c_control.figures.canvas import Image
from e2c_control.runs.atomic import replace_bytes, writing


def save_png(image: Image, path: Path | str) -> None:
    """Write a picture (H, W, 3), (H, W, 1) or (H, W) uint8.

    Raises:
        InputError: the path cannot be written to.
    """
    buffer = io.BytesIO()
    _picture(image).save(buffer, format="PNG")
    _replace(Path(path), buffer.getvalue())


def save_gif(frames: Sequence[Image], path: Path | str, fps: float) -> None:
    """Write a film that repeats for ever, from frames (H, W, 3), (H, W, 1) or (H, W) uint8.

    A GIF counts in hundredths of a second, and viewers slow down what is shorter than two of them: 50 frames a second
    is the fastest.

    Raises:
        InputError: there are no frames, or the path cannot be written to.
    """
    if len(frames) == 0 or fps <= 0:
        raise InputError(f"Cannot make a film of {len(frames)} frames at {fps} a second: give at least one of each.")
    first, *rest = [_picture(frame) for frame in frames]
    buffer = io.BytesIO()
    duration = max(10 * round(100 / fps), 20)
    first.save(buffer, format="GIF", save_all=True, append_images=rest, duration=duration, loop=0)
    _replace(Path(path), buffer.getvalue())


def _picture(image: Image) -> Pillow.Image:
    return Pillow.fromarray(image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image)


def _replace(path: Path, content: bytes) -> None:
    """Write a file, and the folders above it, at once."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    replace_bytes(path, content)
