"""Train an estimator's own parameters at a fixed distribution, and monitor the variance of a gradient."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.distributions import Distribution

from e2c_control.errors import number, whole
from e2c_control.gradients.estimator import Estimator, Function
from e2c_control.gradients.exact import flat, repeat
from e2c_control.gradients.laws import law_of

Watch = Callable[[int, float, float], None]
"""step, variance of a single estimate over the repetitions, loss of the estimator's parameters."""


def train_estimator(
    estimator: Estimator,
    f: Function,
    distribution: Distribution,
    steps: int = 2000,
    *,
    learning_rate: float = 0.01,
    repetitions: int = 64,
    generator: torch.Generator | None = None,
    watch: Watch | None = None,
) -> Estimator:
    """Train an estimator's own parameters for E f; the distribution stays fixed.

    Args:
        estimator: is changed, and returned.
        f: batched, (..., *event) -> (...).
        distribution: any batch and event.
        steps: of Adam, the learning rate falling along a cosine.
        learning_rate: the highest.
        repetitions: estimates in a step.
        generator: of the noise.
        watch: called after each step.

    Raises:
        InputError: a number is invalid or out of range; or as `Estimator.draw` and `Estimator.estimate`.
    """
    steps, learning_rate = whole("steps", steps, least=0), number("learning_rate", learning_rate, least=0)
    repetitions = whole("repetitions", repetitions, least=1 if watch is None else 2)  # one alone has no variance
    parameters, law = list(estimator.parameters()), law_of(distribution)
    optimizer = torch.optim.Adam(parameters, learning_rate, fused=True) if parameters else None
    for step in range(steps):
        if optimizer is not None:
            optimizer.param_groups[0]["lr"] = learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * step / steps)) / 2)
        estimate = estimator(f, repeat(distribution, repetitions), generator=generator)
        loss = estimator.update(optimizer)
        if watch is not None:
            gradients = flat(estimate.gradients, law.names, 1)
            watch(step, float(gradients.var(0).sum()), loss)
    return estimator


class GradientMonitor:
    """Variance of a gradient over the steps of a slowly moving training, from moving averages of its moments.

    Args:
        decay: weight of the past.
    """

    def __init__(self, decay: float = 0.99) -> None:
        self.decay, self.weight = number("decay", decay, least=0, below=1), 0.0
        self.mean: list[Tensor] = []
        self.variance: list[Tensor] = []

    @torch.no_grad()
    def observe(self, gradients: Iterable[Tensor]) -> float:
        """Update the moments with one step's gradients; return the variance, summed over all coordinates.

        Log it as "gradient/variance" beside what `Estimator.update` returns, "surrogate/loss".
        """
        given = [gradient.detach().double() for gradient in gradients]
        if not self.mean:
            self.mean, self.variance = ([torch.zeros_like(g) for g in given] for _ in range(2))
        self.weight = self.decay * self.weight + (1 - self.decay)
        share = (1 - self.decay) / self.weight  # of this step in the weights of all steps so far
        total = 0.0
        for mean, variance, gradient in zip(self.mean, self.variance, given, strict=True):
            # E[g^2] - E[g]^2 would lose a variance that is small beside the mean (Welford, 1962).
            step = gradient - mean
            mean.add_(step, alpha=share)
            variance.add_(step.square(), alpha=share).mul_(1 - share)
            total += float(variance.sum())
        return total
