"""Bernoulli bits: z = logits + logit(u), b = 1 where z > 0."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Distribution
from torch.nn.functional import softplus

from e2c_control.gradients.laws.law import LOGIT_LIMIT, Axis, Discrete, Tensors, logistic
from e2c_control.gradients.laws.quadrature import panels


class BernoulliLaw(Discrete):
    """Bernoulli, with gradients in the logits."""

    names = ("logits",)

    def _parameters(self, base: Distribution) -> Tensors:
        assert isinstance(base, Bernoulli)
        return (base.logits,)

    def limited(self, parameter: Tensor) -> Tensor:
        return parameter.clamp(-LOGIT_LIMIT, LOGIT_LIMIT)

    def _mean(self) -> Tensor:
        return torch.sigmoid(self.constants[0])

    def attached_mean(self) -> Tensor:
        return torch.sigmoid(self.parameters[0])

    def pull_mean(self, weight: Tensor) -> Tensors:
        return (weight * self.mean * torch.sigmoid(-self.constants[0]),)

    def score(self, code: Tensor) -> Tensors:
        return (code - self.mean,)

    def new(self, parameters: Sequence[Tensor]) -> Distribution:
        return self._wrap(Bernoulli(logits=parameters[0], validate_args=False))

    def relaxed(self, noise: Tensor) -> Tensor:
        return self.constants[0] + logistic(noise)

    def hard(self, relaxed: Tensor) -> Tensor:
        return (relaxed > 0).to(relaxed.dtype)

    def conditional(self, code: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return z~ = s softplus(s logit(v) + softplus(s l)) with s = 2 b - 1, and dz~/dl = sigmoid(.) sigmoid(s l).

        Equal to l + logit(v') of Grathwohl et al. (2018, appendix B), which is not finite in float32 once
        the observed bit is unlikely, because v' rounds to 0 or 1.
        """
        sign = 2 * code - 1
        logits = sign * self.constants[0]
        inner = sign * logistic(noise) + softplus(logits)
        return sign * softplus(inner), torch.sigmoid(inner) * torch.sigmoid(logits)

    def soften(self, relaxed: Tensor, temperature: Tensor | float) -> Tensor:
        return torch.sigmoid(relaxed / temperature)

    def attached(self, relaxed: Tensor) -> Tensor:
        return self.parameters[0] + (relaxed - self.constants[0])

    def pull(self, weight: Tensor) -> Tensor:
        return weight

    def push(self, direction: Tensor) -> Tensor:
        return direction

    def outcomes(self) -> Axis:
        one, zero = self.mean, torch.sigmoid(-self.constants[0])
        return Axis(torch.stack([zero / 2, zero + one / 2]), torch.stack([zero, one]))

    def fine_axis(self, nodes: int) -> Axis:
        one, zero = self.mean, torch.sigmoid(-self.constants[0])
        inner = torch.stack([torch.minimum(one, zero), torch.maximum(one, zero)])
        edges = torch.cat([torch.zeros_like(inner[:1]), inner, torch.ones_like(inner[:1])])
        return Axis(*panels(edges, nodes))

    def second_axis(self, nodes: int) -> Axis:
        ends = torch.stack([torch.zeros_like(self.mean), torch.ones_like(self.mean)])
        return Axis(*panels(ends, nodes))
