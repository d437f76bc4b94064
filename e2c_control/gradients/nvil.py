"""NVIL (neural variational inference and learning): a learned baseline."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from e2c_control.errors import InputError, flag, number
from e2c_control.gradients.estimator import Draw, Estimate, Estimator, Function, module, surrogates


class NVIL(Estimator):
    """g = (f(b) - C(x) - c) d log p(b) / d theta, divided by max(1, sqrt(v)) where asked to normalise.

    C is a network of the context x, trained by least squares in `update()`; c and v are moving averages of the mean and
    variance of C's residual, which never include the current sample. Unbiased, unless it normalises, which rescales it.
    Takes every law, never differentiates f, costs one evaluation a sample. Mnih and Gregor, 2014, section 2.3.

    Args:
        network: C, (*batch, size) -> (*batch); without one, c is all there is.
        decay: weight of the past in c and v, per update.
        normalise: divide by max(1, sqrt(v)).
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, network: nn.Module | None = None, decay: float = 0.9, normalise: bool = False) -> None:
        super().__init__()
        self.network = None if network is None else module("network", network)
        self.decay, self.normalise = number("decay", decay, least=0, below=1), flag("normalise", normalise)
        self.unbiased = not self.normalise
        for name in ("mean", "variance", "count"):
            self.register_buffer(name, torch.zeros((), dtype=torch.float64))
        self._last: tuple[Tensor, Tensor | None] | None = None

    def combine(self, draw: Draw, values: Tensor, f: Function | None, context: Tensor | None) -> Estimate:
        law = draw.law
        if self.network is not None and context is None:
            raise InputError("NVIL's network looks at the context: give context=x, or make NVIL() without a network.")
        fixed, seen = values.detach(), None if context is None else context.detach()
        self._last = fixed, seen
        with torch.no_grad():
            signal = fixed - self._learned(seen) - self.mean
            if self.normalise:
                signal = signal / self.variance.sqrt().clamp_min(1)
        gradients = tuple((law.lift(signal) * score).mean(0) for score in law.score(draw.code))
        return Estimate(law, draw.samples, surrogates(law, values.mean(0), gradients))

    def update(
        self, optimizer: torch.optim.Optimizer | None = None, *, direction: Sequence[Tensor] | None = None
    ) -> float:
        """Fit C by least squares, then update the moving averages; return the mean squared residual of C and c."""
        if self._last is None:
            return 0.0
        values, context = self._last
        with torch.enable_grad():
            left = values - self._learned(context)
            loss = (left - self.mean).square().mean()
            if self.network is not None:
                phi = [p for p in self.network.parameters() if p.requires_grad]
                for parameter, gradient in zip(
                    phi, torch.autograd.grad(loss, phi, materialize_grads=True), strict=True
                ):
                    kept = None if optimizer is not None else parameter.grad
                    parameter.grad = gradient if kept is None else kept + gradient
        if optimizer is not None:
            optimizer.step()
        left = left.detach().double()
        weight = 1 - self.decay if self.count > 0 else 1.0
        self.count += 1
        # Both moments have the same weights, so the variance includes that between updates, not only within one.
        step = left.mean() - self.mean
        self.mean += weight * step
        self.variance += weight * (left.var(unbiased=False) + (1 - weight) * step.square() - self.variance)
        return float(loss.detach())

    def _learned(self, context: Tensor | None) -> Tensor:
        if self.network is None or context is None:
            return torch.zeros((), device=self.mean.device)
        return self.network(context)
