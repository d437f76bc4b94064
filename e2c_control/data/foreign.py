"""Somebody else's environment: what it raises becomes a sentence, and of its states only vectors of numbers pass."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, SupportsFloat, TypeAlias

import gymnasium
import numpy as np
from gymnasium.core import RenderFrame
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from e2c_control.errors import in_a_sentence
from e2c_control.fields import is_array

AnyEnv: TypeAlias = gymnasium.Env[Any, Any]
Vectors: TypeAlias = VectorEnv[Any, Any, Any]


@dataclass
class StateSize:
    """Numbers in `info["state"]`, once it was seen; the environments of one vector share it.

    Attributes:
        known: whether one was seen.
        size: how many, or none where the state is no vector of numbers.
    """

    known: bool = False
    size: int | None = None


class Foreign(gymnasium.Wrapper[object, object, object, object]):
    """An environment that is not this project's.

    `info["state"]` stays where the first one is a vector of numbers; a later one that is none, or has another length,
    is replaced by NaN, which tells those who keep states that there are none.

    Args:
        env: the environment.
        name: its name, for sentences.
        state_size: shared with the others of a vector.
    """

    def __init__(self, env: AnyEnv, name: str, state_size: StateSize) -> None:
        super().__init__(env)
        self._name, self._state_size = name, state_size

    def reset(
        self, *, seed: int | None = None, options: dict[str, object] | None = None
    ) -> tuple[object, dict[str, object]]:
        with in_a_sentence(f"{self._name} failed in reset"):
            observation, info = self.env.reset(seed=seed, options=options)
            return observation, self._told(info)

    def step(self, action: object) -> tuple[object, SupportsFloat, bool, bool, dict[str, object]]:
        with in_a_sentence(f"{self._name} failed in step"):
            observation, reward, terminated, truncated, info = self.env.step(action)
            return observation, reward, terminated, truncated, self._told(info)

    def render(self) -> RenderFrame | list[RenderFrame] | None:
        with in_a_sentence(f"{self._name} cannot be rendered"):
            return self.env.render()

    def close(self) -> None:
        with in_a_sentence(f"{self._name} failed in close"):
            self.env.close()

    def _told(self, info: Mapping[str, object]) -> dict[str, object]:
        state, expected = as_vector(info.get("state")), self._state_size
        if not expected.known:
            expected.known, expected.size = True, None if state is None else len(state)
        told = {name: value for name, value in info.items() if name != "state"}
        if expected.size is not None:
            fits = state is not None and len(state) == expected.size
            told["state"] = state if fits else np.full(expected.size, np.nan)
        return told


def as_vector(state: object) -> NDArray[np.float64] | None:
    """Return a state as (n,) float64, n of 1 or more; none where it is no vector of real numbers."""
    if state is None or isinstance(state, str | bytes | Mapping) or np.ma.is_masked(state):
        return None
    try:
        vector = np.asarray(state)
    except (TypeError, ValueError):  # rows of different lengths
        return None
    return vector.astype(np.float64) if vector.ndim == 1 and len(vector) and vector.dtype.kind in "iuf" else None


def as_vectors(states: object, mask: NDArray[np.bool_] | None = None) -> NDArray[np.float64] | None:
    """Return the states of N environments as (N, n) float64; none where one in ``mask`` is no vector of finite numbers.

    Args:
        states: as a Gymnasium vector gathers them: an array of numbers, or of objects.
        mask: which ones count, (N,); the others are whatever is there.
    """
    if not is_array(states) or not states.ndim:
        return None
    if states.ndim == 2 and states.dtype.kind in "iuf":
        array = states.astype(np.float64)
        return array if np.isfinite(array if mask is None else array[mask]).all() and array.shape[1] else None
    chosen = states if mask is None else states[mask]
    rows = [row for row in map(as_vector, chosen) if row is not None and np.isfinite(row).all()]
    if len(rows) < len(chosen) or len({len(row) for row in rows}) != 1:
        return None
    found = np.zeros((len(states), len(rows[0])))
    found[slice(None) if mask is None else mask] = rows
    return found
