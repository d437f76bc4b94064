"""The Wasserstein auto-encoder with an MMD penalty between codes and prior, WAE-MMD (Tolstikhin et al. 2018)."""

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
"""Least penalty of a collapsed code, as a share of the reconstruction loss of the best constant."""


class WassersteinAutoEncoder(AutoEncoder):
    """Loss |x - D(z)|² + weight * MMD²(codes, prior), the encoder deterministic or random.

    Args:
        networks: encoder and decoder; codes of any shape, which are flattened.
        weight: of the penalty, in units of the reconstruction's reduction. The published settings are 200 (MNIST) and
            2,000 (faces) for the `sum` of squares of pixels, when their factor 0.05 of the reconstruction is divided
            out.
        prior: normal, uniform or sphere.
        scale: standard deviation or radius of the prior.
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
        """Check data as every model does; warn if the weight is so low that a collapsed code costs next to nothing."""
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
        """Return the unweighted penalty of codes that all lie at the prior's centre: about its largest value."""
        draws = self.prior.sample(256, self.code_shape, torch.Generator().manual_seed(0))
        return float(mmd(torch.zeros_like(draws), draws, self.kernel))
