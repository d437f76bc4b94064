"""Reparameterisation: differentiate through the sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from e2c_control.gradients.estimator import Draw, Estimate, Estimator, Function
from e2c_control.gradients.laws import Continuous


class Reparameterisation(Estimator):
    """g = f'(z)' dz / d theta, z = T(theta, noise).

    Unbiased. Takes Normal, and Gamma by implicit differentiation (Figurnov et al. 2018); f must be differentiable;
    one evaluation a sample. Kingma and Welling, 2014.
    """

    differentiates: ClassVar[bool] = True
    takes = (Continuous,)
    sees_noise: ClassVar[bool] = True

    def from_code(self, law: Continuous, code: Tensor, noise: Mapping[str, Tensor]) -> Draw:
        return Draw(law, law.attached(code), code, noise)

    def combine(self, draw: Draw, values: Tensor, f: Function | None, context: Tensor | None) -> Estimate:
        return Estimate(draw.law, draw.samples, values.mean(0))
