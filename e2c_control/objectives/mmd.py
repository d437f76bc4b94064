"""Penalty of Wasserstein auto-encoders (Tolstikhin et al. 2018), in place of E2C's divergence from the prior."""

from __future__ import annotations

import torch
from torch import Tensor

from e2c_control.autoencoders.kernels import InverseMultiquadratic
from e2c_control.autoencoders.mmd import mmd
from e2c_control.autoencoders.priors import normal_prior
from e2c_control.objectives.term import Term
from e2c_control.objectives.unrolled import Unrolled


class MMDPrior(Term):
    """MMD² between the aggregate of encoded latents and N(0, deviation² I): unbiased, so negative where they agree.

    `PriorKL` pulls the code of every single image to the prior, this only all of them together. The latents of a
    window depend on each other, so each time is compared by itself, and the mean is taken.

    Args:
        deviation: of the prior.
    """

    def __init__(self, deviation: float = 1.0) -> None:
        super().__init__()
        self.deviation, self.prior = deviation, normal_prior(deviation)

    def forward(self, unrolled: Unrolled) -> Tensor:
        latents = unrolled.latents[:-1]
        # The kernel's scale is that of the prior in k dimensions, as in the paper.
        kernel = InverseMultiquadratic(self.prior.base(latents.shape[-1]))
        draws = self.deviation * unrolled.noise.normal(*latents.shape)
        both = zip(unrolled.gather(latents, -2), unrolled.gather(draws, -2), strict=True)
        return torch.stack([mmd(q, p, kernel) for q, p in both]).mean()
