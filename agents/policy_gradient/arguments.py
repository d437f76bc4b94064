"""What a policy gradient was made with, as JSON; what is the user's own code is null, and `load` asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from stable_baselines3.common import torch_layers, utils
from stable_baselines3.common.sb2_compat import rmsprop_tf_like
from torch import nn

from e2c_control.errors import InputError
from e2c_control.fields import are_items, is_mapping
from e2c_control.runs.own import followed, sign
from e2c_control.runs.typed_json import fields_from

if TYPE_CHECKING:
    from e2c_control.agents.policy_gradient.algorithm import PolicyGradient

KNOWN = {
    f"{found.__module__}.{found.__qualname__}": found
    for module in (nn, torch.optim, torch_layers, rmsprop_tf_like)
    for found in vars(module).values()
    if isinstance(found, type) and issubclass(found, nn.Module | torch.optim.Optimizer)
}
"""Classes that a saved model may name. They are looked up, never imported: a name in a file imports nothing."""

ARGUMENTS: Mapping[str, object] = {
    "policy": str | None,
    "learning_rate": float | Mapping[str, object] | None,
    "policy_kwargs": Mapping[str, object] | None,
    "stats_window_size": int,
    "options": Mapping[str, object],
}
"""Fields of the JSON that `arguments_to` makes."""


def arguments_to(model: PolicyGradient) -> dict[str, object]:
    """Return the arguments of a model as JSON."""
    rate: object = model.learning_rate
    if isinstance(rate, utils.LinearSchedule):
        rate = {"linear": [rate.start, rate.end, rate.end_fraction]}
    try:
        policy_kwargs = {"value": _encoded(model.policy_kwargs)}
    except TypeError:
        policy_kwargs = None
    return {
        "policy": model.policy_name,
        "learning_rate": None if callable(rate) else rate,
        "policy_kwargs": policy_kwargs,
        "stats_window_size": model._stats_window_size,  # pyright: ignore[reportPrivateUsage]
        "options": {name: getattr(model, name) for name in model.remembered},
        "signature": sign(model.tensorboard_log),
    }


def arguments_from(
    kind: type[PolicyGradient], meta: Mapping[str, Any], changes: Mapping[str, object], path: object
) -> dict[str, Any]:
    """Return the arguments of a saved model of that class, with changes.

    Raises:
        InputError: there is no such argument to change, or one that is code of the user's own has to be given again.
    """
    options = fields_from(dict.fromkeys(kind.remembered, object), meta["options"])
    options["tensorboard_log"] = followed(options["tensorboard_log"], meta.get("signature"), path)
    rate: object = meta["learning_rate"]
    policy_kwargs = meta["policy_kwargs"]
    given: dict[str, Any] = {
        "policy": meta["policy"],
        "learning_rate": utils.LinearSchedule(*meta["learning_rate"]["linear"]) if isinstance(rate, Mapping) else rate,
        "policy_kwargs": None if policy_kwargs is None else _decoded(policy_kwargs["value"], path),
        "stats_window_size": meta["stats_window_size"],
        **{name: options[name] for name in kind.remembered},
    }
    for name in changes:
        if name not in given:
            raise InputError(f"{kind.__name__} has no argument {name!r} to change: it has {', '.join(given)}.")
    given |= changes
    for name in ("policy", "learning_rate", "policy_kwargs"):
        if given[name] is None:
            raise InputError(
                f"{path} was saved with a {name} that is code of its own: give load the same {name} again."
            )
    return given


def _encoded(value: object) -> object:
    """JSON, with a class of torch or stable-baselines3 as its name; TypeError for anything else."""
    if isinstance(value, np.generic | np.ndarray):
        return _encoded(cast(object, value.tolist()))
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if is_mapping(value):
        return {"mapping": {str(key): _encoded(item) for key, item in value.items()}}
    if are_items(value):
        return {"tuple" if isinstance(value, tuple) else "list": [_encoded(item) for item in value]}
    name = f"{value.__module__}.{value.__qualname__}" if isinstance(value, type) else ""
    if name not in KNOWN:
        raise TypeError
    return {"class": name}


def _decoded(value: object, path: object) -> object:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = cast(dict[str, Any], value).items()
    if kind == "mapping":
        return {key: _decoded(item, path) for key, item in content.items()}
    if kind in ("list", "tuple"):
        items = [_decoded(item, path) for item in content]
        return tuple(items) if kind == "tuple" else items
    content = str(content)
    if kind != "class" or content not in KNOWN:
        raise InputError(f"{path} names {content:.80}, no class of torch or stable-baselines3: do not use this folder.")
    return KNOWN[content]
