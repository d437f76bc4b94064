"""Copy a transition into the form that planners take."""

from __future__ import annotations

from copy import deepcopy
from typing import Literal

import torch

from e2c_control.models.latent_dynamics import LatentDynamics
from e2c_control.models.matrix_network import LocallyLinearTransition
from e2c_control.models.network_copy import Array
from e2c_control.models.nonlinear import NonlinearTransition
from e2c_control.models.nonlinear_dynamics import NonlinearDynamics
from e2c_control.models.transition import Transition
from e2c_control.planners.dynamics import Linearization
from e2c_control.planners.torch_dynamics import TorchDynamics, as_array

Linearized = Literal["model", "jacobian"]


class TransitionDynamics(TorchDynamics):
    """Any transition as planners take it: a float64 copy in torch, slower than the copies in NumPy.

    Args:
        transition: the trained network; later changes of it are not seen.
        linearization: "model" takes the network's A, B, o; "jacobian" differentiates its step by autograd.
    """

    def __init__(self, transition: Transition, linearization: Linearized) -> None:
        self._copy = deepcopy(transition).cpu().double()
        self._exact = linearization == "jacobian"
        super().__init__(self._copy.predict, transition.latent_dim, transition.action_dim)

    def linearize(self, states: Array, controls: Array) -> Linearization:
        """Return A (N, k, k), B (N, k, m), o (N, k) at latents (N, k) and actions (N, m)."""
        if self._exact:
            return super().linearize(states, controls)
        with torch.no_grad():
            local = self._copy(torch.from_numpy(states), torch.from_numpy(controls))
        return Linearization(as_array(local.A), as_array(local.B), as_array(local.o))


def planning_model(
    transition: Transition, linearization: Linearized = "model"
) -> LatentDynamics | NonlinearDynamics | TransitionDynamics:
    """Return a float64 copy of a trained transition; a `NonlinearTransition` always linearises by its Jacobian."""
    if isinstance(transition, NonlinearTransition):
        return NonlinearDynamics(transition)
    if isinstance(transition, LocallyLinearTransition):
        return LatentDynamics(transition, linearization)
    return TransitionDynamics(transition, linearization)
