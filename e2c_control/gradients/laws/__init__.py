"""Distributions known to the estimators. To add one, write a `Law` in a file of its own and register it in `LAWS`."""

from __future__ import annotations

from typing import Any, cast

from torch.distributions import (
    Bernoulli,
    Categorical,
    Distribution,
    Gamma,
    Independent,
    Normal,
    OneHotCategorical,
)

from e2c_control.errors import InputError
from e2c_control.gradients.laws.attach import attach, follow
from e2c_control.gradients.laws.bernoulli import BernoulliLaw
from e2c_control.gradients.laws.categorical import CategoricalLaw
from e2c_control.gradients.laws.gamma import GammaLaw
from e2c_control.gradients.laws.law import Axis, Continuous, Discrete, Law, Tensors
from e2c_control.gradients.laws.normal import NormalLaw

LAWS: dict[type[Distribution], type[Law]] = {
    Bernoulli: BernoulliLaw,
    Categorical: CategoricalLaw,
    OneHotCategorical: CategoricalLaw,
    Normal: NormalLaw,
    Gamma: GammaLaw,
}


def law_of(distribution: Distribution) -> Law:
    """Return the law of a distribution, or of an `Independent` of one, with any batch shape.

    Raises:
        InputError: the distribution has no law, or a parameter is invalid, such as NaN or a scale of 0.
    """
    base = distribution
    while isinstance(base, Independent):
        base = cast(Distribution, base.base_dist)
    if type(base) not in LAWS:
        known = ", ".join(kind.__name__ for kind in LAWS)
        raise InputError(f"No estimator takes a {type(base).__name__}: give one of {known}, or Independent of one.")
    if not base._validate_args:  # pyright: ignore  # or torch has checked them
        _check_parameters(base)
    return LAWS[type(base)](distribution, base)


def _check_parameters(base: Distribution) -> None:
    """Refuse parameters that torch would refuse if the distribution validated its arguments."""
    for name, constraint in cast(Any, base).arg_constraints.items():
        if name in vars(base) and not bool(constraint.check(getattr(base, name)).all()):
            raise InputError(
                f"The {name} of a {type(base).__name__} is not {constraint} everywhere: check what makes it."
            )


__all__ = [
    "LAWS",
    "Axis",
    "BernoulliLaw",
    "CategoricalLaw",
    "Continuous",
    "Discrete",
    "GammaLaw",
    "Law",
    "NormalLaw",
    "Tensors",
    "attach",
    "follow",
    "law_of",
]
