"""Distance of a plan from the optimum: one number without units, which says whether a planner has converged."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from e2c_control.planners.checks import Array

if TYPE_CHECKING:
    from torch import Tensor

Numbers = TypeVar("Numbers", Array, "Tensor")


def optimality_residual(
    gain: Numbers,
    cost: Numbers,
    trajectory: tuple[Numbers, Numbers],
    gradients: tuple[Numbers, Numbers],
    hessians: tuple[Numbers, Numbers],
    epsilon: float,
) -> Numbers:
    """Return max(0, G - E) / |J| of N plans: the share of its cost by which a plan could still be improved.

    G is what a full Newton step within the limits promises to gain: the minimum of the quadratic model around the
    plan, solved stage by stage (Tassa, Mansard, Todorov 2014) without regularisation, or with the least that makes its
    Hessians positive definite. It is zero exactly where the first-order conditions hold: dJ/du is zero, or pushes
    against a limit. E = Σ |q| δ + ½ |diag Q| δ² with δ = ε |z|, and the same for the controls, is what rounding states
    and controls may change the cost by: less cannot be gained, which matters where a plan of cost zero exists.

    Units of cost, states, controls or time cancel. As exact as the local model that the dynamics give.

    Arguments: ``gain`` G (N,), ``cost`` J (N,), ``trajectory`` with states (N, T + 1, n) and controls (N, T, m),
    ``gradients`` q and r of the same shapes, ``hessians`` Q (N, T + 1, n, n) and R (N, T, m, m), ``epsilon`` ε of the
    numbers' type. All are NumPy arrays, or all are tensors.
    """
    left = gain
    for x, slope, bend in zip(trajectory, gradients, hessians, strict=True):
        rounded = epsilon * abs(x)
        left = left - (rounded * (abs(slope) + 0.5 * rounded * abs(bend.diagonal(0, 2, 3)))).sum((1, 2))
    left = (left + abs(left)) / 2
    nothing = left == 0  # zero is left of a cost of zero too
    return cast(Numbers, left / (abs(cost) + nothing))
