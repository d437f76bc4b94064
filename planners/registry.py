"""The planners by name, as the command line offers them."""

from collections.abc import Callable, Mapping
from inspect import signature
from types import MappingProxyType

from e2c_control.errors import one_of, only_options
from e2c_control.planners.aico import AICO
from e2c_control.planners.cem import CEM
from e2c_control.planners.icem import ICEM
from e2c_control.planners.ilqr import ILQR
from e2c_control.planners.lqr_planner import LQR
from e2c_control.planners.mpc import Planner
from e2c_control.planners.mppi import MPPI

# Each makes a planner with its defaults, or with its own options by keyword.
PLANNERS: Mapping[str, Callable[..., Planner]] = MappingProxyType(
    {"ilqr": ILQR, "aico": AICO, "cem": CEM, "icem": ICEM, "mppi": MPPI, "lqr": LQR}
)


def make_planner(name: str, **options: object) -> Planner:
    """Return the planner of that name; a name or an option that is not known raises InputError, by itself."""
    make = PLANNERS[one_of("planner", name, PLANNERS)]
    only_options(f"The planner {name!r}", options, signature(make).parameters)
    return make(**options)
