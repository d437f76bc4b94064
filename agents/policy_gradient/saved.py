"""A policy gradient on the disk: a folder of JSON and safetensors."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import torch
from stable_baselines3.common import torch_layers, utils
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.sb2_compat import rmsprop_tf_like
from stable_baselines3.common.type_aliases import GymEnv
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn

from e2c_control.agents.policy_gradient.spaces import space_from, space_to
from e2c_control.errors import InputError
from e2c_control.runs.checkpoint import checked_meta, load_checkpoint, save_checkpoint
from e2c_control.runs.config import to_json
from e2c_control.runs.own import followed, sign
from e2c_control.runs.restoring import restoring
from e2c_control.runs.training_state import generator_to_tensor, optimizer_from_tensors, optimizer_to_tensors
from e2c_control.runs.typed_json import fields_from

if TYPE_CHECKING:
    from e2c_control.agents.policy_gradient.algorithm import PolicyGradient

    Model = TypeVar("Model", bound=PolicyGradient)

COUNTERS: Mapping[str, Any] = {
    **dict.fromkeys(("num_timesteps", "_episode_num", "_n_updates", "_total_timesteps"), int),
    "_current_progress_remaining": float,
}
SCALES: Mapping[str, Any] = dict.fromkeys(("advantage_square", "advantage_weight"), float)
KNOWN = {
    f"{found.__module__}.{found.__qualname__}": found
    for module in (nn, torch.optim, torch_layers, rmsprop_tf_like)
    for found in vars(module).values()
    if isinstance(found, type) and issubclass(found, nn.Module | torch.optim.Optimizer)
}
"""Classes that a saved model may name. They are looked up, never imported: a name in a file imports nothing."""

LEARNT: Mapping[str, Any] = {
    "optimizers": Mapping[str, Any],
    "counters": Mapping[str, Any],
    "episodes": list[Any],
    "successes": list[float],
}
"""What the JSON of a learning algorithm must have."""

META: Mapping[str, Any] = {
    **LEARNT,
    "policy": str | None,
    "learning_rate": float | Mapping[str, Any] | None,
    "policy_kwargs": Mapping[str, Any] | None,
    "stats_window_size": int,
    "options": Mapping[str, Any],
    "observation_space": Mapping[str, Any],
    "action_space": Mapping[str, Any],
    "n_envs": int,
    "scales": Mapping[str, float],
    "monitor_weight": float,
}
"""What the JSON of a saved policy gradient must have."""


@dataclass(frozen=True, eq=False)
class SavedPolicyGradient:
    """All that makes a model, apart from its environments.

    Attributes:
        path: where it was read from.
        tensors: groups of named tensors.
        meta: JSON; arguments that are the user's own code are null.
    """

    path: Path | None
    tensors: Mapping[str, Mapping[str, Tensor]]
    meta: Mapping[str, Any]

    @classmethod
    def of(cls, model: PolicyGradient) -> SavedPolicyGradient:
        """Take a model apart."""
        bounds: dict[str, Tensor] = {}
        tensors: dict[str, Mapping[str, Tensor]] = {"spaces": bounds}
        optimizers: dict[str, Any] = {}
        for name, part in parts(model).items():
            if isinstance(part, torch.optim.Optimizer):
                tensors[_file(name)], optimizers[name] = optimizer_to_tensors(part)
            else:
                tensors[_file(name)] = dict(part.state_dict())
        monitor = model.monitor
        means = {f"mean.{i}": mean for i, mean in enumerate(monitor.mean)}
        variances = {f"variance.{i}": variance for i, variance in enumerate(monitor.variance)}
        generators = {f"generator.{i}": generator_to_tensor(g) for i, g in enumerate(model.generators)}
        tensors["state"] = {**generators, **means, **variances}
        meta: dict[str, Any] = {
            "agent": type(model).__name__,
            "policy": model.policy_name,
            "learning_rate": _rate_to(model.learning_rate),
            "policy_kwargs": _argument_to(model.policy_kwargs),
            "stats_window_size": model._stats_window_size,  # pyright: ignore[reportPrivateUsage]
            "options": {name: getattr(model, name) for name in model.remembered},
            "observation_space": space_to(cast(Any, model.observation_space), "observation", bounds),
            "action_space": space_to(cast(Any, model.action_space), "action", bounds),
            "n_envs": model.n_envs,
            "counters": {name: getattr(model, name) for name in COUNTERS},
            "signature": sign(cast(Any, model).tensorboard_log),
            "scales": {name: getattr(model, name) for name in SCALES if hasattr(model, name)},
            "monitor_weight": monitor.weight,
            "optimizers": optimizers,
            **episodes_to(model),
        }
        return cls(None, tensors, meta)

    def write(self, path: Path) -> None:
        """Make the folder `path`; nothing is pickled."""
        save_checkpoint(path, self.tensors, to_json(self.meta))

    @classmethod
    def read(cls, path: Path, kind: str) -> SavedPolicyGradient:
        """What `write` wrote; `InputError` if it is missing, damaged, or something else."""
        checkpoint = load_checkpoint(path)
        found = checkpoint.meta.get("agent")
        if found != kind:
            raise InputError(f"{path} holds {found or 'no agent'}, no {kind}: give the folder that {kind}.save wrote.")
        return cls(path, checkpoint.tensors, checked_meta(checkpoint, META))

    def build(
        self, kind: type[Model], env: GymEnv | None, device: torch.device | str, changes: dict[str, Any]
    ) -> Model:
        """The model again; `InputError` where the environment or the changes do not fit."""
        path = cast(Path, self.path)
        with restoring(path, self.tensors):
            return self._build(path, kind, env, device, changes)

    def _build(
        self, path: Path, kind: type[Model], env: GymEnv | None, device: torch.device | str, changes: dict[str, Any]
    ) -> Model:
        meta = self.meta
        options = fields_from(dict.fromkeys(kind.remembered, Any), meta["options"])
        options["tensorboard_log"] = followed(options["tensorboard_log"], meta.get("signature"), path)
        given: dict[str, Any] = {
            "policy": meta["policy"],
            "learning_rate": _rate_from(meta["learning_rate"]),
            "policy_kwargs": _argument_from(meta["policy_kwargs"], path),
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
                    f"{self.path} was saved with a {name} that is code of its own: give load the same {name} again."
                )
        observation_space = space_from(meta["observation_space"], self.tensors["spaces"])
        action_space = space_from(meta["action_space"], self.tensors["spaces"])
        vectors: VecEnv | None = None
        if env is not None:
            vectors = kind._wrap_env(env, given["verbose"])  # pyright: ignore[reportPrivateUsage]
            try:
                check: Any = utils.check_for_correct_spaces  # pyright: ignore[reportUnknownVariableType]
                check(vectors, observation_space, action_space)
            except ValueError as error:
                raise InputError(
                    f"{self.path} was not trained in such an environment ({error}): give load one with the same "
                    "observations and actions."
                ) from error
        model = kind(env=vectors, device=device, _init_setup_model=False, **given)
        model.observation_space, model.action_space = observation_space, action_space
        model.n_envs = meta["n_envs"] if vectors is None else vectors.num_envs
        model._setup_model()  # pyright: ignore[reportPrivateUsage]
        self.restore_weights(model)
        self.restore_state(model)
        return model

    def restore_weights(self, model: PolicyGradient) -> None:
        """Weights and optimisers into a model of the same networks."""
        for name, part in parts(model).items():
            if isinstance(part, torch.optim.Optimizer):
                optimizer_from_tensors(part, self.tensors[_file(name)], self.meta["optimizers"][name])
            else:
                part.load_state_dict(dict(self.tensors[_file(name)]))

    def restore_state(self, model: PolicyGradient) -> None:
        """What else the next step depends on: random generators, counters, running measures."""
        state, meta = self.tensors["state"], self.meta
        for i, generator in enumerate(model.generators):
            # The state of another kind of device's generator is no use: it keeps its seed.
            if generator.get_state().shape == state[f"generator.{i}"].shape:
                generator.set_state(state[f"generator.{i}"])
        count = sum(name.startswith("mean.") for name in state)
        model.monitor.weight = meta["monitor_weight"]
        model.monitor.mean = [state[f"mean.{i}"].double().to(model.device) for i in range(count)]
        if "square.0" in state:  # version 0.1.0 wrote sums of gradients and of their squares, both weighted
            model.monitor.mean = [mean / model.monitor.weight for mean in model.monitor.mean]
            squares = [state[f"square.{i}"].double().to(model.device) / model.monitor.weight for i in range(count)]
            pairs = zip(squares, model.monitor.mean, strict=True)
            model.monitor.variance = [(square - mean.square()).clamp_min(0) for square, mean in pairs]
        else:
            model.monitor.variance = [state[f"variance.{i}"].to(model.device) for i in range(count)]
        restore_counters(model, meta)
        for name in SCALES:
            if hasattr(model, name):
                setattr(model, name, float(meta["scales"][name]))
        episodes_from(model, meta)


def restore_counters(model: BaseAlgorithm, meta: Mapping[str, Any]) -> None:
    """Put what was counted into a model: those of its attributes that are known, and no others."""
    counters = fields_from(COUNTERS, meta["counters"])
    for name in COUNTERS:
        setattr(model, name, counters[name])


def episodes_to(model: BaseAlgorithm) -> dict[str, Any]:
    """The latest episodes as JSON: their numbers and texts; a monitor may have kept anything else of `info`."""
    own: Any = model
    episodes: Iterable[Mapping[str, Any]] = own.ep_info_buffer or ()
    successes: Iterable[Any] = own.ep_success_buffer or ()
    rows = [{key: to_json(value) for key, value in row.items() if np.isscalar(value)} for row in episodes]
    return {"episodes": rows, "successes": [float(success) for success in successes]}


def episodes_from(model: BaseAlgorithm, meta: Mapping[str, Any]) -> None:
    """The inverse of `episodes_to`."""
    for row in meta["episodes"]:
        fields_from(dict.fromkeys("rlt", float), row, "episodes")
    size = model._stats_window_size  # pyright: ignore[reportPrivateUsage]
    model.ep_info_buffer = deque(cast(list[Any], meta["episodes"]), maxlen=size)
    model.ep_success_buffer = deque(cast(list[Any], meta["successes"]), maxlen=size)


def parts(model: BaseAlgorithm) -> dict[str, nn.Module | torch.optim.Optimizer]:
    """What has weights or learns them, by the name that stable-baselines3 has for it."""
    found: dict[str, Any] = {}
    for name in model._get_torch_save_params()[0]:  # pyright: ignore[reportPrivateUsage]
        value: Any = model
        for attribute in name.split("."):
            value = getattr(value, attribute)
        found[name] = value
    return found


def _file(name: str) -> str:
    return name.replace(".", "_")


def _rate_to(rate: Any) -> Any:
    if isinstance(rate, utils.LinearSchedule):
        return {"linear": [rate.start, rate.end, rate.end_fraction]}
    return float(rate) if isinstance(rate, int | float) else None


def _rate_from(rate: Any) -> Any:
    return utils.LinearSchedule(*cast(list[float], rate["linear"])) if isinstance(rate, dict) else rate


def _argument_to(value: Any) -> Any:
    """An argument as JSON, with a class of torch or stable-baselines3 as its name; None for anything else."""
    try:
        return {"value": _encoded(value)}
    except TypeError:
        return None


def _encoded(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        value = cast(Any, value).tolist()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {"mapping": {str(key): _encoded(item) for key, item in cast(Mapping[Any, Any], value).items()}}
    if isinstance(value, list | tuple):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_encoded(item) for item in cast(list[Any], value)]}
    name = f"{value.__module__}.{value.__qualname__}" if isinstance(value, type) else ""
    if name not in KNOWN:
        raise TypeError
    return {"class": name}


def _argument_from(value: Any, path: Path | None) -> Any:
    return None if value is None else _decoded(value["value"], path)


def _decoded(value: Any, path: Path | None) -> Any:
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
