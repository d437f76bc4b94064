"""REBAR: f itself, at relaxed samples, is the control variate."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from e2c_control.errors import InputError, number
from e2c_control.gradients.control_variate import Control, Differentiated, RelaxedControl
from e2c_control.gradients.estimator import INSTEAD, Estimator, Function
from e2c_control.gradients.laws import Discrete, Law


class RelaxedFunction(nn.Module):
    """eta f(sigma_tau(z)), f at soft codes, (S, *code) -> (S, *batch).

    Args:
        scale: initial eta.
        temperature: initial tau; log tau is trained.
    """

    def __init__(self, scale: float, temperature: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(number("scale", scale)))
        self.log_temperature = nn.Parameter(torch.tensor(math.log(number("temperature", temperature, above=0))))

    def bind(self, estimator: Estimator, law: Law, f: Function | None) -> Function:
        """Return the control variate for one f, (S, *code) -> (S, *batch)."""
        name = type(estimator).__name__
        if f is None:
            raise InputError(f"{name} evaluates f at relaxed points: call it with f, or estimate(draw, values, f=f).")
        assert isinstance(law, Discrete)

        def control(z: Tensor) -> Tensor:
            temperature = self.log_temperature.exp().to(z.dtype)
            value = estimator._guarded(f, law.soften(z, temperature))  # pyright: ignore[reportPrivateUsage]
            if not value.requires_grad:
                raise InputError(f"{name} needs the gradient of f, and f gives none: {INSTEAD}.")
            return self.scale * value

        return control


class REBAR(RelaxedControl):
    """c(z) = eta f(sigma_tau(z)), eta and tau trained by `update()`.

    Unbiased. Takes discrete laws and an f that can be differentiated between the hard samples; three evaluations a
    sample, two of them with a gradient. Tucker et al. 2017, equation 7, with independent noise for z~. `update()`
    differentiates f twice.

    Args:
        scale: initial eta.
        temperature: initial tau.
    """

    differentiates: ClassVar[bool] = True
    indices: bool = False

    def __init__(self, scale: float = 1.0, temperature: float = 0.5) -> None:
        super().__init__()
        self.relaxed_f = RelaxedFunction(scale, temperature)

    def evaluations(self, n_samples: int) -> int:
        return 3 * n_samples

    def control(self, law: Law, f: Function | None, context: Tensor | None) -> Control:
        return Differentiated(self.relaxed_f.bind(self, law, f))
