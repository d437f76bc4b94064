"""A recipe: everything that decides how an embedding is trained, apart from the data and the seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import accumulate

from e2c_control.errors import InputError
from e2c_control.fields import Count, CountOrZero, NotNegative, Positive, Several, check
from e2c_control.models.embedding import EmbeddingConfig, Part
from e2c_control.objectives.objective import WeightedTerm
from e2c_control.objectives.unrolled import LatentNoise


@dataclass(frozen=True)
class Retry:
    """When a phase is given up: terms that need no true state tell early that it leads nowhere.

    Attributes:
        above: terms that are looked at, and the mean over the last quarter of the first `steps` steps that is too much.
        steps: after which they are looked at, however long the phase is: what is too much was measured there.
        attempts: times that the phase may begin anew.
        batch_size: of the phase in which it was measured, where a term depends on it, as contrastive ones do; none if
            none does.
    """

    above: Mapping[str, float]
    steps: Count
    attempts: CountOrZero
    batch_size: Count | None = None

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Phase:
    """A stretch of training with one objective and one optimiser.

    The learning rate rises linearly over the first tenth and falls to zero along a cosine.

    Attributes:
        name: as it appears in logs.
        steps: optimiser steps.
        terms: the objective.
        horizon: K, steps in a training window.
        batch_size: windows in a batch.
        learning_rate: Adam's highest.
        weight_decay: L2 penalty, added to gradients.
        train: parts of the embedding that are trained.
        retry: when to give the phase up early and begin it again with new weights; see `judged_by` as well.
    """

    name: str
    steps: Count
    terms: Several[WeightedTerm]
    horizon: CountOrZero = 3
    batch_size: Count = 256
    learning_rate: Positive = 2e-3
    weight_decay: NotNegative = 1e-3
    train: Several[Part] = ("encoder", "decoder", "transition")
    retry: Retry | None = None

    def __post_init__(self) -> None:
        check(self)
        names = [term.name for term in self.terms]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError(
                f"Phase '{self.name}' has the term '{twice}' {names.count(twice)} times, and a loss is known by its "
                "name: give it once, with one weight and one set of options."
            )
        unknown = set(self.retry.above if self.retry else ()) - set(names)
        if unknown:
            raise InputError(
                f"Phase '{self.name}' cannot be given up by '{min(unknown)}': add it to the phase's terms."
            )

    @property
    def judged_by(self) -> Retry | None:
        """The `retry`, unless its bounds were measured with another batch, or later than the phase ends."""
        retry = self.retry
        if retry is None or retry.steps > self.steps or retry.batch_size not in (None, self.batch_size):
            return None
        return retry


@dataclass(frozen=True)
class Recipe:
    """What an embedding is and how it is trained.

    Attributes:
        name: as in `e2c train --recipe`.
        embedding: sizes of the networks.
        phases: done one after the other.
        latent_noise: how the next latent is sampled, see `Unrolled`.
    """

    name: str
    embedding: EmbeddingConfig
    phases: Several[Phase]
    latent_noise: LatentNoise = "shared"

    def __post_init__(self) -> None:
        check(self)

    @property
    def steps(self) -> int:
        """Optimiser steps of all phases."""
        return sum(phase.steps for phase in self.phases)

    def decodes(self, steps: int) -> bool:
        """Return whether a decoder is trained in the first so many steps: before, it draws nothing of use."""
        ends = accumulate(phase.steps for phase in self.phases)
        phases = zip(self.phases, ends, strict=True)
        return any(end - phase.steps < steps and "decoder" in phase.train for phase, end in phases)

    def scaled(self, factor: float) -> Recipe:
        """Return the recipe with every phase `factor` times as long; early signs keep the step that they are for."""

        def length(steps: int) -> int:
            return max(round(factor * steps), 1)

        return replace(self, phases=tuple(replace(phase, steps=length(phase.steps)) for phase in self.phases))

    def phase_at(self, step: int) -> tuple[Phase, int]:
        """Return the phase of optimiser step `step`, counted from 0, and the number of steps before it."""
        begin = 0
        for phase in self.phases:
            if step < begin + phase.steps:
                return phase, begin
            begin += phase.steps
        return self.phases[-1], begin - self.phases[-1].steps
