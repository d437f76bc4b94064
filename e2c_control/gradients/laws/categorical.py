"""Categorical choices: z = log p + Gumbel noise, b = one-hot of the largest z."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, OneHotCategorical
from torch.nn.functional import one_hot

from e2c_control.gradients.laws.law import LOGIT_LIMIT, Axis, Discrete, Tensors, open_unit


class CategoricalLaw(Discrete):
    """Categorical, with gradients in the logits (..., K), projected onto the directions that keep them normalised.

    f receives one-hot vectors from a `OneHotCategorical` and indices from a `Categorical`.
    """

    names = ("logits",)

    def _parameters(self, base: Distribution) -> Tensors:
        assert isinstance(base, Categorical | OneHotCategorical)
        self._indices = isinstance(base, Categorical)
        return (base.logits,)

    def limited(self, parameter: Tensor) -> Tensor:
        return parameter.clamp_min(-LOGIT_LIMIT)

    @cached_property
    def log_probs(self) -> Tensor:
        """Normalised log probabilities (*code). torch normalises its own logits; logits of a leaf need not be."""
        return self.constants[0].log_softmax(-1)

    def _mean(self) -> Tensor:
        return self.log_probs.exp()

    def attached_mean(self) -> Tensor:
        return self.parameters[0].softmax(-1)

    def pull_mean(self, weight: Tensor) -> Tensors:
        return (self.pull(self.mean * weight),)

    def score(self, code: Tensor) -> Tensors:
        return (code - self.mean,)

    def new(self, parameters: Sequence[Tensor]) -> Distribution:
        kind = Categorical if self._indices else OneHotCategorical
        return self._wrap(kind(logits=parameters[0], validate_args=False))

    def present(self, code: Tensor) -> Tensor:
        return code.argmax(-1) if self._indices else code

    def read(self, sample: Tensor) -> Tensor:
        if not self._indices:
            return super().read(sample)
        return one_hot(sample, self.mean.shape[-1]).to(self.mean.dtype)

    def relaxed(self, noise: Tensor) -> Tensor:
        return self.log_probs + gumbel(noise)

    def hard(self, relaxed: Tensor) -> Tensor:
        return torch.zeros_like(relaxed).scatter_(-1, relaxed.argmax(-1, keepdim=True), 1.0)

    def conditional(self, code: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return z~, with z~_b = G(v_b) and z~_i = -logaddexp(-(log p_i + G(v_i)), -z~_b), and its slope.

        The slope of z~_i is sigmoid(z~_b - log p_i - G(v_i)), that of z~_b is 0. G(v) = -log(-log v). Equal to the
        formula of Grathwohl et al. (2018, appendix B), without its quotient of logarithms. The largest of K independent
        Gumbels around log p is a Gumbel around 0 whichever wins, so the winner's z~ does not depend on the logits.
        """
        free = gumbel(noise)
        top = (free * code).sum(-1, keepdim=True)
        free = self.log_probs + free
        below = -torch.logaddexp(-free, -top)
        # Far below the free value the difference rounds to nothing, and a tie could go to another choice.
        below = torch.minimum(below, torch.nextafter(top, torch.full_like(top, -torch.inf)))
        chosen = code > 0
        return torch.where(chosen, top, below), torch.sigmoid(top - free).masked_fill(chosen, 0.0)

    def soften(self, relaxed: Tensor, temperature: Tensor | float) -> Tensor:
        return (relaxed / temperature).softmax(-1)

    def attached(self, relaxed: Tensor) -> Tensor:
        return self.parameters[0].log_softmax(-1) + (relaxed - self.log_probs)

    def pull(self, weight: Tensor) -> Tensor:
        return weight - self.mean * weight.sum(-1, keepdim=True)

    def push(self, direction: Tensor) -> Tensor:
        return direction - (self.mean * direction).sum(-1, keepdim=True)

    def outcomes(self) -> Axis:
        choices = self.mean.shape[-1]
        codes = torch.eye(choices, dtype=self.mean.dtype, device=self.mean.device)
        codes = codes.reshape(choices, *(1,) * (self.mean.ndim - 1), choices).expand(choices, *self.mean.shape)
        wanted, _ = self.conditional(codes, torch.full_like(codes, 0.5))
        return Axis(torch.exp(-torch.exp(self.log_probs - wanted)), self.mean.movedim(-1, 0))

    def fine_axis(self, nodes: int) -> None:
        return None  # K noises in a coordinate: too many for a grid


def gumbel(noise: Tensor) -> Tensor:
    """Return standard Gumbel noise from uniform noise."""
    return -torch.log(-torch.log(open_unit(noise)))
