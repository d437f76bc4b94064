"""The objective: named, weighted terms over one unrolled batch, with weights that may change during a phase."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from e2c_control.errors import InputError, flag, number, one_of, only_options, whole
from e2c_control.objectives.bottleneck import BackwardConsistency, NextReconstruction
from e2c_control.objectives.contrastive import InfoNCE, LatentConsistency
from e2c_control.objectives.divergence import ConsistencyKL, PriorKL
from e2c_control.objectives.hindsight import Hindsight
from e2c_control.objectives.latent_prediction import EnsemblePrediction, LatentPrediction
from e2c_control.objectives.mmd import MMDPrior
from e2c_control.objectives.pixel_likelihood import Display, Prediction, Reconstruction
from e2c_control.objectives.smoothness import Centring, ControlUniformity, Curvature, Slowness
from e2c_control.objectives.term import Term
from e2c_control.objectives.unrolled import Unrolled

TERMS: Mapping[str, Callable[..., Term]] = {
    "reconstruction": Reconstruction,
    "prediction": Prediction,
    "display": Display,
    "prior_kl": PriorKL,
    "mmd_prior": MMDPrior,
    "consistency_kl": ConsistencyKL,
    "info_nce": InfoNCE,
    "latent_consistency": LatentConsistency,
    "hindsight": Hindsight,
    "curvature": Curvature,
    "centring": Centring,
    "control_uniformity": ControlUniformity,
    "slowness": Slowness,
    "latent_prediction": LatentPrediction,
    "ensemble_prediction": EnsemblePrediction,
    "next_reconstruction": NextReconstruction,
    "backward_consistency": BackwardConsistency,
}


@dataclass(frozen=True)
class WeightedTerm:
    """A term by name, and its weight over a phase.

    Attributes:
        term: name in `TERMS`.
        weight: factor of the term, reached after `ramp` of the phase.
        start: factor at the start of the phase; none starts at `weight`.
        ramp: share of the phase over which the factor goes linearly from `start` to `weight`.
        options: arguments of the term's constructor.
    """

    term: str
    weight: float = 1.0
    start: float | None = None
    ramp: float = 0.0
    options: Mapping[str, float | bool] = field(default_factory=dict[str, float | bool])

    def __post_init__(self) -> None:
        one_of("objective term", self.term, TERMS)
        parameters = inspect.signature(TERMS[self.term]).parameters.values()
        known = [p.name for p in parameters if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
        only_options(f"The term {self.term!r}", self.options, known)
        usual = {p.name: p.default for p in parameters}
        kinds: Any = {bool: flag, int: whole, float: number}
        checked = {name: kinds[type(usual[name])](name, value) for name, value in self.options.items()}
        object.__setattr__(self, "options", checked)
        if (self.start is None) != (self.ramp == 0):
            raise InputError(
                f"The weight of {self.term!r} goes from `start` to `weight` over the share `ramp` of the phase: give "
                "both of start and ramp, or none."
            )

    def weight_at(self, progress: float) -> float:
        """The factor when `progress`, in [0, 1], of the phase is done."""
        if self.start is None or progress >= self.ramp:
            return self.weight
        return self.start + (self.weight - self.start) * progress / self.ramp


class Objective(nn.Module):
    """The weighted sum of a phase's terms; holds the parameters that terms own."""

    def __init__(self, terms: tuple[WeightedTerm, ...]) -> None:
        super().__init__()
        self.weighted = terms
        self.terms = nn.ModuleDict({t.term: TERMS[t.term](**t.options) for t in terms})

    def forward(self, unrolled: Unrolled, progress: float) -> tuple[Tensor, dict[str, Tensor]]:
        """The total, and every term by name before weighting."""
        values: dict[str, Tensor] = {name: term(unrolled) for name, term in self.terms.items()}
        weights = {t.term: t.weight_at(progress) for t in self.weighted}
        total = sum((weights[name] * value for name, value in values.items()), start=next(iter(values.values())) * 0.0)
        return total, values
