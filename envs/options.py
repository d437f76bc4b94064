"""Options of a reset, checked and spread over the environments."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from e2c_control.envs.system import FloatArray
from e2c_control.envs.task import Task
from e2c_control.errors import InputError

RESET_OPTIONS = ("state", "start", "goal", "reset_mask")


def check_options(options: Mapping[str, object]) -> None:
    """Raise InputError for an option that is not known, or does not fit another one."""
    for key in options:
        if key not in RESET_OPTIONS:
            raise InputError(f"reset has no option {key!r}; it takes {', '.join(RESET_OPTIONS)}.")
    if options.get("start", "task") not in ("task", "sampled"):
        raise InputError(f"The reset option 'start' must be 'task' or 'sampled', but it is {options['start']!r}.")
    if "start" in options and options.get("state") is not None:
        raise InputError("The reset options 'state' and 'start' exclude each other: give one of them.")


def given_states(task: Task, value: object, num_envs: int, name: str) -> FloatArray:
    """Return states ``(num_envs, n)`` from one ``(n,)`` for all environments, or one for each."""
    size = task.system.state_size
    if np.ma.is_masked(value):
        raise InputError(f"The {name} is a masked array: give plain numbers.")
    try:
        states = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"The {name} must be an array of numbers, but it is {value!r}.") from None
    if states.shape not in ((size,), (num_envs, size)):
        expected = f"({size},)" if num_envs == 1 else f"({size},) or ({num_envs}, {size})"
        raise InputError(f"The {name} must have shape {expected}, but it has {states.shape}.")
    states = np.broadcast_to(states, (num_envs, size)).copy()
    inside = task.system.contains(states)
    if not inside.all():
        low, high = task.system.state_low.round(3).tolist(), task.system.state_high.round(3).tolist()
        raise InputError(
            f"The {name} {states[~inside][0].tolist()} lies outside the world of {task.id}: choose one between "
            f"{low} and {high} where nothing else is."
        )
    return states


def given_goals(task: Task, value: object, num_envs: int) -> FloatArray:
    """Return goals ``(num_envs, n)`` from an index into the task's goals, an index for each environment, or states."""
    if not _are_indices(value, num_envs):
        return given_states(task, value, num_envs, "goal")
    index = np.broadcast_to(np.asarray(value), (num_envs,))
    if np.any((index < 0) | (index >= len(task.goals))):
        raise InputError(f"The goal {value} does not exist: {task.id} has goals 0 to {len(task.goals) - 1}.")
    return task.goals[index]


def check_alike(task: Task, starts: FloatArray, goals: FloatArray) -> None:
    """Raise InputError if a start ``(N, n)`` can never lead to its goal ``(N, n)``, which has other constants."""
    first = task.system.state_size - task.system.constants
    if (starts[:, first:] != goals[:, first:]).any():
        names = ", ".join(task.system.state_names[first:])
        raise InputError(f"Start and goal of {task.id} lie in different worlds: give both the same {names}.")


def given_mask(value: object, num_envs: int) -> NDArray[np.intp]:
    """Return indices of the environments to reset, from a Boolean mask ``(num_envs,)`` or None for all of them."""
    if value is None:
        return np.arange(num_envs)
    mask = np.asarray(value)
    if mask.shape != (num_envs,) or mask.dtype != np.bool_ or not mask.any():
        raise InputError(f"reset_mask must be a Boolean array of shape ({num_envs},) with at least one True.")
    return np.flatnonzero(mask)


def _are_indices(value: object, num_envs: int) -> bool:
    kind = getattr(value, "dtype", None)
    if isinstance(value, int):
        return not isinstance(value, bool)
    if kind is None or not np.issubdtype(kind, np.integer):
        return False
    return np.asarray(value).shape in ((), (num_envs,))
