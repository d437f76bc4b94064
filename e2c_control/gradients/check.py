"""Check whether an estimator is unbiased: by enumeration or quadrature where possible, otherwise by a z-test."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.distributions import Distribution

from e2c_control.errors import InputError, whole
from e2c_control.fields import Count, NotNegative, checked
from e2c_control.gradients.estimator import Estimator, Function
from e2c_control.gradients.exact import coordinates, exact_gradient, expectation, flat, repeat
from e2c_control.gradients.laws import law_of
from e2c_control.gradients.rloo import RLOO

CHUNK = 20_000
Z_LIMIT = 4.5
WIDE = 50.0
"""Ratio of root mean square to mean gradient above which the tolerance is relative to the root mean square."""


@dataclass(frozen=True, eq=False)
class Check:
    """Result of `check_unbiased`."""

    method: Literal["enumeration", "quadrature", "z-test"]
    exact: Tensor | None  # (P,) gradient of E f, all parameters in a row; None where it is only estimated
    mean: Tensor  # (P,) mean of the estimator
    bias: float  # largest |mean - exact|
    z: float | None  # the same in standard errors, where samples were drawn
    unbiased: bool
    variance: Tensor  # (P,)

    def __str__(self) -> str:
        found = "no bias" if self.unbiased else "BIASED"
        errors = "" if self.z is None else f", {self.z:.1f} standard errors"
        return f"{found} by {self.method}: |mean - exact| = {self.bias:.2e}{errors}"


@checked
def check_unbiased(
    estimator: Estimator,
    f: Function,
    distribution: Distribution,
    n_samples: Count | None = None,
    *,
    tolerance: NotNegative | None = None,
    draws: Count = 400_000,
    generator: torch.Generator | None = None,
) -> Check:
    """Compare the mean of an estimator with the exact gradient of E f.

    Enumeration where the estimate depends on samples of a small discrete distribution alone; quadrature over the noise
    of one or two coordinates; otherwise ``draws`` estimates and a z-test, |z| < 4.5 in every coordinate, against the
    exact gradient or, where there is none, as many estimates by RLOO.

    A useless control variate is unbiased, too: look at `variance` as well.

    Args:
        estimator: with its parameters as they are; it is not changed.
        f: batched, (..., *event) -> (...), free of randomness.
        distribution: any batch and event; best in float64.
        n_samples: of a draw; the estimator's least unless given.
        tolerance: of enumeration and quadrature, relative to the largest gradient, to 1, or to a 50th of the root mean
            square of the estimates; 1e-8 in float64, else 1e-4.
        draws: of the z-test.
        generator: of the z-test.

    Raises:
        InputError: the estimator cannot take f or the distribution.
    """
    # A copy: what the estimator keeps for its next `update` must not be of these draws.
    law, estimator = law_of(distribution), copy.deepcopy(estimator)
    n_samples = estimator.least if n_samples is None else n_samples
    if tolerance is None:
        tolerance = 1e-8 if law.constants[0].dtype == torch.float64 else 1e-4
    # On the same kind of nodes as the estimator, so that quadrature errors at jumps of f are not taken for bias.
    coarse = coordinates(estimator, distribution, n_samples) > 1
    truth = exact_gradient(f, distribution, estimator, n_samples if estimator.many_samples else 1, coarse=coarse)
    exact = None if truth is None else flat(truth[1], law.names)
    found = expectation(estimator, f, distribution, n_samples)
    if found is not None and exact is not None:
        mean, variance, points = found
        mean, variance = flat(mean, law.names), flat(variance, law.names)
        off, bias = (mean - exact).abs(), float((mean - exact).abs().max())
        # Rounding errors of gradients that are large beside their mean are not taken for bias.
        size = (variance + mean.square()).sqrt() / WIDE
        unbiased = bool((off <= tolerance * size.clamp_min(max(float(exact.abs().max()), 1.0))).all())
        return Check("quadrature" if points.smooth else "enumeration", exact, mean, bias, None, unbiased, variance)
    mean, variance = moments(estimator, f, distribution, n_samples, draws, generator)
    error = variance / draws
    reference = exact
    if reference is None:
        if estimator.many_samples:
            raise InputError(
                f"{type(estimator).__name__} can only be checked where samples can be enumerated: use fewer."
            )
        reference, other = moments(RLOO(), f, distribution, 2, draws, generator)
        error = error + other / draws
    # Where nothing varies, rounding is all that is left.
    floor = torch.finfo(law.constants[0].dtype).eps * (1 + reference.abs())
    z = float(((mean - reference).abs() / (error.sqrt() + floor)).max())
    bias = float((mean - reference).abs().max())
    return Check("z-test", exact, mean, bias, z, z < Z_LIMIT, variance)


def moments(
    estimator: Estimator,
    f: Function,
    distribution: Distribution,
    n_samples: int,
    draws: int,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Return mean and variance (P,) of an estimator's gradient over `draws` independent estimates.

    The P numbers are the gradients of all parameters, concatenated.
    """
    law, left = law_of(distribution), whole("draws", draws, least=2)
    size = sum(parameter.numel() for parameter in law.constants)
    chunk = max(min(CHUNK, 2_000_000 // size), 1)
    shift: Tensor | None = None
    total = square = torch.zeros(())
    while left > 0:
        times = min(chunk, left)
        gradients = estimator(f, repeat(distribution, times), n_samples, generator=generator).gradients
        rows = flat(gradients, law.names, 1).double()
        # Sums of squares around a first mean lose no digits to a gradient that is large beside its spread.
        shift = rows.mean(0) if shift is None else shift
        total, square = total + (rows - shift).sum(0), square + (rows - shift).square().sum(0)
        left -= times
    assert shift is not None
    centre = total / draws
    return shift + centre, (square / draws - centre.square()).clamp_min(0) * (draws / (draws - 1))
