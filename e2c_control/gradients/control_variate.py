"""What REBAR, RELAX and LAX share: a control variate c of a relaxed sample, and training it for least variance.

    g = (f(b) - c(z~)) s + dc(z)/d theta - dc(z~)/d theta,    b = H(z), z~ ~ p(z | b), s = d log p(b) / d theta

Jacobians of z and z~ are known in closed form (see `laws`), so one gradient of c in its argument is all that is
differentiated. With z = T(theta, u), T' its Jacobian, and dz~/d theta = r T' (r a diagonal),

    g = (f(b) - c(z~)) s + T'' (c'(z) - r c'(z~))          (T'' the transpose of T')

Training lowers E|g|^2, of which E g is no part that could be lowered, since g is unbiased:

    d E|g|^2 / d phi = E[2 w' dg/d phi],  w = g,
    w' g = (f - c(z~)) (w' s) + <T' w, c'(z)> - <r T' w, c'(z~)>

so that training needs the derivative in phi of c weighted and of c along one direction, and never a Jacobian. Source:
Grathwohl et al. 2018, section 3 and appendix; the products are derived here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from e2c_control.gradients.estimator import Draw, Estimate, Estimator, Function, mean_of_samples, surrogates
from e2c_control.gradients.laws import Continuous, Discrete, Law, Tensors
from e2c_control.gradients.surrogate import SurrogateNetwork, Trace


class Control(ABC):
    """c at the points of one estimate."""

    @abstractmethod
    def evaluate(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """c (S, *batch) and dc/dz at points (S, *code), both constant; nothing is deposited anywhere."""

    @abstractmethod
    def parameter_gradients(self, weight: Tensor, directions: Tensor, phi: Sequence[Tensor]) -> Sequence[Tensor]:
        """d/d phi of sum(weight c) + sum(<directions, dc/dz>) at the points where it was evaluated, for phi in turn."""


class Differentiated(Control):
    """Any function (S, *code) -> (S, *batch) by automatic differentiation, twice for phi."""

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
    """A `SurrogateNetwork`, which knows its derivatives."""

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
    """A network of rows (S, *batch, size) as a control variate of codes, the context held constant."""
    fixed = None if context is None else context.detach()
    if type(network) is SurrogateNetwork:  # a subclass may compute something else
        return ByHand(network, law, fixed)
    return Differentiated(network_function(network, law, fixed))


def network_function(network: nn.Module, law: Law, context: Tensor | None) -> Callable[[Tensor], Tensor]:
    """The same as a function."""
    if context is None:
        return lambda z: network(law.rows(z))
    return lambda z: network(law.rows(z), context)


@dataclass(frozen=True, eq=False)
class Kept:
    """What `update` needs of the last estimate; all constant."""

    draw: Draw
    control: Control
    scores: Tensors  # (S, *code) each
    gradients: Tensors  # (S, *code) each, of every sample by itself
    slope: Tensor | None  # r


class ControlVariate(Estimator):
    """An estimator with a control variate that is trained.

    Unbiased whatever c is, trained or not.
    """

    def __init__(self) -> None:
        super().__init__()
        self._last: Kept | None = None

    @abstractmethod
    def control(self, law: Law, f: Function | None, context: Tensor | None) -> Control:
        """c for one estimate."""

    def update(
        self, optimizer: torch.optim.Optimizer | None = None, *, direction: Sequence[Tensor] | None = None
    ) -> float:
        """Lower the second moment of the gradient, per sample and element of the batch, then averaged.

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
        """The estimate from gradients of every sample (S, *code), which are kept for `update`."""
        self._last = Kept(draw, control, scores, gradients, slope)
        mean = tuple(mean_of_samples(gradient) for gradient in gradients)
        return Estimate(draw.law, draw.samples, surrogates(draw.law, mean_of_samples(values), mean))


class RelaxedControl(ControlVariate):
    """REBAR and RELAX: c of the relaxed sample, z~ drawn anew from p(z | b), independent of z."""

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
    """T' times directions in the parameters, (S, *code)."""
    if isinstance(law, Discrete):
        return law.push(directions[0])
    assert isinstance(law, Continuous)
    products = zip(law.slopes(code), directions, strict=True)
    return sum((slope * direction for slope, direction in products), torch.zeros_like(directions[0]))
