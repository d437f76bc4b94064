"""Thick anti-aliased lines, drawn into many images at once."""

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from e2c_control.envs.system import FloatArray, Frames

Float32Array: TypeAlias = NDArray[np.float32]


def draw_lines(
    canvas: Frames,
    x: float | FloatArray,
    y: float | FloatArray,
    angle: FloatArray,
    length: float,
    width: float,
) -> None:
    """Draw white lines with square ends, one into each image of ``canvas`` (N, H, W), which must be contiguous.

    A line starts at ``(x, y)``, pixels to the right and down from the image's corner, each one number or ``(N,)``, and
    runs ``length`` pixels in the direction ``angle`` (N,), rad, clockwise from up. What is brighter already stays.

    A pixel's brightness is its coverage by the line, the product of two ramps as wide as the pixel looks from the
    line's direction. The image is continuous in place and angle, so that rates can be read from two frames.

    Only pixels near the line are looked at: for each row that it may touch, a few on both sides of its middle; where
    it is closer to level than to upright, columns take the place of rows.
    """
    sine, cosine = np.sin(angle), np.cos(angle)
    steep = np.abs(cosine) >= np.abs(sine)
    # The first axis is that of the rows of a steep line, the second one the other; d is the line's direction.
    start_1, start_2 = np.where(steep, y, x), np.where(steep, x, y)
    d_1, d_2 = np.where(steep, -cosine, sine), np.where(steep, sine, -cosine)
    scale = 1 / (np.abs(sine) + np.abs(cosine))

    # Coverage ends within a pixel of the outline.
    lowest = start_1 + np.minimum(0, length * d_1) - width / 2 * np.abs(d_2) - 1
    first_1 = np.ceil(lowest - 0.5)[:, None] + np.arange(math.floor(math.hypot(length, width) + 2) + 1)
    from_start_1 = first_1 + 0.5 - start_1[:, None]
    middle = from_start_1 * (d_2 / d_1)[:, None]  # where the line's middle crosses, from the start on the second axis
    reach = width / math.sqrt(2) + 1
    first_2 = np.ceil(start_2[:, None] + middle - reach - 0.5)
    from_start_2 = first_2 + 0.5 - start_2[:, None]

    beside = np.arange(math.floor(2 * reach) + 1)
    along = _column(scale * d_2)[..., None] * beside.astype(np.float32)
    across = _column(scale * d_1)[..., None] * beside.astype(np.float32)
    along = along + _pixels(scale[:, None] * (d_1[:, None] * from_start_1 + d_2[:, None] * from_start_2 - length / 2))
    across = across + _pixels((scale * d_1)[:, None] * (from_start_2 - middle))
    brightness = _ramp(along, scale * length / 2)
    brightness *= _ramp(across, scale * width / 2)
    brightness *= np.float32(255)
    brightness += np.float32(0.5)  # the cast cuts off: round

    _brighten(canvas, steep, first_1.astype(np.intp), first_2.astype(np.intp), beside, brightness.astype(np.uint8))


def _column(numbers: FloatArray) -> Float32Array:
    """Return ``(N,)`` as ``(N, 1)``."""
    return numbers[:, None].astype(np.float32)


def _pixels(numbers: FloatArray) -> Float32Array:
    """Return ``(N, R)`` as ``(N, R, 1)``."""
    return numbers[..., None].astype(np.float32)


def _ramp(distance: Float32Array, half: FloatArray) -> Float32Array:
    """Write ``clip(1/2 + half - |distance|, 0, 1)`` in the place of ``distance`` (N, R, C), for ``half`` (N,)."""
    np.abs(distance, out=distance)
    np.subtract((0.5 + half).astype(np.float32)[:, None, None], distance, out=distance)
    return np.clip(distance, np.float32(0), np.float32(1), out=distance)


def _brighten(
    canvas: Frames,
    steep: NDArray[np.bool_],
    first_1: NDArray[np.intp],
    first_2: NDArray[np.intp],
    beside: NDArray[np.intp],
    brightness: Frames,
) -> None:
    """Take the brighter of ``canvas`` and ``brightness`` (N, R, C), whose pixels may lie outside the images."""
    height, width = int(canvas.shape[1]), int(canvas.shape[2])
    sizes, strides = np.array([height, width], np.intp), np.array([width, 1], np.intp)
    which = np.where(steep, 0, 1)[:, None]
    size_1, size_2, stride_1, stride_2 = sizes[which], sizes[1 - which], strides[which], strides[1 - which]
    base = np.arange(len(canvas), dtype=np.intp)[:, None] * (height * width) + first_1 * stride_1 + first_2 * stride_2
    index = base[..., None] + (stride_2 * beside)[:, None, :]
    if first_1.min() < 0 or (first_1 >= size_1).any() or first_2.min() < 0 or (first_2 + beside[-1] >= size_2).any():
        second = first_2[..., None] + beside
        inside = (second >= 0) & (second < size_2[..., None]) & ((first_1 >= 0) & (first_1 < size_1))[..., None]
        index, brightness = index[inside], brightness[inside]
    pixels = canvas.reshape(-1)
    pixels[index] = np.maximum(pixels[index], brightness)
