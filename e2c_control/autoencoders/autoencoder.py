"""The interface of auto-encoders, on which training, sampling, novelty search and agents rely."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn

from e2c_control.autoencoders.networks import Networks
from e2c_control.errors import InputError, number, one_of
from e2c_control.models.gaussian import DiagonalGaussian


@dataclass(frozen=True)
class Loss:
    """A loss of a batch, mean over its rows.

    Attributes:
        total: the scalar to differentiate.
        parts: its terms before weighting, detached scalars by name; "reconstruction" is always among them.
    """

    total: Tensor
    parts: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])


class AutoEncoder(nn.Module, ABC):
    """An encoder, a decoder, and a loss. Codes have any shape; a vector of k numbers has the shape (k,).

    Reconstructions are scored by squared error, `mean` or `sum` over the numbers of a sample, as each kind of
    auto-encoder says; over a batch the mean is always taken.

    Args:
        networks: the two, with the shapes between them.
    """

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self.encoder, self.decoder = networks.encoder, networks.decoder
        self.data_shape, self.code_shape = networks.data_shape, networks.code_shape
        self.data_range = networks.data_range

    @abstractmethod
    def losses(self, x: Tensor, generator: torch.Generator) -> Iterator[Loss]:
        """Yield the losses of data (N, *data_shape), to be back-propagated one after the other.

        Most models yield one. Where there are several, each has a graph of its own, and the next is computed on demand:
        calling `backward` in between keeps at most one graph in memory.
        """

    def loss(self, x: Tensor, generator: torch.Generator) -> Loss:
        """Return the sum of all losses of data (N, *data_shape)."""
        totals: list[Tensor] = []
        parts: dict[str, Tensor] = {}
        for loss in self.losses(x, generator):
            totals.append(loss.total)
            for name, value in loss.parts.items():
                parts[name] = parts[name] + value if name in parts else value
        return Loss(torch.stack(totals).sum(), parts)

    def posterior(self, x: Tensor) -> Tensor | DiagonalGaussian:
        """Return the encoder's output for data (N, *data_shape): codes (N, *code_shape), or Gaussians over them.

        Raises:
            InputError: the data have another shape.
        """
        if tuple(x.shape[1:]) != self.data_shape:
            raise InputError(
                f"This auto-encoder reads data of shape {self.data_shape}, not {tuple(x.shape[1:])}: give (N, "
                f"{', '.join(map(str, self.data_shape))}), or make one for your data."
            )
        return self.encoder(x)

    def encode(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the codes (N, *code_shape) of data (N, *data_shape).

        Args:
            x: data.
            generator: samples the codes of a random encoder; without one, they are the means.
        """
        q = self.posterior(x)
        if isinstance(q, Tensor):
            return q
        return q.mean if generator is None else q.sample(normal_like(q.mean, generator))

    def decode(self, codes: Tensor) -> Tensor:
        """Return data (N, *data_shape) decoded from codes (N, *code_shape)."""
        return self.decoder(codes)

    def reconstruct(self, x: Tensor, passes: int = 1) -> Tensor:
        """Return data (N, *data_shape) after `passes` passes through encoder and decoder, without noise."""
        for _ in range(passes):
            x = self.decode(self.encode(x))
        return x

    def error(self, x: Tensor) -> Tensor:
        """Return the mean squared reconstruction error of each of the data (N, *data_shape), without noise, (N,)."""
        return (self.reconstruct(x) - x).square().flatten(1).mean(1)

    def prior_codes(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw codes (n, *code_shape) from the prior: N(0, I) unless the model has another one."""
        return torch.randn(n, *self.code_shape, generator=generator, device=generator.device)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw samples (n, *data_shape) from the model; no gradients."""
        with torch.no_grad():
            return self.decode(self.prior_codes(n, generator))

    def parameter_groups(self, learning_rate: float) -> list[dict[str, object]]:
        """Return the parameter groups of an optimiser, each with its learning rate."""
        return [{"params": list(self.parameters()), "lr": learning_rate}]

    def check_data(self, x: Tensor) -> None:
        """Refuse data (N, *data_shape) that this model cannot be trained on.

        Raises:
            InputError: too few or constant data, NaN, another shape, or values that the decoder cannot give.
        """
        if tuple(x.shape[1:]) != self.data_shape:
            raise InputError(
                f"The data have shape {tuple(x.shape[1:])} and the auto-encoder {self.data_shape}: make one for them."
            )
        if len(x) < 2:
            raise InputError(f"There is nothing to learn from {len(x)} samples: give two or more.")
        if not bool(x.isfinite().all()):
            rows = int((~x.flatten(1).isfinite().all(1)).sum())
            raise InputError(f"{rows} of {len(x)} samples hold NaN or infinite values: remove them.")
        if bool((x == x[:1]).all()):
            raise InputError("All samples are the same: there is nothing to encode.")
        low, high = self.data_range
        if float(x.min()) < low or float(x.max()) > high:
            raise InputError(
                f"The data span {float(x.min()):.4g} to {float(x.max()):.4g} and the decoder gives {low:g} to "
                f"{high:g}: scale the data, or choose a linear output."
            )


def normal_like(x: Tensor, generator: torch.Generator) -> Tensor:
    """Return standard normal noise of the shape, dtype and device of a tensor."""
    noise = torch.randn(x.shape, generator=generator, device=generator.device, dtype=x.dtype)
    return noise.to(x.device)


def lengths(x: Tensor) -> Tensor:
    """Return the Euclidean norm of each row of x (N, ...), flattened, (N,)."""
    return cast(Tensor, torch.linalg.vector_norm(x.flatten(1), dim=1))  # its slope at 0 is 0, unlike a root's


def squared_error(output: Tensor, target: Tensor, reduction: str) -> Tensor:
    """Return the squared error of a batch, a scalar: `mean` or `sum` over a sample's numbers, mean over samples."""
    error = torch.nn.functional.mse_loss(output, target)
    return error if reduction == "mean" else error * target[0].numel()


def check_reduction(reduction: str) -> None:
    """Raise InputError for a reduction that `squared_error` does not have."""
    one_of("reduction", reduction, ("mean", "sum"))


def not_negative(**options: float) -> None:
    """Raise InputError for weights and deviations that are negative or NaN."""
    for name, value in options.items():
        number(name, value, least=0)
