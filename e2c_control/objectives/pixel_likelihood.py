"""Bernoulli likelihood of images: of the encoded ones (reconstruction) and of the predicted ones (prediction).

The first two terms of the E2C objective, Watter et al. 2015, equation 11.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from e2c_control.objectives.term import Term
from e2c_control.objectives.unrolled import Unrolled


class _BernoulliNats(torch.autograd.Function):
    """sum(softplus(l) - x l) with gradient sigmoid(l) - x, in as few passes over the pixels as that takes."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, pixels: Tensor) -> Tensor:
        ctx.save_for_backward(logits, pixels)
        # softplus(l) = max(l, 0) - ln sigmoid(|l|): the same to the last digits, at half its cost.
        log_sum = torch.sigmoid(logits.abs()).log_().sum()
        return logits.clamp(min=0.0).sum() - log_sum - torch.dot(logits.flatten(), pixels.flatten())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        logits, pixels = ctx.saved_tensors
        return torch.sigmoid(logits).sub_(pixels).mul_(gradients[0]), None


def pixel_nats(logits: Tensor, pixels: Tensor) -> Tensor:
    """-log p(x | logits) in nats, summed over pixels, mean over images.

    Args:
        logits: (..., H, W, C).
        pixels: x in [0, 1], of the same shape.
    """
    total: Tensor = _BernoulliNats.apply(logits.float(), pixels)  # pyright: ignore[reportUnknownVariableType]
    return total / logits[..., 0, 0, 0].numel()


class Reconstruction(Term):
    """-log p(x_0 | z_0), nats per image."""

    def forward(self, unrolled: Unrolled) -> Tensor:
        return pixel_nats(unrolled.logits[0], unrolled.pixels[0])


class Prediction(Term):
    """-log p(x_t | predicted z_t), nats per image, mean over t = 1..K."""

    def forward(self, unrolled: Unrolled) -> Tensor:
        return pixel_nats(unrolled.logits[1:], unrolled.pixels[1:])
