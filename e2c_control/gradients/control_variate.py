"""The control variate c of a relaxed sample that REBAR, RELAX and LAX share, trained for least variance.

    g = (f(b) - c(z~)) s + dc(z)/d theta - dc(z~)/d theta,    b = H(z), z~ ~ p(z | b), s = d log p(b) / d theta

How it works: the score-function term (f - c) s has low variance where c is close to f. Averaged over b, z~ has the
distribution of z, so that E[c(z~) s] = E[dc(z)/d theta - dc(z~)/d theta]: the last two terms add exactly what
subtracting c took away, and g is unbiased for any c (Grathwohl et al. 2018, equation 8; for REBAR, Tucker et al. 2017,
equation 7). In LAX, b itself is continuous and takes the place of z and z~ (equation 7).

Jacobians of z and z~ are known in closed form (see `laws`), so only c is differentiated, once, in its argument. With
z = T(theta, u), T' its Jacobian, and dz~/d theta = r T' (r a diagonal),

    g = (f(b) - c(z~)) s + T'' (c'(z) - r c'(z~))          (T'' the transpose of T')

Training minimises E|g|^2: since g is unbiased, |E g|^2 is constant, so this minimises the variance.

    d E|g|^2 / d phi = E[2 w' dg/d phi],  w = g,
    w' g = (f - c(z~)) (w' s) + <T' w, c'(z)> - <r T' w, c'(z~)>

so that training needs the derivative in phi of a weighted sum of c and of one directional derivative of c, and never a
Jacobian. Source: Grathwohl et al. 2018, section 3 and appendix; the products are derived here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from e2c_control.errors import InputError
from e2c_control.gradients.estimator import Draw, Estimate, Estimator, Function, mean_of_samples, surrogates
from e2c_control.gradients.laws import Continuous, Discrete, Law, Tensors
from e2c_control.gradients.surrogate import SurrogateNetwork, Trace


class Control(ABC):
    """The control variate c at the points of one estimate."""

    @abstractmethod
    def evaluate(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return c (S, *batch) and dc/dz at points (S, *code), both constant; no `.grad` is written."""

    @abstractmethod
    def parameter_gradients(self, weight: Tensor, directions: Tensor, phi: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return d/d phi of sum(weight c) + sum(<directions, dc/dz>) at the points of `evaluate`, for each phi."""


class Differentiated(Control):
    """Any function (S, *code) -> (S, *batch), by automatic differentiation; twice for phi."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function
        self.points: Tensor | None = None

    def evaluate(self, points: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            self.points = points.detach().requires_grad_()
            value = self.function(self.points)
            (gradient,) = torch.autograd.grad(value.sum(), self.points)
        return value.detach(), gradient

    def parameter_gradients(self, weight: Tensor, directions: Tensor, phi: Sequence[Tensor]) -> Sequence[Tensor]:
        assert self.points is not None
        with torch.enable_grad():
            value = self.function(self.points)
            (gradient,) = torch.autograd.grad(value.sum(), self.points, create_graph=True)
            total = (weight * value).sum() + (directions * gradient).sum()
        return torch.autograd.grad(total, phi, materialize_grads=True)


class ByHand(Control):
    """A `SurrogateNetwork`, whose derivatives are in closed form."""

    def __init__(self, network: SurrogateNetwork, law: Law, context: Tensor | None) -> None:
        self.network, self.law, self.context = network, law, context
        self.trace: Trace | None = None

    def evaluate(self, points: Tensor) -> tuple[Tensor, Tensor]:
        value, slope, self.trace = self.network.value_and_slope(self.law.rows(points), self.context)
        return value, slope.reshape(points.shape)

    def parameter_gradients(self, weight: Tensor, directions: Tensor, phi: Sequence[Tensor]) -> Sequence[Tensor]:
        assert self.trace is not None
        found = self.network.parameter_gradients(self.trace, weight, self.law.rows(directions))
        by_parameter: dict[Tensor, Tensor] = dict(zip(self.network.parameters(), found, strict=True))
        return [by_parameter[parameter] for parameter in phi]


def network_control(network: nn.Module, law: Law, context: Tensor | None) -> Control:
    """Return a network of rows (S, *batch, size) as a control variate of codes, the context held constant."""
    fixed = None if context is None else context.detach()
    if type(network) is SurrogateNetwork:  # a subclass may compute something else
        return ByHand(network, law, fixed)
    return Differentiated(network_function(network, law, fixed))


def network_function(network: nn.Module, law: Law, context: Tensor | None) -> Callable[[Tensor], Tensor]:
    """Return the network as a function of codes (S, *code) -> (S, *batch)."""
    if context is None:
        return lambda z: network(law.rows(z))
    return lambda z: network(law.rows(z), context)


@dataclass(frozen=True, eq=False)
class Kept:
    """The last estimate, kept for `update`; all constant."""

    draw: Draw
    control: Control
    scores: Tensors  # (S, *code) each
    gradients: Tensors  # (S, *code) each, of every sample by itself
    slope: Tensor | None  # r


class ControlVariate(Estimator):
    """An estimator with a trainable control variate.

    Unbiased whatever c is, trained or not.
    """

    def __init__(self) -> None:
        super().__init__()
        self._last: Kept | None = None

    @abstractmethod
    def control(self, law: Law, f: Function | None, context: Tensor | None) -> Control:
        """Return the control variate c for one estimate."""

    def update(
        self, optimizer: torch.optim.Optimizer | None = None, *, direction: Sequence[Tensor] | None = None
    ) -> float:
        """Lower the second moment of the gradient, averaged over samples and elements of the batch.

        Args:
            optimizer: of this estimator's parameters; takes one step. Without one, gradients are added to `.grad`.
            direction: w above for each parameter of the law, (S, *code). The gradient itself unless given: the
                variance at the distribution's parameters. Where that of network weights counts, or a sum over an
                episode, give J J' g, with J the Jacobian of the distribution's parameters: d|J' g|^2 = 2 (J J' g)' dg.

        Returns:
            E|g|^2 of the last estimate; 0 before the first one.
        """
        if self._last is None:
            return 0.0
        kept = self._last
        gradients = kept.gradients if direction is None else tuple(direction)
        law, phi = kept.draw.law, [p for p in self.parameters() if p.requires_grad]
        count = kept.scores[0].shape[: kept.scores[0].ndim - law.event_dims].numel()
        products = zip(gradients, kept.scores, strict=True)
        weight = -sum((law.sum_event(w * s) for w, s in products), torch.zeros(()))
        moved = push(law, kept.draw.code, gradients)
        if kept.slope is not None:
            weight = torch.cat([torch.zeros_like(weight), weight])
            moved = torch.cat([moved, -kept.slope * moved])
        found = kept.control.parameter_gradients((2 / count) * weight, (2 / count) * moved, phi)
        for parameter, gradient in zip(phi, found, strict=True):
            parameter.grad = gradient if parameter.grad is None or optimizer is not None else parameter.grad + gradient
        if optimizer is not None:
            optimizer.step()
        return float(sum(g.square().sum() for g in kept.gradients)) / count

    def finish(
        self, draw: Draw, values: Tensor, control: Control, scores: Tensors, gradients: Tensors, slope: Tensor | None
    ) -> Estimate:
        """Return the estimate from the gradients of every sample (S, *code), and keep them for `update`."""
        self._last = Kept(draw, control, scores, gradients, slope)
        mean = tuple(mean_of_samples(gradient) for gradient in gradients)
        return Estimate(draw.law, draw.samples, surrogates(draw.law, mean_of_samples(values), mean))


class RelaxedControl(ControlVariate):
    """REBAR and RELAX: c of the relaxed sample, z~ drawn from p(z | b) with noise independent of z's."""

    takes = (Discrete,)
    noises = ("u", "v")
    sees_noise = True

    def combine(self, draw: Draw, values: Tensor, f: Function | None, context: Tensor | None) -> Estimate:
        law = draw.law
        assert isinstance(law, Discrete)
        assert draw.relaxed is not None
        control = self.control(law, f, context)
        conditional, slope = law.conditional(draw.code, draw.noise["v"])
        value, gradient = control.evaluate(torch.cat([draw.relaxed, conditional]))
        count = len(values)
        scores = law.score(draw.code)
        left = law.lift(values.detach() - value[count:])
        each = torch.addcmul(
            law.pull(torch.addcmul(gradient[:count], slope, gradient[count:], value=-1)), left, scores[0]
        )
        return self.finish(draw, values, control, scores, (each,), slope)


def push(law: Law, code: Tensor, directions: Tensors) -> Tensor:
    """Return T' times directions in the parameters, (S, *code)."""
    if isinstance(law, Discrete):
        return law.push(directions[0])
    assert isinstance(law, Continuous)
    products = zip(law.slopes(code), directions, strict=True)
    pushed = sum((slope * direction for slope, direction in products), torch.zeros_like(directions[0]))
    pushed = pushed.to(directions[0].dtype)
    if not bool(pushed.isfinite().all()):
        raise InputError("The control variate's own gradient is too large for its dtype: give float64 parameters.")
    return pushed
