"""The Wasserstein auto-encoder with an adversarial penalty, WAE-GAN (Tolstikhin et al. 2018, algorithm 1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from e2c_control.autoencoders.autoencoder import AutoEncoder, Loss, check_reduction, not_negative, squared_error
from e2c_control.autoencoders.networks import Networks
from e2c_control.autoencoders.priors import make_prior
from e2c_control.models.layers import mlp


class AdversarialAutoEncoder(AutoEncoder):
    """Loss |x - D(z)|² - weight * log s(T(z)); discriminator T learns to tell codes z from draws of the prior.

    s is the sigmoid; the penalty is the non-saturating one. Both sides learn in one backward pass: the encoder's loss
    holds the discriminator's weights constant, the discriminator's loss the codes.

    Args:
        networks: encoder and decoder; codes of any shape, which are flattened.
        weight: of the penalty, in units of the reconstruction's reduction.
        prior: normal, uniform or sphere.
        scale: standard deviation or radius of the prior.
        reduction: of the squared error over the numbers of a sample.
        hidden: widths of the discriminator.
        discriminator_rate: its learning rate, as a multiple of the others'.
    """

    def __init__(
        self,
        networks: Networks,
        weight: float = 1.0,
        prior: str = "normal",
        scale: float = 1.0,
        reduction: str = "sum",
        hidden: Sequence[int] = (64, 64),
        discriminator_rate: float = 0.5,
    ) -> None:
        super().__init__(networks)
        check_reduction(reduction)
        not_negative(weight=weight, discriminator_rate=discriminator_rate)
        self.weight, self.reduction, self.rate = weight, reduction, discriminator_rate
        self.prior = make_prior(prior, scale)
        self.discriminator = nn.Sequential(
            nn.Flatten(1), mlp(torch.Size(self.code_shape).numel(), (*hidden, 1), nn.ReLU), nn.Flatten(0)
        )

    def losses(self, x: Tensor, generator: torch.Generator) -> Iterator[Loss]:
        codes = self.encode(x, generator)
        error = squared_error(self.decode(codes), x, self.reduction)
        held = {name: value.detach() for name, value in self.discriminator.named_parameters()}
        fooled = softplus(-torch.func.functional_call(self.discriminator, held, (codes,))).mean()
        draws = self.prior.sample(len(x), self.code_shape, generator).to(codes.device)
        told = softplus(-self.discriminator(draws)).mean() + softplus(self.discriminator(codes.detach())).mean()
        parts = {"reconstruction": error, "penalty": fooled, "discriminator": told}
        yield Loss(error + self.weight * fooled + told, {name: value.detach() for name, value in parts.items()})

    def prior_codes(self, n: int, generator: torch.Generator) -> Tensor:
        return self.prior.sample(n, self.code_shape, generator)

    def parameter_groups(self, learning_rate: float) -> list[dict[str, object]]:
        own = set(self.discriminator.parameters())
        others = [p for p in self.parameters() if p not in own]
        return [
            {"params": others, "lr": learning_rate},
            {"params": list(self.discriminator.parameters()), "lr": self.rate * learning_rate},
        ]
