"""Standardised pixels and vectors, the input of the encoders."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from e2c_control.errors import InputError

DEVIATION_OFFSET = 0.02
"""Added to each pixel's standard deviation, so that nearly constant pixels are not amplified."""

LEAST_DEVIATION = 1e-6
"""Of a number of a vector, below which it is taken for a constant."""


def unit_pixels(observations: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return uint8 images as floats in [0, 1]."""
    return observations.to(dtype, memory_format=torch.contiguous_format).mul_(1.0 / 255.0)


class Standardise(nn.Module):
    """Standardise each pixel, (x - mean) / (deviation + 0.02) with the training set's statistics, then average blocks.

    The moving part of an image may be 4 of 1,600 pixels. Unstandardised, the codes start with next to no variance and
    the background dominates every loss; standardised, the same objective learns in a tenth of the steps.

    All frames of a stacked observation have the same statistics, so that single frames can be processed once and
    stacked afterwards.

    Args:
        observation_shape: (H, W, C).
        pool: side of the square blocks whose mean is taken, or (rows, columns) of oblong ones; the remainder at the
            edges is ignored.

    Raises:
        InputError: a block is larger than the image.
    """

    scale: Tensor
    offset: Tensor

    def __init__(self, observation_shape: tuple[int, int, int], pool: int | tuple[int, int] = 1) -> None:
        super().__init__()
        height, width, channels = observation_shape
        self.pool = (pool, pool) if isinstance(pool, int) else pool
        rows, columns = self.pool
        if height and (rows > height or columns > width):
            raise InputError(
                f"pool is {pool}, and frames are {height} x {width}: give blocks that fit, or (rows, columns) for each "
                "side."
            )
        self.view_shape = (height // rows, width // columns, channels)
        self.register_buffer("scale", torch.ones(observation_shape))
        self.register_buffer("offset", torch.zeros(observation_shape))

    def fit(self, mean: Tensor, deviation: Tensor) -> None:
        """Take the statistics of observations in [0, 1], each (H, W, C)."""
        self.scale.copy_(1.0 / (deviation + DEVIATION_OFFSET))
        self.offset.copy_(-mean * self.scale)

    @property
    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of every pixel in the training set, each (H, W, C), in [0, 1]."""
        return -self.offset / self.scale, 1.0 / self.scale - DEVIATION_OFFSET

    def forward(self, pixels: Tensor) -> Tensor:
        """Return views (..., h, w, c) of pixels (..., H, W, c) in [0, 1]; c is C, or the channels of one frame."""
        channels = pixels.shape[-1]
        view = torch.addcmul(self.offset[..., :channels], pixels, self.scale[..., :channels])
        if self.pool == (1, 1):
            return view
        (height, width, _), (rows, columns) = self.view_shape, self.pool
        seen = view[..., : height * rows, : width * columns, :]
        blocks = seen.reshape(*seen.shape[:-3], height, rows, width, columns, channels)
        return blocks.mean(-4).mean(-2)  # rows of pixels first: whole rows are added fast


class StandardiseVectors(nn.Module):
    """Standardise each number of a vector observation, (x - mean) / deviation, with the training set's statistics.

    Args:
        size: numbers of a stacked observation.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("deviation", torch.ones(size))

    def fit(self, mean: Tensor, deviation: Tensor) -> None:
        """Take the statistics (d,); a number that never changes stays as small as it is."""
        self.get_buffer("mean").copy_(mean)
        self.get_buffer("deviation").copy_(torch.where(deviation > LEAST_DEVIATION, deviation, 1.0))

    def forward(self, vectors: Tensor) -> Tensor:
        """Return standardised vectors (..., d); or those of one frame of a stack."""
        some = vectors.shape[-1]
        return (vectors - self.get_buffer("mean")[:some]) / self.get_buffer("deviation")[:some]
