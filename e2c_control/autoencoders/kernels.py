"""Kernels of squared distances with their derivatives, so that the MMD's gradient needs no second pass over pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from e2c_control.fields import Positive, Several, check

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Scales of the published mixture (Tolstikhin et al. 2018, and the authors' code)."""


class Kernel(Protocol):
    """k as a function of the squared distance D >= 0, a positive function that falls to 0 as D grows."""

    def sum_and_slope(self, squared: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum of k over all entries of D, a scalar, and dk/dD, of D's shape. D = inf gives 0 in both."""
        ...

    def __call__(self, squared: Tensor) -> Tensor:
        """Return k(D), of D's shape."""
        ...


@dataclass(frozen=True)
class InverseMultiquadratic:
    """k(D) = sum over s of C / (C + D) with C = s base: a sum, as published, not a mean.

    Attributes:
        base: squared distance of scale 1, for instance `prior.base(d)`.
        scales: s.
    """

    base: Positive
    scales: Several[Positive] = SCALES

    def __post_init__(self) -> None:
        check(self)

    def __call__(self, squared: Tensor) -> Tensor:
        return sum((c / (c + squared) for c in self._constants()), start=torch.zeros_like(squared))

    def sum_and_slope(self, squared: Tensor) -> tuple[Tensor, Tensor]:
        # With r = 1 / (C + D): k = C r and dk/dD = -C r². One buffer serves all scales.
        total, slope, r = squared.new_zeros(()), torch.zeros_like(squared), torch.empty_like(squared)
        for c in self._constants():
            torch.add(squared, c, out=r).reciprocal_()
            total += c * r.sum()
            slope.addcmul_(r, r, value=-c)
        return total, slope

    def _constants(self) -> list[float]:
        return [scale * self.base for scale in self.scales]


@dataclass(frozen=True)
class Gaussian:
    """k(D) = sum over s of exp(-D / (2 s base)).

    Attributes:
        base: variance of scale 1; `median_base` gives the authors' choice.
        scales: s.
    """

    base: Positive
    scales: Several[Positive] = (1.0,)

    def __post_init__(self) -> None:
        check(self)

    def __call__(self, squared: Tensor) -> Tensor:
        return sum(
            (torch.exp(squared * (-0.5 / (s * self.base))) for s in self.scales), start=torch.zeros_like(squared)
        )

    def sum_and_slope(self, squared: Tensor) -> tuple[Tensor, Tensor]:
        total, slope, k = squared.new_zeros(()), torch.zeros_like(squared), torch.empty_like(squared)
        for scale in self.scales:
            rate = -0.5 / (scale * self.base)
            torch.mul(squared, rate, out=k).exp_()
            total += k.sum()
            slope.add_(k, alpha=rate)
        return total, slope
