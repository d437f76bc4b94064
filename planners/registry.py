"""The planners, and the costs of reaching a goal, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from e2c_control.errors import in_a_sentence, only_options
from e2c_control.planners.costs import Cost
from e2c_control.planners.mpc import Planner
from e2c_control.registry import Registry, parameters_of

PLANNERS: Registry[Callable[..., Any]] = Registry(
    "planner",
    {
        "ilqr": "e2c_control.planners.ilqr:ILQR",
        "aico": "e2c_control.planners.aico:AICO",
        "cem": "e2c_control.planners.cem:CEM",
        "icem": "e2c_control.planners.icem:ICEM",
        "mppi": "e2c_control.planners.mppi:MPPI",
        "lqr": "e2c_control.planners.lqr_planner:LQR",
        "adam": "e2c_control.planners.adam:Adam",
        "grasp": "e2c_control.planners.grasp:GRASP",
        "roadmap": "e2c_control.planners.roadmap:Roadmap",
    },
)
"""Planner classes, called with their options as keywords. A user's "module:name" may be a planner function as well."""


COSTS: Registry[Callable[..., Cost]] = Registry("cost", {"quadratic": "e2c_control.planners.costs:QuadraticCost"})
"""Of reaching a goal: called as `QuadraticCost` is, with goals (n,) or (N, n), and weights of states and controls."""


def make_planner(planner: str | Callable[..., Planner] | Planner, **options: object) -> Planner:
    """Return the planner of that name or class, or the planner itself, which takes no options any more.

    Raises:
        InputError: there is no such planner, or it has no such option.
    """
    found = PLANNERS.find(planner)
    name = repr(planner) if isinstance(planner, str) else getattr(found, "__name__", type(found).__name__)
    made = isinstance(found, type)
    with in_a_sentence(f"The planner {name} cannot be made"):
        only_options(f"The planner {name}", options, parameters_of(found) if made else ())
        return found(**options) if made else found
