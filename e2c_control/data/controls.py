"""Actions in [-1, 1], whatever an environment takes."""

from functools import partial
from typing import Protocol, TypeGuard

import numpy as np
from gymnasium import spaces, wrappers
from numpy.typing import NDArray

from e2c_control.data.foreign import AnyEnv
from e2c_control.errors import InputError

Space = spaces.Space[object]

_LARGEST_BOUND = 1e9
"""Beyond it a bound stands for none: floats of that size have no digits left for actions of ordinary size."""


class HasSingleSpaces(Protocol):
    """A vector of environments."""

    single_observation_space: Space
    single_action_space: Space


def single_spaces(vector_env: HasSingleSpaces) -> tuple[Space, Space]:
    """Return the spaces of what each environment of a vector shows and takes."""
    return vector_env.single_observation_space, vector_env.single_action_space


def is_box(space: object) -> TypeGuard[spaces.Box]:
    """Return whether a space is one of arrays of numbers."""
    return isinstance(space, spaces.Box)


def check_continuous(name: str, space: Space) -> spaces.Box:
    """Return a space of vectors of continuous, bounded actions; raise `InputError` if it is no such space."""
    if not is_box(space) or space.dtype.kind != "f":
        raise InputError(
            f"{name} takes {space}: only continuous actions (Box of floats) can be planned, choose such a variant."
        )
    low, high = space.low.astype(np.float64), space.high.astype(np.float64)
    bounded = bool((np.abs(low) <= _LARGEST_BOUND).all() and (np.abs(high) <= _LARGEST_BOUND).all())
    if len(space.shape) != 1 or not space.shape[0] or not bounded or bool((low > high).any()):
        raise InputError(f"{name} takes {space}: wrap it so that its actions are one bounded vector.")
    if bool((low == high).all()):
        raise InputError(f"{name} takes {space}, which leaves nothing to choose: give it actions that vary.")
    return space


def check_unit_actions(name: str, space: Space) -> int:
    """Return m of a space of actions (m,) in [-1, 1]; raise `InputError` if it is no such space."""
    box = check_continuous(name, space)
    if (box.low != -1).any() or (box.high != 1).any():
        raise InputError(
            f"{name} takes {space} instead of actions in [-1, 1]: make it with `make_image_env` or `make_vector_env`, "
            "or wrap it in gymnasium.wrappers.RescaleAction."
        )
    return box.shape[0]


def with_unit_actions(env: AnyEnv, name: str) -> AnyEnv:
    """Return the environment with actions in [-1, 1]; one whose bounds are equal is held there, whatever they say.

    Raises:
        InputError: its actions are not continuous and bounded.
    """
    space = check_continuous(name, env.action_space)
    if (space.low == -1).all() and (space.high == 1).all():
        return env
    return wrappers.TransformAction(env, partial(_rescaled, space), spaces.Box(-1, 1, space.shape, np.float32))


def _rescaled(space: spaces.Box, action: NDArray[np.float32]) -> NDArray[np.generic]:
    low, high = space.low.astype(np.float64), space.high.astype(np.float64)
    controls = (low + high) / 2 + np.asarray(action, np.float64) * (high - low) / 2
    return np.clip(controls, low, high).astype(space.dtype)
