"""From a picture to a frame: the one way for what environments draw and for goals that a user brings."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from e2c_control.errors import InputError
from e2c_control.runs.atomic import unreadable

Image = NDArray[np.uint8]

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
"""Of goal pictures: plain pixels. Pillow hands some other formats to programs outside."""

MOST_PIXELS = 1 << 25
"""Of a goal picture: its file says how many it has before they are decoded, and may say anything."""

_AT_ONCE = 4
"""Channels that OpenCV resizes together."""


def resized(picture: Image, height: int, width: int) -> Image:
    """Return a picture (h, w) or (h, w, C) with other sides, by the mean of what each pixel covers."""
    if picture.shape[:2] == (height, width):
        return picture
    layers = picture.reshape(*picture.shape[:2], -1)
    parts = [np.ascontiguousarray(layers[..., i : i + _AT_ONCE]) for i in range(0, layers.shape[2], _AT_ONCE)]
    small = [cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA) for part in parts]
    joined = np.concatenate([part.reshape(height, width, -1) for part in small], -1)
    return np.asarray(joined, np.uint8).reshape(height, width, *picture.shape[2:])


def grey(picture: Image) -> Image:
    """Return brightness (H, W) of colours (H, W, 3), as Gymnasium's GrayscaleObservation weighs them."""
    return np.sum(picture * np.array([0.2125, 0.7154, 0.0721]), axis=-1).astype(np.uint8)


def as_frame(picture: Image, frame_shape: tuple[int, int, int]) -> Image:
    """Return a picture (h, w) or (h, w, 3) as a frame (H, W, C) of 1 or 3 channels: made small first, then grey."""
    height, width, channels = frame_shape
    small = resized(picture, height, width)
    if channels == 1:
        return (grey(small) if small.ndim == 3 else small)[..., None]
    return small if small.ndim == 3 else np.repeat(small[..., None], channels, -1)


def read_picture(path: Path) -> Image:
    """Read an image file as (h, w) in grey or (h, w, 3) in colours.

    Raises:
        InputError: there is none, it cannot be read, is too large to be one, or is partly transparent.
    """
    try:
        with Pillow.open(path, formats=FORMATS) as file:
            if file.width * file.height > MOST_PIXELS:
                raise InputError(
                    f"{path} is {file.width} x {file.height} pixels: give a picture of at most {MOST_PIXELS:,} pixels."
                )
            return _pixels(path, file)
    except FileNotFoundError as error:
        raise InputError(f"There is no picture {path}: check the path.") from error
    except Pillow.DecompressionBombError as error:
        raise InputError(f"{path} is too large: give a picture of at most {MOST_PIXELS:,} pixels.") from error
    except PermissionError as error:
        raise unreadable(path, error) from error
    except InputError:
        raise
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        raise InputError(f"{path} is no picture that can be read: give a PNG.") from error


def _pixels(path: Path, file: Pillow.Image) -> Image:
    if file.mode in ("L", "1"):
        plain = "transparency" not in file.info
        return np.array(file.convert("L"), np.uint8) if plain else _opaque(path, file)
    if file.mode.startswith("I"):  # 16 bits
        values = np.asarray(file, np.float64)
        if values.min() < 0 or values.max() > 65535:
            raise InputError(f"{path} holds numbers beyond 16 bits: give a PNG of 8 or 16 bits.")
        return np.rint(values / 257).astype(np.uint8)
    if file.mode == "F":
        raise InputError(f"{path} holds numbers without limits for black and white: give a PNG of 8 or 16 bits.")
    return _opaque(path, file)


def _opaque(path: Path, file: Pillow.Image) -> Image:
    """Return the colours of a picture through which nothing shines."""
    colours = np.array(file.convert("RGBA"), np.uint8)
    if (colours[..., 3] < 255).any():
        raise InputError(f"{path} is partly transparent, and what shines through is unknown: give it a background.")
    return np.ascontiguousarray(colours[..., :3])
