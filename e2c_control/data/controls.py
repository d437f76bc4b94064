"""Actions in [-1, 1], whatever an environment takes."""

from functools import partial
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium import spaces, wrappers
from numpy.typing import NDArray

from e2c_control.errors import InputError

_LARGEST_BOUND = 1e9
"""Beyond it a bound stands for none: floats of that size have no digits left for actions of ordinary size."""


def check_continuous(name: str, space: Any) -> None:
    """Raise `InputError` if a space is no vector of continuous, bounded actions."""
    if not isinstance(space, spaces.Box) or cast(Any, space).dtype.kind != "f":
        raise InputError(
            f"{name} takes {space}: only continuous actions (Box of floats) can be planned, choose such a variant."
        )
    low, high = cast(Any, space).low.astype(np.float64), cast(Any, space).high.astype(np.float64)
    bounded = bool((np.abs(low) <= _LARGEST_BOUND).all() and (np.abs(high) <= _LARGEST_BOUND).all())
    if len(space.shape) != 1 or not space.shape[0] or not bounded or bool((low > high).any()):
        raise InputError(f"{name} takes {space}: wrap it so that its actions are one bounded vector.")
    if bool((low == high).all()):
        raise InputError(f"{name} takes {space}, which leaves nothing to choose: give it actions that vary.")


def check_unit_actions(name: str, space: Any) -> None:
    """Raise `InputError` if a space is not that of actions in [-1, 1]."""
    check_continuous(name, space)
    if (space.low != -1).any() or (space.high != 1).any():
        raise InputError(
            f"{name} takes {space} instead of actions in [-1, 1]: make it with `make_image_env` or `make_vector_env`, "
            "or wrap it in gymnasium.wrappers.RescaleAction."
        )


def with_unit_actions(env: Any, name: str) -> gymnasium.Env[Any, Any]:
    """Return the environment with actions in [-1, 1]; one whose bounds are equal is held there, whatever they say.

    Raises:
        InputError: its actions are not continuous and bounded.
    """
    space: Any = env.action_space
    check_continuous(name, space)
    if (space.low == -1).all() and (space.high == 1).all():
        return env
    return wrappers.TransformAction(env, partial(_rescaled, space), spaces.Box(-1, 1, space.shape, np.float32))


def _rescaled(space: Any, action: NDArray[np.float32]) -> NDArray[Any]:
    low, high = space.low.astype(np.float64), space.high.astype(np.float64)
    controls = (low + high) / 2 + np.asarray(action, np.float64) * (high - low) / 2
    return np.clip(controls, low, high).astype(space.dtype)
