"""RELAX: a network of the relaxed sample is the control variate, so f may be a black box."""

from __future__ import annotations

from torch import Tensor, nn

from e2c_control.errors import flag
from e2c_control.gradients.control_variate import (
    Control,
    Differentiated,
    RelaxedControl,
    network_control,
    network_function,
)
from e2c_control.gradients.estimator import Function, module
from e2c_control.gradients.laws import Law
from e2c_control.gradients.rebar import RelaxedFunction


class RELAX(RelaxedControl):
    """c(z) = r(z), a network trained by `update()`; with `relaxed_f` c(z) = r(z) + eta f(sigma_tau(z)).

    Unbiased. Takes discrete laws, never differentiates f (unless told to use it), costs one evaluation a sample.
    Grathwohl et al. 2018, equation 8 and section 3.

    Args:
        network: r, (S, *batch, size) -> (S, *batch), with the context as a second argument where one is given; see
            `SurrogateNetwork`, which is the fast one.
        relaxed_f: add REBAR's control variate, where f can be differentiated.
    """

    def __init__(self, network: nn.Module, relaxed_f: bool = False) -> None:
        super().__init__()
        self.network = module("network", network)
        self.relaxed_f = RelaxedFunction(1.0, 0.5) if flag("relaxed_f", relaxed_f) else None
        self.indices = not relaxed_f

    def evaluations(self, n_samples: int) -> int:
        return n_samples if self.relaxed_f is None else 3 * n_samples

    def control(self, law: Law, f: Function | None, context: Tensor | None) -> Control:
        if self.relaxed_f is None:
            return network_control(self.network, law, context)
        network, relaxed = network_function(self.network, law, context), self.relaxed_f.bind(self, law, f)
        return Differentiated(lambda z: network(z) + relaxed(z))
