"""Normal samples: z = loc + scale * noise, the noise standard normal."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution, Normal

from e2c_control.gradients.laws.law import Axis, Continuous, Tensors
from e2c_control.gradients.laws.quadrature import normal_grid

NODES = 161


class NormalLaw(Continuous):
    """Gradients are taken at the mean and the standard deviation."""

    names = ("loc", "scale")

    def _parameters(self, base: Distribution) -> Tensors:
        assert isinstance(base, Normal)
        return base.loc, base.scale

    def _mean(self) -> Tensor:
        return self.constants[0]

    def pull_mean(self, weight: Tensor) -> Tensors:
        return weight, torch.zeros_like(weight)

    def score(self, code: Tensor) -> Tensors:
        loc, scale = self.constants
        noise = (code - loc) / scale
        return noise / scale, (noise.square() - 1) / scale

    def new(self, parameters: Sequence[Tensor]) -> Distribution:
        return self._wrap(Normal(parameters[0], parameters[1], validate_args=False))

    def draw_noise(self, n_samples: int, generator: torch.Generator | None) -> Tensor:
        like = self.constants[0]
        return torch.randn((n_samples, *like.shape), generator=generator, dtype=like.dtype, device=like.device)

    def sample(self, noise: Tensor) -> Tensor:
        loc, scale = self.constants
        return loc + scale * noise

    def slopes(self, sample: Tensor) -> Tensors:
        loc, scale = self.constants
        return torch.ones_like(sample), (sample - loc) / scale

    def standardised(self, sample: Tensor) -> tuple[Tensors, Tensors]:
        """Standardising leaves nothing of the parameters in the noise: no correction."""
        return self.slopes(sample), (torch.zeros_like(sample), torch.zeros_like(sample))

    def fine_axis(self) -> Axis:
        nodes, weights = (
            x.reshape(-1, *(1,) * self.mean.ndim).expand(-1, *self.mean.shape) for x in normal_grid(NODES, self.mean)
        )
        return Axis(nodes, weights)
