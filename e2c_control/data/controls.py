"""Actions in [-1, 1], whatever an environment takes."""

import warnings
from reprlib import repr as short
from typing import Protocol, TypeGuard

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from e2c_control.data.foreign import AnyEnv
from e2c_control.errors import InputError, InputWarning

Space = spaces.Space[object]

_LARGEST_BOUND = 1e9
"""Beyond it a bound stands for none: floats of that size have no digits left for actions of ordinary size."""

SLACK = 1e-4
"""By which an action may be beyond -1 to 1 before that is worth a word: rounding is no mistake."""


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
    return UnitActions(env, check_continuous(name, env.action_space), name)


class UnitActions(gymnasium.ActionWrapper[object, NDArray[np.float32], object]):
    """An environment that takes actions (m,) in [-1, 1], scaled to its own and never beyond them.

    Args:
        env: the environment.
        own: its actions.
        name: its name, for sentences.
    """

    def __init__(self, env: AnyEnv, own: spaces.Box, name: str) -> None:
        super().__init__(env)
        self.action_space = spaces.Box(-1, 1, own.shape, np.float32)
        self._own, self._name, self._warned = own, name, False

    def action(self, action: object) -> NDArray[np.generic]:
        """Return the environment's own action for one in [-1, 1]; beyond that is the limit, of which it warns once.

        Raises:
            InputError: it is no vector of that many finite numbers.
        """
        own, given = self._own, as_numbers(action)
        if given is None or given.shape != own.shape or not np.isfinite(given).all():
            raise InputError(
                f"{self._name} got the action {short(action)}: give finite numbers of shape {own.shape}, "
                f"between -1 and 1, such as np.zeros({own.shape[0]}, np.float32)."
            )
        if not self._warned and (np.abs(given) > 1 + SLACK).any():
            self._warned = True
            warnings.warn(
                f"{self._name} got the action {short(given.tolist())}, beyond -1 to 1, and takes the limit: "
                "actions are scaled, so that 1 stands for the upper bound of the environment's own.",
                InputWarning,
                stacklevel=2,
            )
        low, high = own.low.astype(np.float64), own.high.astype(np.float64)
        return np.clip((low + high) / 2 + given * (high - low) / 2, low, high).astype(own.dtype)


def as_numbers(value: object) -> NDArray[np.float64] | None:
    """Return what is an array of real numbers as float64; none of anything else."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):  # rows of different lengths
        return None
    return array.astype(np.float64) if array.dtype.kind in "iuf" else None
