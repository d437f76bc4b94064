"""Gymnasium's spaces as JSON, their bounds as tensors; and whether what environments have and show is fit for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, cast

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from e2c_control.errors import InputError

Space = spaces.Space[Any]
Shown = NDArray[np.generic] | dict[str, NDArray[np.generic]]
"""What environments show."""


class HasSpaces(Protocol):
    """What observes and acts: environments, algorithms, their buffers."""

    observation_space: Space
    action_space: Space


SPACES: Mapping[str, object] = {"observation_space": Mapping[str, object], "action_space": Mapping[str, object]}
"""Fields of the JSON that `spaces_to` makes."""


def spaces_of(holder: HasSpaces) -> tuple[Space, Space]:
    """Return the spaces of what it observes and of what it does."""
    return holder.observation_space, holder.action_space


def bounds_of(space: Any) -> tuple[NDArray[np.number], NDArray[np.number]]:
    """Return the least and the largest elements of a Box."""
    return space.low, space.high


def check_finite(what: str, values: Shown, step: int) -> None:
    """Refuse numbers of the environments that are not finite.

    Raises:
        InputError: there is one.
    """
    if isinstance(values, dict):
        for name, part in values.items():
            check_finite(f"{what} '{name}'", part, step)
        return
    array = np.asarray(values)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        rows = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
        raise InputError(
            f"Environment {int(np.flatnonzero(rows)[0])} gave a {what} that is not finite after {step} steps: repair "
            "it; the model is as its last update left it and can be saved."
        )


def check_starts(what: str, space: Space) -> None:
    """Refuse choices that are not counted from 0: stable-baselines3 counts all of them so, whatever the space says.

    Args:
        what: has the space, such as "actions".
        space: any.

    Raises:
        InputError: a Discrete or MultiDiscrete in it begins elsewhere.
    """
    if isinstance(space, spaces.Dict):
        for name, part in cast(dict[str, Space], space.spaces).items():
            check_starts(f"{what} '{name}'", part)
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete) and np.any(cast(Any, space.start)):
        raise InputError(f"The {what} start at {space.start}: wrap the environment so that they start at 0.")


def check_fit(venv: VecEnv, known: tuple[Space, Space], n_envs: int | None, where: object) -> None:
    """Refuse environments in which what was saved at `where` cannot go on.

    Args:
        venv: the environments.
        known: spaces of the observations and actions that were saved.
        n_envs: how many environments there must be; None for any number.
        where: for the sentence.

    Raises:
        InputError: other observations or actions, or another number of environments.
    """
    for what, one, other in zip(("observations", "actions"), spaces_of(venv), known, strict=True):
        if one != other:
            raise InputError(f"{where} was trained with the {what} {other}, not {one}: give load such an environment.")
    if n_envs not in (None, venv.num_envs):
        raise InputError(
            f"{where} was trained in {n_envs} environments at once, not {venv.num_envs}: give load as many."
        )


def spaces_to(holder: HasSpaces) -> tuple[dict[str, Tensor], Mapping[str, object]]:
    """Return the bounds of what `holder` observes and does as named tensors, and JSON for the rest; see `SPACES`."""
    bounds: dict[str, Tensor] = {}
    both = {name: _space_to(getattr(holder, name), name.removesuffix("_space"), bounds) for name in SPACES}
    return bounds, both


def spaces_from(bounds: Mapping[str, Tensor], meta: Mapping[str, Any]) -> tuple[Space, Space]:
    """Return the spaces of observations and actions that `spaces_to` wrote."""
    return _space_from(meta["observation_space"], bounds), _space_from(meta["action_space"], bounds)


def _space_to(space: Space, name: str, bounds: dict[str, Tensor]) -> dict[str, object]:
    """Return a space that stable-baselines3 knows as JSON; what is long goes into `bounds`, by names that begin so."""
    if isinstance(space, spaces.Box):
        ends = zip(("low", "high"), bounds_of(space), strict=True)
        bounds.update({f"{name}.{end}": torch.from_numpy(array.copy()) for end, array in ends})
        return {"kind": "Box", "name": name, "dtype": f"{space.dtype}"}
    if isinstance(space, spaces.Discrete):
        return {"kind": "Discrete", "n": int(space.n), "start": int(space.start)}
    if isinstance(space, spaces.MultiDiscrete):
        return {"kind": "MultiDiscrete", "nvec": space.nvec.tolist(), "dtype": f"{space.dtype}"}
    if isinstance(space, spaces.MultiBinary):
        return {"kind": "MultiBinary", "shape": [int(n) for n in space.shape]}
    if isinstance(space, spaces.Dict):
        parts = cast(dict[str, Space], space.spaces)
        inner = {key: _space_to(part, f"{name}.{key}", bounds) for key, part in parts.items()}
        return {"kind": "Dict", "spaces": inner}
    raise InputError(f"Cannot save a model of the space {space}: wrap the environment so that it has another.")


def _space_from(content: Mapping[str, Any], bounds: Mapping[str, Tensor]) -> Space:
    """Read what `_space_to` wrote."""
    kind = content["kind"]
    if kind == "Box":
        low, high = (bounds[f"{content['name']}.{end}"].numpy() for end in ("low", "high"))
        return spaces.Box(low, high, dtype=np.dtype(content["dtype"]).type)
    if kind == "Discrete":
        return spaces.Discrete(content["n"], start=content["start"])
    if kind == "MultiDiscrete":
        dtype = np.dtype(content.get("dtype", "int64")).type
        return spaces.MultiDiscrete(np.array(content["nvec"]), dtype)
    if kind == "MultiBinary":
        return spaces.MultiBinary(content["shape"] if len(content["shape"]) > 1 else content["shape"][0])
    if kind == "Dict":
        return spaces.Dict({key: _space_from(part, bounds) for key, part in content["spaces"].items()})
    raise KeyError(kind)
