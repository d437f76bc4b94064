"""Baselines: numbers subtracted from f in the score-function estimator, independent of the sample they are used for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from e2c_control.errors import number
from e2c_control.gradients.estimator import Draw
from e2c_control.gradients.laws import Tensors

MOST_PARAMETERS = 2  # of a law


class Baseline(nn.Module, ABC):
    """A baseline for each parameter of the law. Its statistics never include the samples that it is used for."""

    least: ClassVar[int] = 1
    """Smallest number of samples in a draw."""

    @abstractmethod
    def forward(self, draw: Draw, values: Tensor) -> Tensors:
        """Return a baseline for each parameter: a constant that broadcasts with the values (S, *batch)."""

    def observe(self, draw: Draw, values: Tensor) -> None:
        """Update the statistics with the values of samples that have been used."""


class NoBaseline(Baseline):
    """No baseline."""

    def forward(self, draw: Draw, values: Tensor) -> Tensors:
        return (torch.zeros_like(values[:1]),) * len(draw.law.parameters)


class Mean(Baseline):
    """Running mean of all values seen before; 0 at first."""

    mean: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros((), dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    def forward(self, draw: Draw, values: Tensor) -> Tensors:
        return (self.mean,) * len(draw.law.parameters)

    def observe(self, draw: Draw, values: Tensor) -> None:
        self.count += values.numel()
        self.mean += (values.double().mean() - self.mean) * (values.numel() / self.count)


class MovingAverage(Mean):
    """Exponential moving average of the values seen before, from the first one on.

    Args:
        decay: weight of the past, per update.
    """

    def __init__(self, decay: float = 0.9) -> None:
        super().__init__()
        self.decay = number("decay", decay, least=0, below=1)

    def observe(self, draw: Draw, values: Tensor) -> None:
        weight = 1 - self.decay if self.count > 0 else 1.0
        self.count += 1
        self.mean += weight * (values.double().mean() - self.mean)


class OptimalConstant(Baseline):
    """b = E[f |s|^2] / E[|s|^2], s the score: the constant of least variance, one for each parameter of the law.

    Williams, 1992; Weaver and Tao, 2001. Expectations are means over everything seen before; 0 at first.
    """

    weighted: Tensor
    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weighted", torch.zeros(MOST_PARAMETERS, dtype=torch.float64))
        self.register_buffer("weight", torch.zeros(MOST_PARAMETERS, dtype=torch.float64))

    def forward(self, draw: Draw, values: Tensor) -> Tensors:
        optimal = torch.where(self.weight > 0, self.weighted / self.weight.clamp_min(1e-300), 0.0).to(values.dtype)
        return tuple(optimal[: len(draw.law.parameters)])

    def observe(self, draw: Draw, values: Tensor) -> None:
        for i, score in enumerate(draw.law.score(draw.code)):
            square = draw.law.sum_event(score.double().square())
            self.weighted[i] += (values * square).sum()
            self.weight[i] += square.sum()


class LeaveOneOut(Baseline):
    """Mean of the other samples' values."""

    least: ClassVar[int] = 2

    def forward(self, draw: Draw, values: Tensor) -> Tensors:
        others = (values.sum(0) - values) / (len(values) - 1)
        return (others,) * len(draw.law.parameters)
