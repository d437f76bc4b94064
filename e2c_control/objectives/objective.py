"""The objective: named, weighted terms over one unrolled batch, with weights that may change during a phase."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from torch import Tensor, nn

from e2c_control.errors import InputError, flag, number, only_options, whole
from e2c_control.fields import Named, Share, check
from e2c_control.objectives.term import Term
from e2c_control.objectives.unrolled import Unrolled
from e2c_control.registry import Registry

TERMS: Registry[type[Term]] = Registry(
    "objective term",
    {
        "reconstruction": "e2c_control.objectives.pixel_likelihood:Reconstruction",
        "prediction": "e2c_control.objectives.pixel_likelihood:Prediction",
        "display": "e2c_control.objectives.pixel_likelihood:Display",
        "prior_kl": "e2c_control.objectives.divergence:PriorKL",
        "mmd_prior": "e2c_control.objectives.mmd:MMDPrior",
        "consistency_kl": "e2c_control.objectives.divergence:ConsistencyKL",
        "info_nce": "e2c_control.objectives.contrastive:InfoNCE",
        "latent_consistency": "e2c_control.objectives.contrastive:LatentConsistency",
        "hindsight": "e2c_control.objectives.hindsight:Hindsight",
        "curvature": "e2c_control.objectives.smoothness:Curvature",
        "centring": "e2c_control.objectives.smoothness:Centring",
        "control_uniformity": "e2c_control.objectives.smoothness:ControlUniformity",
        "passage": "e2c_control.objectives.reachability:PassageLikelihood",
        "reachability": "e2c_control.objectives.reachability:Reachable",
        "reward": "e2c_control.objectives.rewards:Reward",
        "termination": "e2c_control.objectives.rewards:Termination",
        "slowness": "e2c_control.objectives.smoothness:Slowness",
        "latent_prediction": "e2c_control.objectives.latent_prediction:LatentPrediction",
        "ensemble_prediction": "e2c_control.objectives.latent_prediction:EnsemblePrediction",
        "next_reconstruction": "e2c_control.objectives.bottleneck:NextReconstruction",
        "backward_consistency": "e2c_control.objectives.bottleneck:BackwardConsistency",
    },
    Term,
)


@dataclass(frozen=True)
class WeightedTerm:
    """A term and its weight over a phase.

    Attributes:
        term: name in `TERMS`, "my_package:MyTerm", or a class of your own, of which the name is kept.
        weight: factor of the term, reached after `ramp` of the phase.
        start: factor at the start of the phase; none starts at `weight`.
        ramp: share of the phase over which the factor goes linearly from `start` to `weight`.
        options: arguments of the term's constructor.
    """

    term: Annotated[str | type[Term], Named(TERMS)]
    weight: float = 1.0
    start: float | None = None
    ramp: Share = 0.0
    options: Mapping[str, float | bool] = field(default_factory=dict[str, float | bool])

    def __post_init__(self) -> None:
        check(self)
        parameters = inspect.signature(TERMS.find(self.term)).parameters.values()
        known = [p.name for p in parameters if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
        only_options(f"The term {self.term!r}", self.options, known)
        usual = {p.name: p.default for p in parameters}
        kinds: Any = {bool: flag, int: whole, float: number}
        checked = {name: kinds.get(type(usual[name]), number)(name, value) for name, value in self.options.items()}
        object.__setattr__(self, "options", checked)
        if (self.start is None) != (self.ramp == 0):
            raise InputError(
                f"The weight of {self.term!r} goes from `start` to `weight` over the share `ramp` of the phase: give "
                "both of start and ramp, or none."
            )

    @property
    def name(self) -> str:
        """As its loss is called: the name, without the module of one from outside."""
        return str(self.term).rpartition(":")[2]

    def weight_at(self, progress: float) -> float:
        """Return the factor when `progress`, in [0, 1], of the phase is done."""
        if self.start is None or progress >= self.ramp:
            return self.weight
        return self.start + (self.weight - self.start) * progress / self.ramp


class Objective(nn.Module):
    """The weighted sum of a phase's terms; holds the parameters that terms own."""

    def __init__(self, terms: tuple[WeightedTerm, ...]) -> None:
        super().__init__()
        self.weighted = terms
        self.terms = nn.ModuleDict({t.name: TERMS.find(t.term)(**t.options) for t in terms})

    @property
    def of_features(self) -> bool:
        """Whether all terms are, see `Term`."""
        return all(isinstance(term, Term) and term.of_features for term in self.terms.values())

    def forward(self, unrolled: Unrolled, progress: float) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the total, and every term by name before weighting."""
        values: dict[str, Tensor] = {name: term(unrolled) for name, term in self.terms.items()}
        weights = {t.name: t.weight_at(progress) for t in self.weighted}
        total = sum((weights[name] * value for name, value in values.items()), start=next(iter(values.values())) * 0.0)
        return total, values
