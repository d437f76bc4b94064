"""A stable-baselines3 algorithm as tensors and JSON, to the bit: nothing is pickled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import Tensor

from e2c_control.agents.novelty import NoveltyReplayBuffer
from e2c_control.agents.policy_gradient import PolicyGradient
from e2c_control.agents.policy_gradient.saved import (
    COUNTERS,
    LEARNT,
    META,
    SavedPolicyGradient,
    episodes_from,
    episodes_to,
    parts,
    restore_counters,
)
from e2c_control.runs.training_state import optimizer_from_tensors, optimizer_to_tensors
from e2c_control.runs.typed_json import fields_from

Tensors = Mapping[str, Mapping[str, Tensor]]

REPLAYED = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts", "ages")


def algorithm_to(model: BaseAlgorithm) -> tuple[dict[str, Mapping[str, Tensor]], dict[str, Any]]:
    """All that the next step depends on but the environments: groups of named tensors, and JSON."""
    if isinstance(model, PolicyGradient):
        saved = SavedPolicyGradient.of(model)
        return dict(saved.tensors), dict(saved.meta)
    own: Any = model
    tensors: dict[str, Mapping[str, Tensor]] = {}
    optimizers: dict[str, Any] = {}
    for name, part in parts(model).items():
        if isinstance(part, torch.optim.Optimizer):
            tensors[_file(name)], optimizers[name] = optimizer_to_tensors(part)
        else:
            tensors[_file(name)] = dict(part.state_dict())
    tensors["variables"] = {name: getattr(model, name) for name in _variables(model)}
    meta: dict[str, Any] = {
        "optimizers": optimizers,
        "counters": {name: getattr(model, name) for name in COUNTERS},
        **episodes_to(model),
    }
    if isinstance(replay := getattr(own, "replay_buffer", None), NoveltyReplayBuffer):
        filled = replay.buffer_size if replay.full else replay.pos
        tensors["replay"] = {name: torch.from_numpy(getattr(replay, name)[:filled].copy()) for name in REPLAYED}
        meta["replay"] = {"pos": int(replay.pos), "full": bool(replay.full)}
    return tensors, meta


def algorithm_from(model: BaseAlgorithm, tensors: Tensors, meta: Mapping[str, Any], path: Path) -> None:
    """Put what `algorithm_to` gave into a model of the same settings."""
    if isinstance(model, PolicyGradient):
        saved = SavedPolicyGradient(path, tensors, fields_from(META, meta))
        saved.restore_weights(model)
        saved.restore_state(model)
        return
    for name, part in parts(model).items():
        if isinstance(part, torch.optim.Optimizer):
            optimizer_from_tensors(part, tensors[_file(name)], meta["optimizers"][name])
        else:
            part.load_state_dict(dict(tensors[_file(name)]))
    with torch.no_grad():
        for name in _variables(model):
            getattr(model, name).copy_(tensors["variables"][name])
    learnt = fields_from(LEARNT, meta)
    restore_counters(model, learnt)
    episodes_from(model, learnt)
    if "replay" in meta:
        replay, where = cast(Any, model).replay_buffer, fields_from({"pos": int, "full": bool}, meta["replay"])
        filled = replay.buffer_size if where["full"] else where["pos"]
        for name in REPLAYED:
            if len(tensors["replay"][name]) != filled:
                raise ValueError(f"its replay buffer has {len(tensors['replay'][name])} {name}, not {filled}")
            getattr(replay, name)[:filled] = tensors["replay"][name].numpy()
        replay.pos, replay.full = where["pos"], where["full"]


def _variables(model: BaseAlgorithm) -> list[str]:
    """Tensors that are part of a model and of none of its networks, such as the weight of SAC's entropy."""
    return model._get_torch_save_params()[1]  # pyright: ignore[reportPrivateUsage]


def _file(name: str) -> str:
    return name.replace(".", "_")
