"""Bernoulli likelihood of images: of the encoded ones (reconstruction) and of the predicted ones (prediction).

The first two terms of the E2C objective, Watter et al. 2015, equation 11.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from e2c_control.objectives.term import Term
from e2c_control.objectives.unrolled import Unrolled


class _BernoulliNats(torch.autograd.Function):
    """sum(softplus(l) - x l) with gradient sigmoid(l) - x, in as few passes over the pixels as that takes."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, pixels: Tensor) -> Tensor:
        probability = torch.sigmoid(logits)
        ctx.save_for_backward(probability, pixels)
        # softplus(l) = max(l, 0) - ln sigmoid(|l|), and sigmoid(|l|) is the larger of p and 1 - p.
        log_sum = (probability - 0.5).abs_().add_(0.5).log_().sum()
        return logits.clamp(min=0.0).sum() - log_sum - torch.dot(logits.flatten(), pixels.flatten())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        probability, pixels = ctx.saved_tensors
        return (probability - pixels).mul_(gradients[0]), None


def pixel_nats(logits: Tensor, pixels: Tensor) -> Tensor:
    """-log p(x | logits) in nats, summed over pixels, mean over images.

    Args:
        logits: (..., H, W, C).
        pixels: x in [0, 1], of the same shape.
    """
    total = cast(Tensor, _BernoulliNats.apply(logits.float(), pixels))
    return total / logits[..., 0, 0, 0].numel()


class Reconstruction(Term):
    """-log p(x_t | z_t), nats per image, mean over the images from which something is predicted."""

    def forward(self, unrolled: Unrolled) -> Tensor:
        return pixel_nats(unrolled.logits[0], unrolled.pixels[:-1])


class Prediction(Term):
    """-log p(x_t | predicted z_t), nats per image, mean over t = 1..K.

    Args:
        rollout: whether all K are predicted from the first image, rather than each from the image before it.
    """

    def __init__(self, rollout: bool = False) -> None:
        super().__init__()
        self.rollout = rollout

    def forward(self, unrolled: Unrolled) -> Tensor:
        logits = unrolled.embedding.decode(unrolled.rolled) if self.rollout else unrolled.logits[1]
        return pixel_nats(logits, unrolled.pixels[1:])


class Display(Term):
    """-log p(x_0 | z_0), nats per image, with nothing predicted: what teaches a decoder to show a finished map."""

    def forward(self, unrolled: Unrolled) -> Tensor:
        return pixel_nats(unrolled.embedding.decode(unrolled.latents), unrolled.pixels)
