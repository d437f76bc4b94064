"""G-REP: generalised reparameterisation, for a standardising transformation that does not remove the parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from e2c_control.gradients.estimator import Draw, Estimate, Estimator, Function, surrogates
from e2c_control.gradients.laws import Continuous


class GeneralisedReparameterisation(Estimator):
    """g = f'(z)' h + f(z) [d log p(z) / d theta + (d log p / dz)' h + u], with z = T_theta(e), e standardised.

    h = d T / d theta at fixed e, u = d log |det dT/de| / d theta. Unbiased; takes Normal, where the bracket is 0, and
    Gamma by a log-normal standardisation; f must be differentiable; one evaluation a sample. Ruiz, Titsias and Blei,
    2016, equations 6 to 9. For a Gamma, `Reparameterisation` has less variance; this is for comparison, and for laws
    without implicit derivatives.
    """

    differentiates: ClassVar[bool] = True
    takes = (Continuous,)
    sees_noise: ClassVar[bool] = True

    def from_code(self, law: Continuous, code: Tensor, noise: Mapping[str, Tensor]) -> Draw:
        # Only f's derivative at the samples is needed: they are a leaf.
        return Draw(law, law.present(code).detach().clone().requires_grad_(), code, noise)

    def combine(self, draw: Draw, values: Tensor, f: Function | None, context: Tensor | None) -> Estimate:
        law, fixed = draw.law, values.detach()
        assert isinstance(law, Continuous)
        (slope,) = torch.autograd.grad(values.sum(), draw.samples, retain_graph=True)
        steps, corrections = law.standardised(draw.code)
        terms = zip(steps, corrections, strict=True)
        gradients = tuple(
            ((slope * step).to(slope.dtype) + law.lift(fixed) * correction).mean(0) for step, correction in terms
        )
        return Estimate(law, draw.samples, surrogates(law, values.mean(0), gradients))
