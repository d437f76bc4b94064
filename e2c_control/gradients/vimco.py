"""VIMCO: leave-one-out baselines for a multi-sample bound.

How it works: the score-function signal of sample j is L - L_-j, the change of the bound when w_j is replaced by the
mean of the other weights. L_-j does not depend on sample j, so subtracting it adds no bias (Mnih and Rezende, 2016,
equations 7 to 11). Each sample is thus credited with its own contribution to the bound alone.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor

from e2c_control.errors import one_of
from e2c_control.gradients.estimator import Draw, Estimate, Estimator, Function, surrogates


class VIMCO(Estimator):
    """For L = log(1/K sum_j w_j), f giving log w: g = sum_j (L - L_-j) d log q(h_j) / d theta + dL / d theta.

    L_-j has the mean of the other samples in place of w_j. Unbiased for the gradient of E L, a bound of K samples,
    which is another objective than E log w. Takes every law, never differentiates f in the samples (where log w
    itself depends on theta, as through -log q, its graph adds that), costs one evaluation a sample, K >= 2. Mnih and
    Rezende, 2016, equations 7 to 11.

    Args:
        mean: of the other weights. "geometric" is the paper's choice and usually the better one.
    """

    least: int = 2
    many_samples: ClassVar[bool] = True

    def __init__(self, mean: Literal["geometric", "arithmetic"] = "geometric") -> None:
        super().__init__()
        self.mean = one_of("mean", mean, ("geometric", "arithmetic"))

    def objective(self, values: Tensor) -> Tensor:
        return values.logsumexp(0) - math.log(len(values))

    def combine(self, draw: Draw, values: Tensor, f: Function | None, context: Tensor | None) -> Estimate:
        law, bound = draw.law, self.objective(values)
        signal = bound.detach() - self.left_out(values.detach())
        gradients = tuple((law.lift(signal) * score).sum(0) for score in law.score(draw.code))
        return Estimate(law, draw.samples, surrogates(law, bound, gradients))

    def left_out(self, values: Tensor) -> Tensor:
        """Return L_-j for each j, (K, *batch), from log weights (K, *batch)."""
        count = len(values)
        own = torch.eye(count, dtype=torch.bool, device=values.device).reshape(count, count, *(1,) * (values.ndim - 1))
        others = values.unsqueeze(0).expand(count, *values.shape)
        without = others.masked_fill(own, -torch.inf)
        if self.mean == "geometric":
            stand_in = (values.sum(0) - values) / (count - 1)
        else:
            stand_in = without.logsumexp(1) - math.log(count - 1)
        return torch.where(own, stand_in.unsqueeze(1), others).logsumexp(1) - math.log(count)
