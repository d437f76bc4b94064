"""Straight-through estimators: hard samples forward, a smooth derivative backward. Biased."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from e2c_control.gradients.concrete import Concrete
from e2c_control.gradients.estimator import Draw, Estimate, Estimator, Function
from e2c_control.gradients.laws import Discrete, follow


class StraightThrough(Estimator):
    """BIASED. g = f'(b)' d m / d theta, m the mean of b.

    Takes Bernoulli and OneHotCategorical; f must be differentiable; one evaluation a sample. Bengio, Leonard and
    Courville, 2013. Can point the wrong way: a finite difference of f is not its derivative.
    """

    unbiased: bool = False
    differentiates: ClassVar[bool] = True
    takes = (Discrete,)
    indices: bool = False

    def from_relaxed(self, law: Discrete, relaxed: Tensor, noise: Mapping[str, Tensor]) -> Draw:
        code, mean = law.hard(relaxed), law.attached_mean()
        return Draw(law, follow(code, None, (mean,)), code, noise, relaxed)

    def combine(self, draw: Draw, values: Tensor, f: Function | None, context: Tensor | None) -> Estimate:
        return Estimate(draw.law, draw.samples, values.mean(0))


class StraightThroughGumbel(Concrete):
    """BIASED. g = f'(b)' d sigma_tau(z) / d theta: Concrete backward, hard samples forward.

    Takes Bernoulli and OneHotCategorical; f must be differentiable; one evaluation a sample. Jang, Gu and Poole, 2017.

    Args:
        temperature: tau.
    """

    def from_relaxed(self, law: Discrete, relaxed: Tensor, noise: Mapping[str, Tensor]) -> Draw:
        soft = law.soften(law.attached(relaxed), self.temperature)
        code = law.hard(relaxed)
        return Draw(law, follow(code, None, (soft,)), code, noise, relaxed)
