"""Normal samples: z = loc + scale * noise. Their code is the noise, standard normal."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution, Normal

from e2c_control.gradients.laws.law import Axis, Continuous, Tensors
from e2c_control.gradients.laws.quadrature import normal_grid


class NormalLaw(Continuous):
    """Normal, with gradients in the mean and the standard deviation."""

    names = ("loc", "scale")
    noise_range = (-math.inf, math.inf)

    def _parameters(self, base: Distribution) -> Tensors:
        assert isinstance(base, Normal)
        return base.loc, base.scale

    def _mean(self) -> Tensor:
        return self.constants[0]

    def pull_mean(self, weight: Tensor) -> Tensors:
        return weight, torch.zeros_like(weight)

    def present(self, code: Tensor) -> Tensor:
        loc, scale = self.constants
        return loc + scale * code

    def read(self, sample: Tensor) -> Tensor:
        loc, scale = self.constants
        return (sample.to(loc.dtype) - loc) / scale

    def score(self, code: Tensor) -> Tensors:
        _, scale = self.constants
        return code / scale, (code.square() - 1) / scale

    def log_prob(self, code: Tensor) -> Tensor:
        loc, scale = self.parameters
        # (z - loc) / scale, without the digits that loc takes from z.
        noise = (self.constants[0] - loc + self.constants[1] * code) / scale
        return self.sum_event(-noise.square() / 2 - (scale * math.sqrt(2 * math.pi)).log())

    def new(self, parameters: Sequence[Tensor]) -> Distribution:
        return self._wrap(Normal(parameters[0], parameters[1], validate_args=False))

    def draw_noise(self, n_samples: int, generator: torch.Generator | None) -> Tensor:
        like = self.constants[0]
        return torch.randn((n_samples, *like.shape), generator=generator, dtype=like.dtype, device=like.device)

    def code(self, noise: Tensor) -> Tensor:
        return noise.to(self.constants[0].dtype)

    def slopes(self, code: Tensor) -> Tensors:
        return torch.ones_like(code), code

    def standardised(self, code: Tensor) -> tuple[Tensors, Tensors]:
        """Return the slopes and zero corrections: the standardised noise does not depend on the parameters."""
        return self.slopes(code), (torch.zeros_like(code), torch.zeros_like(code))

    def attached(self, code: Tensor) -> Tensor:
        loc, scale = self.parameters
        return loc + scale * code

    def fine_axis(self, nodes: int) -> Axis:
        noise, weights = (
            x.reshape(-1, *(1,) * self.mean.ndim).expand(-1, *self.mean.shape) for x in normal_grid(nodes, self.mean)
        )
        return Axis(noise, weights)
