"""Which planner's copy suits which transition."""

from __future__ import annotations

from typing import Literal

from e2c_control.errors import InputError
from e2c_control.models.latent_dynamics import LatentDynamics
from e2c_control.models.matrix_network import LocallyLinearTransition
from e2c_control.models.nonlinear import NonlinearTransition
from e2c_control.models.nonlinear_dynamics import NonlinearDynamics
from e2c_control.models.transition import Transition


def planning_model(
    transition: Transition, linearization: Literal["model", "jacobian"] = "model"
) -> LatentDynamics | NonlinearDynamics:
    """A float64 copy of a trained transition; a non-linear one has only its Jacobian to give."""
    if isinstance(transition, NonlinearTransition):
        return NonlinearDynamics(transition)
    if isinstance(transition, LocallyLinearTransition):
        return LatentDynamics(transition, linearization)
    raise InputError(f"Planners know no copy of a {type(transition).__name__}: give it one in planning_model.")
