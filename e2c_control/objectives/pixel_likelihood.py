"""Bernoulli likelihood of images: of the encoded ones (reconstruction) and of the predicted ones (prediction).

The first two terms of the E2C objective, Watter et al. 2015, equation 11.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from e2c_control.objectives.term import Term
from e2c_control.objectives.unrolled import Unrolled


def pixel_nats(logits: Tensor, observations: Tensor) -> Tensor:
    """-log p(x | logits) summed over pixels: logits and uint8 observations (..., H, W, C) to (...,) nats."""
    target = observations.to(logits.dtype) / 255.0
    return binary_cross_entropy_with_logits(logits, target, reduction="none").sum((-3, -2, -1))


class Reconstruction(Term):
    """-log p(x_0 | z_0), nats per image.

    Args:
        detach: whether the encoder is shielded from this term, so that only the decoder learns from it.
        images: how many of the batch's images are decoded; 0 decodes all.
    """

    def __init__(self, detach: bool = False, images: int = 0) -> None:
        super().__init__()
        self.detach, self.images = detach, images or None

    def forward(self, unrolled: Unrolled) -> Tensor:
        latents = unrolled.latents[: self.images, 0]
        logits = unrolled.embedding.decode(latents.detach() if self.detach else latents)
        return pixel_nats(logits, unrolled.observations[: self.images, 0]).mean()


class Prediction(Term):
    """-log p(x_t | predicted z_t), nats per image, mean over t = 1..K."""

    def forward(self, unrolled: Unrolled) -> Tensor:
        logits = unrolled.embedding.decode(unrolled.predicted)
        return pixel_nats(logits, unrolled.observations[:, 1:]).mean()
