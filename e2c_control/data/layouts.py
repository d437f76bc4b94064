"""Observations that are images in some layout and range of numbers, read as uint8 (H, W) or (H, W, C)."""

from dataclasses import dataclass
from typing import TypeGuard

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from e2c_control.data.controls import Space, is_box
from e2c_control.data.transitions import stack_frames

_MOST_COLOURS = 4
_LEAST_SIDE = 8
"""Pixels on a side below which an array of other numbers than uint8 may be anything."""


@dataclass(frozen=True)
class Layout:
    """How an array of a Box space is an image.

    Attributes:
        shape: of the array.
        axes: of the array in the order (H, W), (H, W, C), or (stack, H, W, C).
        limits: numbers that mean black and white; None for uint8, which are pixels as they are.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...]
    limits: tuple[float, float] | None

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(H, W) or (H, W, C)."""
        sides = [self.shape[axis] for axis in self.axes]
        return (*sides[1:3], sides[0] * sides[3]) if len(sides) == 4 else tuple(sides)

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing to be done."""
        return self.limits is None and len(self.axes) < 4 and self.axes == tuple(range(len(self.axes)))

    def fits(self, array: NDArray[np.bool_ | np.number]) -> bool:
        """Return whether an array is of this layout, its numbers within the limits."""
        if array.shape != self.shape or (self.limits is None and array.dtype != np.uint8):
            return False
        if self.limits is None:
            return True
        (low, high), slack = self.limits, 1e-6 * (self.limits[1] - self.limits[0])
        return array.dtype.kind in "biuf" and bool(((array >= low - slack) & (array <= high + slack)).all())

    def read(self, array: NDArray[np.bool_ | np.number]) -> NDArray[np.uint8]:
        """Read the image (H, W) or (H, W, C) of an array that fits."""
        image = array.transpose(self.axes)
        if self.limits is not None:
            low, high = self.limits
            image = np.rint((image.astype(np.float64) - low) * (255.0 / (high - low))).clip(0, 255)
        pixels = image.astype(np.uint8, copy=False)
        return np.ascontiguousarray(stack_frames(pixels) if pixels.ndim == 4 else pixels)


def image_layout(space: object) -> Layout | None:
    """Return how observations of a space are images, where that is beyond doubt; none otherwise.

    Channels come last if there are at most four, as Gymnasium has them; else they are the first or the last axis, if
    that is the shortest. (stack, H, W, C) are frames one after another. Numbers other than uint8 are images if all have
    the same finite limits, which mean black and white.
    """
    if not is_box(space):
        return None
    axes = _axes(space.shape)
    if axes is None:
        return None
    low, high = float(space.low.min()), float(space.high.max())
    if space.dtype == np.uint8 and (low, high) != (0.0, 1.0):
        return Layout(space.shape, axes, None)
    uniform = (
        bool((space.low == low).all() and (space.high == high).all()) and np.isfinite([low, high]).all() and low < high
    )
    return Layout(space.shape, axes, (low, high)) if uniform and _is_large(space.shape) else None


def has_images(space: object) -> bool:
    """Return whether a space, or a part of a Dict, shows images beyond doubt."""
    parts = parts_of(space)
    return any(image_layout(part) is not None for part in ([space] if parts is None else parts.values()))


def parts_of(space: object) -> dict[str, Space] | None:
    """Return the parts of a Dict space; none of any other."""
    return space.spaces if _is_dict(space) else None


def _is_dict(space: object) -> TypeGuard[spaces.Dict]:
    return isinstance(space, spaces.Dict)


def _is_tuple(space: object) -> TypeGuard["spaces.Tuple[object]"]:
    return isinstance(space, spaces.Tuple)


def has_pictures(space: object) -> bool:
    """Return whether a space, or a part of it, has as many dimensions and numbers as an image."""
    if (parts := parts_of(space)) is not None:
        return any(map(has_pictures, parts.values()))
    if _is_tuple(space):
        return any(map(has_pictures, space.spaces))
    return is_box(space) and _is_large(space.shape)


def _axes(shape: tuple[int, ...]) -> tuple[int, ...] | None:
    if 0 in shape:
        return None
    if len(shape) == 2 or (len(shape) in (3, 4) and shape[-1] <= _MOST_COLOURS):
        return tuple(range(len(shape)))
    if len(shape) != 3:
        return None
    first, middle, last = shape
    if first < min(middle, last):
        return (1, 2, 0)
    return (0, 1, 2) if last < min(first, middle) else None


def _is_large(shape: tuple[int, ...]) -> bool:
    return len(shape) >= 2 and sorted(shape)[-2] >= _LEAST_SIDE
