"""Actions in [-1, 1], whatever an environment takes."""

import warnings
from reprlib import repr as short
from typing import Protocol, TypeGuard

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from e2c_control.data.choices import Choices, ChoiceSpace, choices_in, choices_of
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


def check_continuous(name: str, space: Space, limit: float | None = None) -> spaces.Box:
    """Return a space of vectors of continuous, bounded actions, by a limit where it has no bounds itself.

    Raises:
        InputError: it is no such space, or has bounds and a limit.
    """
    if not is_box(space) or space.dtype.kind != "f":
        raise InputError(
            f"{name} takes {space}: only continuous actions (Box of floats), Discrete and MultiDiscrete can be taken, "
            "choose such a variant."
        )
    low, high = space.low.astype(np.float64), space.high.astype(np.float64)
    unbounded = [np.abs(bound) > _LARGEST_BOUND for bound in (low, high)]
    if limit is not None:
        if not np.any(unbounded):
            raise InputError(f"{name} takes {space}, which has bounds already: leave out action_limit.")
        low, high = np.where(unbounded[0], -limit, low), np.where(unbounded[1], limit, high)
    if len(space.shape) != 1 or not space.shape[0] or bool((low > high).any()):
        raise InputError(f"{name} takes {space}: wrap it so that its actions are one bounded vector.")
    if limit is None and np.any(unbounded):
        raise InputError(
            f"{name} takes {space}: wrap it so that its actions are one bounded vector, or say how large they may be "
            "(action_limit, --action-limit)."
        )
    if bool((low == high).all()):
        raise InputError(f"{name} takes {space}, which leaves nothing to choose: give it actions that vary.")
    if limit is None:
        return space
    return spaces.Box(low.astype(space.dtype), high.astype(space.dtype), dtype=space.dtype.type)


def check_unit_actions(name: str, space: Space, maker: str = "`make_image_env` or `make_vector_env`") -> int:
    """Return m of a space of actions (m,) in [-1, 1], or one-hot.

    Args:
        name: of the environment, for sentences.
        space: its actions.
        maker: what makes an environment with such actions.

    Raises:
        InputError: it is no such space.
    """
    if (choices := choices_of(space)) is not None:
        return choices.size
    box = None if choices_in(name, space) is not None else check_continuous(name, space)
    if box is None or (box.low != -1).any() or (box.high != 1).any():
        raise InputError(
            f"{name} takes {space} instead of actions in [-1, 1]: make it with {maker}, or wrap it"
            f"{' in gymnasium.wrappers.RescaleAction' if box is not None else ''}."
        )
    return box.shape[0]


def with_unit_actions(env: AnyEnv, name: str, limit: float | None = None) -> AnyEnv:
    """Return the environment with actions in [-1, 1]; one whose bounds are equal is held there, whatever they say.

    Of choices, it takes vectors with a number for each, the largest of which is chosen.

    Args:
        env: the environment.
        name: its name, for sentences.
        limit: the largest of actions that have no bounds.

    Raises:
        InputError: its actions are neither continuous and bounded nor choices.
    """
    if (choices := choices_in(name, env.action_space)) is not None:
        if limit is not None:
            raise InputError(f"{name} takes {env.action_space}, which has no limits: leave out action_limit.")
        return ChosenActions(env, choices, name)
    return UnitActions(env, check_continuous(name, env.action_space, limit), name)


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
        own, given = self._own, _vector(self._name, self._own.shape[0], action)
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


class ChosenActions(gymnasium.ActionWrapper[object, NDArray[np.generic], object]):
    """An environment that takes a number for each thing to choose, (m,), and does what has the largest.

    Args:
        env: the environment.
        choices: that it leaves.
        name: its name, for sentences.
    """

    def __init__(self, env: AnyEnv, choices: Choices, name: str) -> None:
        super().__init__(env)
        self.action_space = ChoiceSpace(choices)
        self._choices, self._name = choices, name

    def action(self, action: object) -> object:
        """Return the environment's own action; raise `InputError` if it is no vector of that many finite numbers."""
        return self._choices.decode(_vector(self._name, self._choices.size, action))


def _vector(name: str, size: int, action: object) -> NDArray[np.float64]:
    """Return an action of so many finite numbers; raise `InputError` if it is none."""
    given = as_numbers(action)
    if given is None or given.shape != (size,) or not np.isfinite(given).all():
        raise InputError(
            f"{name} got the action {short(action)}: give finite numbers of shape {(size,)}, between -1 and 1, such as "
            f"np.zeros({size}, np.float32)."
        )
    return given


def as_numbers(value: object) -> NDArray[np.float64] | None:
    """Return what is an array of real numbers as float64; none of anything else."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):  # rows of different lengths
        return None
    return array.astype(np.float64) if array.dtype.kind in "iuf" else None
