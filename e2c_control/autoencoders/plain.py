"""The plain auto-encoder: squared error through a bottleneck, with a penalty on the codes' norm."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from e2c_control.autoencoders.autoencoder import AutoEncoder, Loss, check_reduction, not_negative, squared_error
from e2c_control.autoencoders.networks import Networks


class PlainAutoEncoder(AutoEncoder):
    """Loss |x - D(E(x))|² + penalty * mean_k E(x)_k². Of a random encoder, the means are used.

    Args:
        networks: encoder and decoder.
        penalty: weight of the mean square of the code's entries.
        reduction: of the squared error over the numbers of a sample.
    """

    def __init__(self, networks: Networks, penalty: float = 0.03, reduction: str = "mean") -> None:
        super().__init__(networks)
        check_reduction(reduction)
        not_negative(penalty=penalty)
        self.penalty, self.reduction = penalty, reduction

    def losses(self, x: Tensor, generator: torch.Generator) -> Iterator[Loss]:
        codes = self.encode(x)
        error = squared_error(self.decode(codes), x, self.reduction)
        norm = codes.square().mean()
        yield Loss(error + self.penalty * norm, {"reconstruction": error.detach(), "norm": norm.detach()})
