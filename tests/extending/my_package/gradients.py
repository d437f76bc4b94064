"""An estimator of gradients, and a law that all estimators take."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution, Laplace

from e2c_control import Estimator
from e2c_control.gradients.estimator import Draw, Estimate, Function, mean_of_samples, surrogates
from e2c_control.gradients.laws import LAWS, Axis, NormalLaw
from e2c_control.gradients.laws.quadrature import double_exponential


class HalfScore(Estimator):
    """The score function with half of the other sample's value as the baseline of each of two."""

    least = 2
    multiple = 1

    def combine(self, draw: Draw, values: Tensor, f: Function | None, context: Tensor | None) -> Estimate:
        law, fixed = draw.law, values.detach()
        others = (fixed.sum(0) - fixed) / (len(fixed) - 1)
        gradients = tuple(mean_of_samples(law.lift(fixed - others / 2) * score) for score in law.score(draw.code))
        return Estimate(law, draw.samples, surrogates(law, mean_of_samples(values), gradients))


class LaplaceLaw(NormalLaw):
    """Laplace samples: z = loc + scale * noise, as a normal's, with another noise."""

    def _parameters(self, base: Distribution) -> tuple[Tensor, ...]:
        assert isinstance(base, Laplace)
        return base.loc, base.scale

    def score(self, code: Tensor) -> tuple[Tensor, ...]:
        _, scale = self.constants
        return code.sign() / scale, (code.abs() - 1) / scale

    def log_prob(self, code: Tensor) -> Tensor:
        loc, scale = self.parameters
        noise = (self.constants[0] - loc + self.constants[1] * code) / scale
        return self.sum_event(-noise.abs() - (2 * scale).log())

    def new(self, parameters: Sequence[Tensor]) -> Distribution:
        return self._wrap(Laplace(parameters[0], parameters[1], validate_args=False))

    def draw_noise(self, n_samples: int, generator: torch.Generator | None) -> Tensor:
        u = self._uniform(n_samples, generator) - 0.5
        return -u.sign() * torch.log1p(-2 * u.abs().clamp(max=0.5 - torch.finfo(u.dtype).eps))

    def fine_axis(self, nodes: int) -> Axis:
        u, weights = double_exponential(nodes // 2, self.mean)
        noise, both = torch.cat((u.log(), -u.log())), torch.cat((weights, weights)) / 2
        shape = (-1, *(1,) * self.mean.ndim)
        return Axis(*(x.reshape(shape).expand(-1, *self.mean.shape) for x in (noise, both)))


LAWS[Laplace] = LaplaceLaw
