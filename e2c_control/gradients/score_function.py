"""The score-function (likelihood-ratio, REINFORCE) estimator, with a baseline independent of its own sample."""

from __future__ import annotations

from collections.abc import Sequence
from reprlib import repr as short
from typing import cast

import torch
from torch import Tensor

from e2c_control.errors import InputError
from e2c_control.gradients.baselines import Baseline, NoBaseline
from e2c_control.gradients.estimator import Draw, Estimate, Estimator, Function, mean_of_samples, surrogates


class ScoreFunction(Estimator):
    """g = (f(b) - B) d log p(b) / d theta, the mean over samples.

    Unbiased. Takes every law, never differentiates f, costs one evaluation a sample. Glynn, 1990; REINFORCE
    (Williams, 1992). Without a baseline its variance grows with the square of a constant added to f.

    Args:
        baseline: B; none unless given. `update()` shows it the values of the last estimate.
    """

    def __init__(self, baseline: Baseline | None = None) -> None:
        super().__init__()
        self.baseline = NoBaseline() if baseline is None else baseline
        if not isinstance(cast(object, self.baseline), Baseline):
            raise InputError(f"baseline is {short(baseline)}: give a Baseline such as Mean() or MovingAverage().")
        self.least = self.baseline.least
        self._last: tuple[Draw, Tensor] | None = None

    def combine(self, draw: Draw, values: Tensor, f: Function | None, context: Tensor | None) -> Estimate:
        law, fixed = draw.law, values.detach()
        self._last = draw, fixed
        baselines = self.baseline(draw, fixed)
        gradients = tuple(
            mean_of_samples(law.lift(fixed - baseline) * score)
            for baseline, score in zip(baselines, law.score(draw.code), strict=True)
        )
        return Estimate(law, draw.samples, surrogates(law, mean_of_samples(values), gradients))

    @torch.no_grad()
    def update(
        self, optimizer: torch.optim.Optimizer | None = None, *, direction: Sequence[Tensor] | None = None
    ) -> float:
        if self._last is not None:
            self.baseline.observe(*self._last)
        return 0.0
