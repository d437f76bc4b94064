"""The denoising auto-encoder: clean data from corrupted ones (Vincent et al. 2008)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from e2c_control.autoencoders.autoencoder import Loss, normal_like, squared_error
from e2c_control.autoencoders.networks import Networks
from e2c_control.autoencoders.plain import PlainAutoEncoder
from e2c_control.errors import number


class DenoisingAutoEncoder(PlainAutoEncoder):
    """Loss |x - D(E(x + noise))|² + penalty * mean_k E(x + noise)_k².

    Args:
        networks: encoder and decoder.
        corruption: deviation of the normal noise on the data.
        masked: share of a sample's numbers that are set to zero instead, each by itself.
        penalty: weight of the mean square of the code's entries.
        reduction: of the squared error over the numbers of a sample.
    """

    def __init__(
        self,
        networks: Networks,
        corruption: float = 0.2,
        masked: float = 0.0,
        penalty: float = 0.03,
        reduction: str = "mean",
    ) -> None:
        super().__init__(networks, penalty, reduction)
        self.corruption = number("corruption", corruption, least=0)
        self.masked = number("masked", masked, least=0, most=1)

    def corrupt(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return the corrupted data (N, *data_shape) that the encoder is trained on."""
        x = x + self.corruption * normal_like(x, generator)
        if self.masked == 0:
            return x
        kept = torch.rand(x.shape, generator=generator, device=generator.device).to(x.device) >= self.masked
        return x * kept

    def losses(self, x: Tensor, generator: torch.Generator) -> Iterator[Loss]:
        codes = self.encode(self.corrupt(x, generator))
        error = squared_error(self.decode(codes), x, self.reduction)
        norm = codes.square().mean()
        yield Loss(error + self.penalty * norm, {"reconstruction": error.detach(), "norm": norm.detach()})
