"""The Wasserstein auto-encoder with an MMD between the aggregate of codes and the prior (Tolstikhin et al. 2018)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import torch
from torch import Tensor

from e2c_control.autoencoders.autoencoder import AutoEncoder, Loss, check_reduction, not_negative, squared_error
from e2c_control.autoencoders.kernels import InverseMultiquadratic, Kernel
from e2c_control.autoencoders.mmd import mmd, prior_mmd
from e2c_control.autoencoders.networks import Networks
from e2c_control.autoencoders.priors import Prior, make_prior

MATTERS = 0.02
"""Share of the reconstruction loss of the best constant that a collapsed code must cost."""


class WassersteinAutoEncoder(AutoEncoder):
    """|x - D(z)|² + weight * MMD²(codes, prior), the encoder deterministic or random.

    Args:
        networks: encoder and decoder; codes of any shape, which are flattened.
        weight: of the penalty, in units of the reconstruction's reduction. The published settings are 200 (MNIST) and
            2,000 (faces) for the `sum` of squares of pixels, when their factor 0.05 of the reconstruction is divided
            out.
        prior: normal, uniform or sphere.
        scale: its deviation or radius.
        reduction: of the squared error over the numbers of a sample.
        kernel: the published mixture at the prior's base and the flattened dimension, unless given.
    """

    def __init__(
        self,
        networks: Networks,
        weight: float = 10.0,
        prior: str = "normal",
        scale: float = 1.0,
        reduction: str = "sum",
        kernel: Kernel | None = None,
    ) -> None:
        super().__init__(networks)
        check_reduction(reduction)
        not_negative(weight=weight)
        self.weight, self.reduction = weight, reduction
        self.prior: Prior = make_prior(prior, scale)
        self.kernel = kernel or InverseMultiquadratic(self.prior.base(torch.Size(self.code_shape).numel()))

    def losses(self, x: Tensor, generator: torch.Generator) -> Iterator[Loss]:
        codes = self.encode(x, generator)
        error = squared_error(self.decode(codes), x, self.reduction)
        penalty = prior_mmd(codes, self.prior, generator, self.kernel)
        yield Loss(error + self.weight * penalty, {"reconstruction": error.detach(), "mmd": penalty.detach()})

    def prior_codes(self, n: int, generator: torch.Generator) -> Tensor:
        return self.prior.sample(n, self.code_shape, generator)

    def check_data(self, x: Tensor) -> None:
        """As for every model; warns where even a collapsed code would cost next to nothing."""
        super().check_data(x)
        worst = self.weight * self.collapse()
        spread = float(squared_error(x.mean(0).expand_as(x), x, self.reduction))
        if worst < MATTERS * spread:
            warnings.warn(
                f"The MMD's weight {self.weight:g} cannot matter: a collapsed code would cost {worst:.2g}, and the "
                f"best constant reconstruction costs {spread:.2g} (by {self.reduction}). Raise the weight to "
                f"{spread / self.collapse():.2g} or so.",
                stacklevel=2,
            )

    def collapse(self) -> float:
        """The penalty, before weighting, of codes that are all the prior's centre: about the most that it comes to."""
        draws = self.prior.sample(256, self.code_shape, torch.Generator().manual_seed(0))
        return float(mmd(torch.zeros_like(draws), draws, self.kernel))
