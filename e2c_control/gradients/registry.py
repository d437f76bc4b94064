"""All methods by name. A method listed here is in the contract tests and the tables."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.distributions import Distribution

from e2c_control.errors import InputError, of_class
from e2c_control.gradients.baselines import Mean, MovingAverage, OptimalConstant
from e2c_control.gradients.estimator import Estimator
from e2c_control.gradients.laws import Law, law_of
from e2c_control.gradients.lax import LAX
from e2c_control.gradients.relax import RELAX
from e2c_control.gradients.score_function import ScoreFunction
from e2c_control.gradients.surrogate import SurrogateNetwork
from e2c_control.registry import Registry

Make = type[Estimator] | Callable[[Law, torch.Generator | None], Estimator]
"""A class without required options, or a function of a law and of the generator for its networks' initial weights."""


def _network(law: Law, generator: torch.Generator | None) -> SurrogateNetwork:
    return SurrogateNetwork(law.size, (max(10, law.size),), generator=generator, dtype=law.constants[0].dtype)


ESTIMATORS: Registry[Make | Estimator] = Registry(
    "estimator",
    {
        "score-function": ScoreFunction,
        "sf-mean": lambda law, generator: ScoreFunction(Mean()),
        "sf-moving-average": lambda law, generator: ScoreFunction(MovingAverage()),
        "sf-optimal": lambda law, generator: ScoreFunction(OptimalConstant()),
        "rloo": "e2c_control.gradients.rloo:RLOO",
        "nvil": "e2c_control.gradients.nvil:NVIL",
        "vimco": "e2c_control.gradients.vimco:VIMCO",
        "muprop": "e2c_control.gradients.muprop:MuProp",
        "rebar": "e2c_control.gradients.rebar:REBAR",
        "relax": lambda law, generator: RELAX(_network(law, generator)),
        "relax-f": lambda law, generator: RELAX(_network(law, generator), relaxed_f=True),
        "arm": "e2c_control.gradients.arm:ARM",
        "disarm": "e2c_control.gradients.disarm:DisARM",
        "concrete": "e2c_control.gradients.concrete:Concrete",
        "straight-through": "e2c_control.gradients.straight_through:StraightThrough",
        "st-gumbel": "e2c_control.gradients.straight_through:StraightThroughGumbel",
        "reparameterisation": "e2c_control.gradients.reparameterisation:Reparameterisation",
        "g-rep": "e2c_control.gradients.generalised:GeneralisedReparameterisation",
        "lax": lambda law, generator: LAX(_network(law, generator)),
    },
    aliases={
        "REINFORCE": "score-function",
        "likelihood ratio": "score-function",
        "REINFORCE leave-one-out": "rloo",
        "Gumbel-softmax": "concrete",
        "straight-through Gumbel-softmax": "st-gumbel",
        "pathwise": "reparameterisation",
        "reparameterization": "reparameterisation",
        "reparameterization trick": "reparameterisation",
        "STE": "straight-through",
        "generalized reparameterization": "g-rep",
    },
)


def make_estimator(
    method: str | Make | Estimator, distribution: Distribution, generator: torch.Generator | None = None
) -> Estimator:
    """Return a method with default options, its networks sized for the distribution.

    Args:
        method: a name in `ESTIMATORS`, "my_package:Mine", a class or a function as the registry has them, or an
            estimator, which is only checked.
        distribution: what the method has to take.
        generator: of the initial weights.

    Raises:
        InputError: there is no such method, or it cannot take the distribution.
    """
    found = ESTIMATORS.find(method)
    if isinstance(found, type):
        found = found()
    elif not isinstance(found, Estimator):
        found = found(law_of(distribution), generator)
    estimator = of_class("The estimator", found, Estimator)
    estimator.check(distribution)
    return estimator


def estimators_for(distribution: Distribution, generator: torch.Generator | None = None) -> dict[str, Estimator]:
    """Return every method that can take the distribution, by name."""
    found: dict[str, Estimator] = {}
    for name in ESTIMATORS:
        try:
            found[name] = make_estimator(name, distribution, generator)
        except InputError:
            continue
    return found
