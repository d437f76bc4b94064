"""ARM (augment-REINFORCE-merge): two antithetic samples for each noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from e2c_control.gradients.estimator import Draw, Estimate, Estimator, Function, surrogates
from e2c_control.gradients.laws import BernoulliLaw, Discrete


class Antithetic(Estimator):
    """Samples come in pairs, b from noise u and its twin from 1 - u; the first half of a draw, then the second."""

    takes = (BernoulliLaw,)
    least: int = 2
    multiple: ClassVar[int] = 2
    sees_noise: ClassVar[bool] = True

    def from_relaxed(self, law: Discrete, relaxed: Tensor, noise: Mapping[str, Tensor]) -> Draw:
        # logit(1 - u) = -logit(u)
        both = torch.cat([relaxed, 2 * law.constants[0] - relaxed])
        code = law.hard(both)
        return Draw(law, law.present(code), code, noise, both)


class ARM(Antithetic):
    """g = (f(b) - f(b')) (u - 1/2), b = [u > 1 - p], b' = [u < p].

    Unbiased. Takes Bernoulli, never differentiates f, costs two evaluations a noise. Yin and Zhou, 2019, theorem 1.
    """

    def combine(self, draw: Draw, values: Tensor, f: Function | None, context: Tensor | None) -> Estimate:
        first, second = values.detach().tensor_split(2)
        gradient = (draw.law.lift(first - second) * (draw.noise["u"] - 0.5)).mean(0)
        return Estimate(draw.law, draw.samples, surrogates(draw.law, values.mean(0), (gradient,)))
