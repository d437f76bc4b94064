"""All methods by name. A new one is a file and a line here, and joins the contract tests and the tables by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch.distributions import Distribution

from e2c_control.errors import InputError, one_of
from e2c_control.gradients.arm import ARM
from e2c_control.gradients.baselines import Mean, MovingAverage, OptimalConstant
from e2c_control.gradients.concrete import Concrete
from e2c_control.gradients.disarm import DisARM
from e2c_control.gradients.estimator import Estimator
from e2c_control.gradients.generalised import GeneralisedReparameterisation
from e2c_control.gradients.laws import Law, law_of
from e2c_control.gradients.lax import LAX
from e2c_control.gradients.muprop import MuProp
from e2c_control.gradients.nvil import NVIL
from e2c_control.gradients.rebar import REBAR
from e2c_control.gradients.relax import RELAX
from e2c_control.gradients.reparameterisation import Reparameterisation
from e2c_control.gradients.rloo import RLOO
from e2c_control.gradients.score_function import ScoreFunction
from e2c_control.gradients.straight_through import StraightThrough, StraightThroughGumbel
from e2c_control.gradients.surrogate import SurrogateNetwork
from e2c_control.gradients.vimco import VIMCO

Make = Callable[[Law, torch.Generator | None], Estimator]


def _network(law: Law, generator: torch.Generator | None) -> SurrogateNetwork:
    return SurrogateNetwork(law.size, (max(10, law.size),), generator=generator, dtype=law.constants[0].dtype)


ESTIMATORS: Mapping[str, Make] = {
    "score-function": lambda law, generator: ScoreFunction(),
    "sf-mean": lambda law, generator: ScoreFunction(Mean()),
    "sf-moving-average": lambda law, generator: ScoreFunction(MovingAverage()),
    "sf-optimal": lambda law, generator: ScoreFunction(OptimalConstant()),
    "rloo": lambda law, generator: RLOO(),
    "nvil": lambda law, generator: NVIL(),
    "vimco": lambda law, generator: VIMCO(),
    "muprop": lambda law, generator: MuProp(),
    "rebar": lambda law, generator: REBAR(),
    "relax": lambda law, generator: RELAX(_network(law, generator)),
    "relax-f": lambda law, generator: RELAX(_network(law, generator), relaxed_f=True),
    "arm": lambda law, generator: ARM(),
    "disarm": lambda law, generator: DisARM(),
    "concrete": lambda law, generator: Concrete(),
    "straight-through": lambda law, generator: StraightThrough(),
    "st-gumbel": lambda law, generator: StraightThroughGumbel(),
    "reparameterisation": lambda law, generator: Reparameterisation(),
    "g-rep": lambda law, generator: GeneralisedReparameterisation(),
    "lax": lambda law, generator: LAX(_network(law, generator)),
}


def make_estimator(name: str, distribution: Distribution, generator: torch.Generator | None = None) -> Estimator:
    """The method ``name`` with default options, its networks sized for the distribution.

    Raises:
        InputError: there is no such method, or it cannot take the distribution.
    """
    estimator = ESTIMATORS[one_of("estimator", name, ESTIMATORS)](law_of(distribution), generator)
    estimator.check(distribution)
    return estimator


def estimators_for(distribution: Distribution, generator: torch.Generator | None = None) -> dict[str, Estimator]:
    """Every method that can take the distribution, by name."""
    found: dict[str, Estimator] = {}
    for name in ESTIMATORS:
        try:
            found[name] = make_estimator(name, distribution, generator)
        except InputError:
            continue
    return found
