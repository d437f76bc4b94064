"""The planners by name, as the command line offers them."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from e2c_control.errors import InputError
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
    """The planner of that name; options that it does not have, or a name that is not known, raise InputError."""
    if name not in PLANNERS:
        raise InputError(f"There is no planner {name!r}: choose one of {', '.join(PLANNERS)}.")
    try:
        return PLANNERS[name](**options)
    except TypeError as error:
        raise InputError(f"The planner {name!r} does not take these options: {', '.join(sorted(options))}.") from error
