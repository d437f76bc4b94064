"""Trajectory optimisers over any dynamics.

Everything here is batched float64 NumPy: N problems at once, each with its own initial state and goal. The compiler of
the inner loops (numba) is loaded by the first plan, not by this import, and torch by the first use of a Torch name.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from e2c_control.planners.adam import Adam
from e2c_control.planners.aico import AICO
from e2c_control.planners.cem import CEM
from e2c_control.planners.costs import Cost, Expansion, QuadraticCost, SmoothCost
from e2c_control.planners.dynamics import Dynamics, FunctionDynamics, LinearDynamics, Linearization, NoisyDynamics
from e2c_control.planners.ensemble import DisagreementCost, Ensemble, EnsembleDynamics
from e2c_control.planners.grasp import GRASP
from e2c_control.planners.icem import ICEM
from e2c_control.planners.ilqr import ILQR
from e2c_control.planners.kalman import Belief
from e2c_control.planners.landmarks import Landmarks
from e2c_control.planners.lowered import LowerableDynamics, Lowered
from e2c_control.planners.lqr import AffinePolicy, lqr
from e2c_control.planners.lqr_planner import LQR
from e2c_control.planners.memory import Memory, RaisedCost, Remembering
from e2c_control.planners.more_costs import (
    ControlRateCost,
    FunctionCost,
    ObstacleCost,
    RememberControl,
    RepeatControl,
    SumCost,
)
from e2c_control.planners.mpc import MPC, Replan
from e2c_control.planners.mppi import MPPI
from e2c_control.planners.plan import Limits, Plan, StopReason
from e2c_control.planners.planner import CheckedPlanner, Planner, PlanningProblem
from e2c_control.planners.registry import COSTS, PLANNERS, make_planner
from e2c_control.planners.roadmap import HurdleDynamics, Roadmap, RoadmapCost
from e2c_control.planners.sampling import Population
from e2c_control.planners.starts import Starts

if TYPE_CHECKING:
    from e2c_control.planners.torch_dynamics import TorchDynamics
    from e2c_control.planners.torch_engine import TorchILQR, TorchPlan

__all__ = [
    "AICO",
    "CEM",
    "COSTS",
    "GRASP",
    "ICEM",
    "ILQR",
    "LQR",
    "MPC",
    "MPPI",
    "PLANNERS",
    "Adam",
    "AffinePolicy",
    "Belief",
    "CheckedPlanner",
    "ControlRateCost",
    "Cost",
    "DisagreementCost",
    "Dynamics",
    "Ensemble",
    "EnsembleDynamics",
    "Expansion",
    "FunctionCost",
    "FunctionDynamics",
    "HurdleDynamics",
    "Landmarks",
    "Limits",
    "LinearDynamics",
    "Linearization",
    "LowerableDynamics",
    "Lowered",
    "Memory",
    "NoisyDynamics",
    "ObstacleCost",
    "Plan",
    "Planner",
    "PlanningProblem",
    "Population",
    "QuadraticCost",
    "RaisedCost",
    "RememberControl",
    "Remembering",
    "RepeatControl",
    "Replan",
    "Roadmap",
    "RoadmapCost",
    "SmoothCost",
    "Starts",
    "StopReason",
    "SumCost",
    "TorchDynamics",
    "TorchILQR",
    "TorchPlan",
    "lqr",
    "make_planner",
]


def __getattr__(name: str) -> object:
    if name not in ("TorchDynamics", "TorchILQR", "TorchPlan"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = "torch_dynamics" if name == "TorchDynamics" else "torch_engine"
    return getattr(import_module(f"{__name__}.{room}"), name)
