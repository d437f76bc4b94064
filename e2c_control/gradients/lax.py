"""LAX: a network as the control variate for reparameterisable samples."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from e2c_control.gradients.control_variate import Control, ControlVariate, network_control
from e2c_control.gradients.estimator import Draw, Estimate, Function, module
from e2c_control.gradients.laws import Continuous, Law


class LAX(ControlVariate):
    """g = (f(b) - c(b)) d log p(b) / d theta + dc(b) / d theta, b = T(theta, noise), fixed inside log p.

    Unbiased. Takes Normal and Gamma, never differentiates f, costs one evaluation a sample. Grathwohl et al. 2018,
    equation 7.

    Args:
        network: c, (S, *batch, size) -> (S, *batch), with the context as a second argument where one is given.
    """

    takes = (Continuous,)
    sees_noise: ClassVar[bool] = True

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = module("network", network)

    def control(self, law: Law, f: Function | None, context: Tensor | None) -> Control:
        return network_control(self.network, law, context)

    def combine(self, draw: Draw, values: Tensor, f: Function | None, context: Tensor | None) -> Estimate:
        law = draw.law
        assert isinstance(law, Continuous)
        control = self.control(law, f, context)
        value, gradient = control.evaluate(draw.samples)
        left = law.lift(values.detach() - value)
        scores, slopes = law.score(draw.code), law.slopes(draw.code)
        each = tuple(
            left * score + (gradient * slope).to(left.dtype) for score, slope in zip(scores, slopes, strict=True)
        )
        return self.finish(draw, values, control, scores, each, None)
