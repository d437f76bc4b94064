"""Bernoulli likelihood of images, decoded from encoded latents (reconstruction) or from predicted ones (prediction).

The first two terms of the E2C objective, Watter et al. 2015, equation 11.
"""

from __future__ import annotations

from torch import Tensor

from e2c_control.models.bernoulli import bernoulli_nats
from e2c_control.objectives.term import Term
from e2c_control.objectives.unrolled import Unrolled


class Reconstruction(Term):
    """-log p(x_t | z_t), nats per image, mean over the images from which something is predicted.

    Args:
        sample: whether z_t is drawn from q(z_t | x_t), or its mean, as a plain auto-encoder takes it.
    """

    def __init__(self, sample: bool = True) -> None:
        super().__init__()
        self.sample = sample

    def forward(self, unrolled: Unrolled) -> Tensor:
        if self.sample:
            return unrolled.pixel_nats[0]
        return bernoulli_nats(unrolled.embedding.decode(unrolled.posterior.mean[:-1]), unrolled.pixels[:-1])


class Prediction(Term):
    """-log p(x_t | predicted z_t), nats per image, mean over t = 1..K.

    Args:
        rollout: whether all K are predicted from the first image, rather than each from the image before it.
    """

    def __init__(self, rollout: bool = False) -> None:
        super().__init__()
        self.rollout = rollout

    def forward(self, unrolled: Unrolled) -> Tensor:
        if not self.rollout:
            return unrolled.pixel_nats[1]
        return bernoulli_nats(unrolled.embedding.decode(unrolled.rolled), unrolled.pixels[1:])


class Display(Term):
    """-log p(x_0 | z_0), nats per image, without prediction: trains a decoder to display a finished map.

    z_0 is the mean of q(z_0 | x_0). Objectives that make a map without a decoder leave its variance as it was at the
    start, and samples would blur what is small out of the picture: 17 nats an image in the planar world, by the mean 5.
    """

    def forward(self, unrolled: Unrolled) -> Tensor:
        return bernoulli_nats(unrolled.embedding.decode(unrolled.posterior.mean), unrolled.pixels)
