"""Concrete, also known as Gumbel-softmax: relaxed samples in place of hard ones. Biased."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from e2c_control.errors import number
from e2c_control.gradients.estimator import Draw, Estimate, Estimator, Function
from e2c_control.gradients.laws import Discrete


class Concrete(Estimator):
    """BIASED. g = d f(sigma_tau(z)) / d theta: f is evaluated at soft samples only, so the value is biased, too.

    Takes Bernoulli and OneHotCategorical; f must be differentiable; one evaluation a sample. Maddison, Mnih and Teh,
    2017; Jang, Gu and Poole, 2017. The bias falls and the variance grows as tau goes to 0.

    Args:
        temperature: tau.
    """

    unbiased: bool = False
    differentiates: ClassVar[bool] = True
    takes = (Discrete,)
    sees_noise: ClassVar[bool] = True
    indices: bool = False

    def __init__(self, temperature: float = 0.5) -> None:
        super().__init__()
        self.temperature = number("temperature", temperature, above=0)

    def from_relaxed(self, law: Discrete, relaxed: Tensor, noise: Mapping[str, Tensor]) -> Draw:
        soft = law.soften(law.attached(relaxed), self.temperature)
        return Draw(law, soft, law.hard(relaxed), noise, relaxed)

    def combine(self, draw: Draw, values: Tensor, f: Function | None, context: Tensor | None) -> Estimate:
        return Estimate(draw.law, draw.samples, values.mean(0))
