"""The Bernoulli negative log likelihood of images, in few passes over the pixels."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor

FACTORS = 16
"""Number of probabilities, each at least one half, multiplied before a single logarithm is taken."""


class _BernoulliNats(torch.autograd.Function):
    """sum(softplus(l) - x l) of each group of logits, with gradient sigmoid(l) - x."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, *pixels: Tensor) -> Tensor:
        probability = torch.sigmoid(logits)
        ctx.save_for_backward(probability, *pixels)
        # softplus(l) = max(l, 0) - ln sigmoid(|l|), and sigmoid(|l|) is the larger of p and 1 - p.
        larger = (probability - 0.5).abs_().add_(0.5).flatten(1)
        whole = larger.shape[1] // FACTORS * FACTORS
        products = torch.prod(larger[:, :whole].reshape(len(larger), FACTORS, -1), dim=1)
        log_sum = products.log_().sum(1) + larger[:, whole:].log().sum(1)
        inner = torch.stack([torch.dot(a.flatten(), x.flatten()) for a, x in zip(logits, pixels, strict=True)])
        positive = torch.clamp(logits.flatten(1), min=0.0, out=larger)  # reuses memory that is in the cache
        return positive.sum(1) - log_sum - inner

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        probability, *pixels = ctx.saved_tensors
        slope = torch.empty_like(probability)
        for i, x in enumerate(pixels):
            torch.sub(probability[i], x, out=slope[i]).mul_(gradients[0][i])
        return slope, *(None for _ in pixels)


def bernoulli_nats(logits: Tensor, *pixels: Tensor) -> Tensor:
    """Return -log p(x | logits) in nats, summed over pixels, mean over images.

    Args:
        logits: (..., H, W, C); for several sets of images with a leading dimension of that length.
        pixels: x in [0, 1]: one set (..., H, W, C), or several.

    Returns:
        A scalar for one set, (G,) for G.
    """
    groups = logits.float() if len(pixels) > 1 else logits.float().unsqueeze(0)
    nats = cast(Tensor, _BernoulliNats.apply(groups, *pixels)) / math.prod(groups.shape[1:-3])
    return nats if len(pixels) > 1 else nats[0]
