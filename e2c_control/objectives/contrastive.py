"""Contrastive prediction over K steps: the map's topology without a decoder.

The two terms of Shu et al. 2020 (PC3, equations 7 and 8), averaged over the K steps of a rollout of the latent mean.
Training on one step leaves the map folded on some seeds; three steps see farther than a fold is wide.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from e2c_control.objectives.term import Term
from e2c_control.objectives.unrolled import Unrolled


def noisy_targets(unrolled: Unrolled, scale: float) -> Tensor:
    """Encoded next latents blurred by fixed noise, (K, N, k): without it the latent scale has no floor."""
    target = unrolled.posterior.mean[1:]
    return target + scale * unrolled.noise.normal(*target.shape)


class InfoNCE(Term):
    """-log of the chance to pick a window's own future among all the batch's futures, nats per step.

    Score of a pair: the Gaussian log density of the encoded future around the predicted one, with a single learnt
    variance for all steps and latent dimensions.

    Args:
        noise: deviation of the noise added to encoded futures.
    """

    def __init__(self, noise: float = 0.1) -> None:
        super().__init__()
        self.noise = noise
        self.log_precision = nn.Parameter(torch.zeros(()))

    def forward(self, unrolled: Unrolled) -> Tensor:
        predicted = unrolled.gather(unrolled.predicted_mean, -2)
        target = unrolled.gather(noisy_targets(unrolled, self.noise), -2)
        distances = (
            predicted.square().sum(-1)[..., :, None]
            + target.square().sum(-1)[..., None, :]
            - 2.0 * predicted @ target.mT
        )
        logits = -0.5 * self.log_precision.exp() * distances
        own = torch.arange(logits.shape[-1], device=logits.device).expand(logits.shape[:-1])
        return cross_entropy(logits.flatten(0, 1), own.flatten())


class LatentConsistency(Term):
    """Negative Gaussian log density of the encoded futures around the predicted ones, nats per step.

    Args:
        noise: deviation of the noise added to encoded futures; the density's own deviation is learnt.
    """

    def __init__(self, noise: float = 0.1) -> None:
        super().__init__()
        self.noise = noise
        self.log_precision = nn.Parameter(torch.zeros(()))

    def forward(self, unrolled: Unrolled) -> Tensor:
        error = unrolled.predicted_mean - noisy_targets(unrolled, self.noise)
        k = error.shape[-1]
        nats = 0.5 * self.log_precision.exp() * error.square().sum(-1)
        return nats.mean() + 0.5 * k * (math.log(2.0 * math.pi) - self.log_precision)
