from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from e2c_control.autoencoders.registry import AutoEncoderConfig

KINDS = {
    "vector": AutoEncoderConfig("plain", (5,), 3, hidden=(8,)),
    "signal": AutoEncoderConfig("plain", (2, 8), 3, "signal", (4, 4)),
    "image": AutoEncoderConfig("plain", (6, 5, 1), 3, "image", (8,), output="sigmoid"),
    "image conv": AutoEncoderConfig("plain", (16, 12, 2), 3, "image", (8,), output="sigmoid", kind="conv"),
    "convolutional": AutoEncoderConfig("plain", (8, 12, 2), 4, "convolutional", (4,), output="sigmoid"),
}


@pytest.fixture
def parabola() -> Callable[..., Tensor]:
    """Points (n, 3) with x, y ~ N(0, 1) and z = x² + y²."""

    def draw(n: int, seed: int = 0) -> Tensor:
        xy = torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))
        return torch.cat([xy, xy.square().sum(1, keepdim=True)], dim=1)

    return draw
