"""MuProp: a first-order Taylor expansion of f around the mean as the control variate."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from e2c_control.errors import InputError
from e2c_control.gradients.estimator import Draw, Estimate, Estimator, Function, surrogates


class MuProp(Estimator):
    """g = [f(b) - f(m) - f'(m)'(b - m)] d log p(b) / d theta + f'(m)' dm / d theta, m the mean of b.

    Unbiased for any f. Takes every law; f is evaluated and differentiated once per estimate at the mean, where it must
    be defined. Gu et al. 2016, equation 5. Strong where f is nearly linear, useless where b is a bit and f'(m) says
    nothing.
    """

    differentiates: ClassVar[bool] = True
    indices: bool = False

    def evaluations(self, n_samples: int) -> int:
        return n_samples + 1

    def combine(self, draw: Draw, values: Tensor, f: Function | None, context: Tensor | None) -> Estimate:
        if f is None:
            raise InputError("MuProp evaluates f at the mean: call it with f, or estimate(draw, values, f=f).")
        law, fixed = draw.law, values.detach()
        with torch.enable_grad():
            mean = law.mean.unsqueeze(0).detach().requires_grad_()
            value = self._guarded(f, mean)
            if not value.requires_grad:
                raise InputError(self._no_gradient())
            (slope,) = torch.autograd.grad(value.sum(), mean)
        left = law.lift(fixed - value.detach() - law.sum_event(slope * (draw.samples - mean.detach())))
        terms = zip(law.score(draw.code), law.pull_mean(slope.squeeze(0)), strict=True)
        gradients = tuple((left * score).mean(0) + pulled for score, pulled in terms)
        return Estimate(law, draw.samples, surrogates(law, values.mean(0), gradients))
