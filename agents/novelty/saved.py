"""A `NoveltyReward` on the disk: a folder of JSON and safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from e2c_control.agents.novelty.novelty import NoveltyOptions
from e2c_control.agents.novelty.weights import Weights
from e2c_control.agents.policy_gradient.spaces import check_fit, space_from, space_to
from e2c_control.errors import InputError
from e2c_control.runs.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from e2c_control.runs.config import from_json, to_json
from e2c_control.runs.restoring import restoring

if TYPE_CHECKING:
    from e2c_control.agents.novelty.reward import NoveltyReward

    Reward = TypeVar("Reward", bound=NoveltyReward)

KIND = "NoveltyReward"


def write(reward: NoveltyReward, path: Path) -> None:
    """Make the folder `path`; nothing is pickled."""
    bounds: dict[str, Tensor] = {}
    tensors, state = reward.state()
    meta: dict[str, Any] = {
        "agent": KIND,
        "options": reward.options,
        "weights": reward.weights,
        "training": reward.training,
        "n_envs": reward.num_envs,
        "observation_space": space_to(cast(Any, reward.observation_space), "seen", bounds),
        "action_space": space_to(cast(Any, reward.action_space), "does", bounds),
        "state": state,
    }
    save_checkpoint(path, {**tensors, "spaces": bounds}, to_json(meta))


def read(kind: type[Reward], path: Path, venv: VecEnv, device: torch.device | str) -> Reward:
    """Return what `write` wrote, around other environments.

    Raises:
        InputError: it is missing, damaged or something else, or the environments do not fit it.
    """
    checkpoint = load_checkpoint(path)
    if checkpoint.meta.get("agent") != KIND:
        raise InputError(f"{path} holds no {KIND}: give the folder that {KIND}.save wrote.")
    with restoring(path, checkpoint.tensors):
        return _made(kind, checkpoint, venv, device)


def _made(kind: type[Reward], checkpoint: Checkpoint, venv: VecEnv, device: torch.device | str) -> Reward:
    meta, tensors = checkpoint.meta, checkpoint.tensors
    seen, does = (space_from(meta[f"{name}_space"], tensors["spaces"]) for name in ("observation", "action"))
    check_fit(venv, seen, does, int(meta["n_envs"]), checkpoint.path)
    options = cast(NoveltyOptions, from_json(NoveltyOptions, meta["options"]))
    weights = cast(Weights, from_json(Weights, meta["weights"]))
    reward = kind(
        venv,
        options,
        intrinsic_weight=weights.intrinsic,
        extrinsic_weight=weights.extrinsic,
        objective=weights.objective,
        seed=0,  # all that it decides is in what is restored
        device=device,
        training=meta["training"],
    )
    reward.restore(tensors, meta["state"])
    return reward
