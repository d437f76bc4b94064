"""The variational auto-encoder (Kingma and Welling 2014), with a Gaussian likelihood."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from e2c_control.autoencoders.autoencoder import AutoEncoder, Loss, normal_like, not_negative
from e2c_control.autoencoders.networks import Networks
from e2c_control.errors import InputError
from e2c_control.models.gaussian import DiagonalGaussian


class VariationalAutoEncoder(AutoEncoder):
    """Loss sum (x - D(z))² / (2 variance) + beta KL(q(z|x) || N(0, I)): for beta 1 the negative ELBO, up to a constant.

    Args:
        networks: the encoder must give Gaussians.
        variance: of the likelihood N(x; D(z), variance I). It sets the scale of differences that matter: at 1, data
            with structure finer than 1 are reconstructed blurred.
        beta: weight of the KL divergence.
    """

    def __init__(self, networks: Networks, variance: float = 1.0, beta: float = 1.0) -> None:
        super().__init__(networks)
        not_negative(variance=variance, beta=beta)
        if variance == 0:
            raise InputError("variance is 0: give a number above it.")
        self.variance, self.beta = variance, beta

    def losses(self, x: Tensor, generator: torch.Generator) -> Iterator[Loss]:
        q = self.posterior(x)
        if not isinstance(q, DiagonalGaussian):
            raise InputError(
                "A variational auto-encoder needs an encoder that gives Gaussians: make it with gaussian=True."
            )
        codes = q.sample(normal_like(q.mean, generator))
        error = (self.decode(codes) - x).square().flatten(1).sum(1).mean()
        divergence = 0.5 * (q.mean.square() + q.variance - 1.0 - q.log_var).flatten(1).sum(1).mean()
        parts = {"reconstruction": error.detach(), "divergence": divergence.detach()}
        yield Loss(error / (2.0 * self.variance) + self.beta * divergence, parts)

    def nats(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return the negative ELBO of data (N, *data_shape), with all constants, a scalar in nats."""
        constant = 0.5 * x[0].numel() * math.log(2.0 * math.pi * self.variance)
        loss = next(self.losses(x, generator))
        return loss.total + constant
