"""Whatever is passed to a name of the front door is taken, or refused in one sentence: never an error of NumPy's.

Each argument of each door is replaced by odd values, the others stay sound. What a function of the user's own raises is
its own affair, and what the values mean is the affair of other tests; here only the kind of the answer counts.
"""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3.common.env_util import make_vec_env
from torch.distributions import Bernoulli

import e2c_control as e2c
from e2c_control import InputError
from e2c_control.data import DatasetCard
from e2c_control.data.unfinished import Unfinished
from e2c_control.gradients import RLOO

ODD: Mapping[str, Any] = {
    "none": None,
    "three": 3,
    "zero": 0,
    "minus one": -1,
    "a half": 0.5,
    "not a number": float("nan"),
    "infinity": float("inf"),
    "1e30": 1e30,
    "2^31": 2**31,
    "10^400": 10**400,
    "a text": "x",
    "no text": "",
    "a text with a zero byte": "a\0b",
    "a line": "a\nb",
    "bytes": b"x",
    "a path": Path("no where/ü"),
    "true": True,
    "NumPy's two": np.int64(2),
    "NumPy's half": np.float32(0.5),
    "NumPy's true": np.True_,
    "a list": [],
    "a mixed list": [1, "x", None],
    "a mapping": {},
    "another mapping": {3: 4},
    "an object": object(),
    "a class": int,
    "a function": lambda *_, **__: None,
    "zeros": np.zeros(3),
    "an empty array": np.zeros((0,)),
    "an array of NaN": np.full((2, 2), np.nan),
    "an array of many axes": np.zeros((2, 3, 4, 1), np.uint8),
    "a complex array": np.zeros(2, complex),
    "an array of objects": np.array([None, {}]),
    "an array of texts": np.array(["x"]),
    "a tensor": torch.zeros(2),
    "a tensor with a gradient": torch.zeros(2, requires_grad=True),
}
Door = tuple[Callable[..., Any], dict[str, Any]]


@contextlib.contextmanager
def _nothing() -> Any:
    yield


def _planning(planner: Any) -> Door:
    dynamics = e2c.FunctionDynamics(lambda states, controls: states + controls, 1, 1)
    cost = e2c.QuadraticCost(np.zeros(1), np.eye(1), np.eye(1))
    limits = e2c.Limits(np.array([-1.0]), np.array([1.0]))
    given: dict[str, Any] = {"dynamics": dynamics, "cost": cost, "initial_states": np.ones((1, 1)), "horizon": 2}
    return planner, {**given, "limits": limits, "warm_start": None, "rng": None}


def _mpc() -> Door:
    _, given = _planning(None)
    parts = {name: given[name] for name in ("dynamics", "cost", "limits")}
    return e2c.MPC, {"planner": e2c.ILQR(), "horizon": 2, **parts}


def _replan() -> Door:
    make, parts = _mpc()
    arguments = {"states": np.ones((1, 1)), "previous": None, "steps_left": None, "rng": None, "restarted": None}
    return make(**parts).replan, arguments


def _collect(function: Any) -> Door:
    env = e2c.make_vector_env("E2C/Planar-v0", 2, frame_stack=1)
    given: dict[str, Any] = {"vector_env": env, "path": "made", "transitions": 4, "episode_length": 2, "seed": 0}
    options = {"starts": "reset", "policy": None, "frame_stack": None, "overwrite": True, "resume": False}
    return function, {**given, **options, "progress": False}


def _dataset() -> e2c.Transitions:
    if not Path("sound").exists():
        e2c.collect(e2c.make_vector_env("E2C/Planar-v0", 2, frame_stack=1), "sound", 40, 8)
    return e2c.Transitions.open("sound")


_CARD = DatasetCard("T-v0", {}, (2, 2, 1), 1, 1, rewards=True, vector_dim=2)


def _append(**given: Any) -> None:
    with e2c.TransitionsWriter.create("appended", _CARD, overwrite=True) as writer:
        writer.append(**given)


def _create(**given: Any) -> None:
    with e2c.TransitionsWriter.create(**given) as writer:
        writer.append(np.zeros((1, 2, 2, 2, 1), np.uint8), np.zeros((1, 2, 1)))


def _open_unfinished(path: Any, overwrite: Any, resume: Any) -> None:
    with contextlib.suppress(AssertionError), Unfinished.open(path, overwrite=overwrite, resume=resume):
        pass  # nothing is described


PENDULUM: dict[str, Any] = {"env_id": "Pendulum-v1", "frame_stack": 1, "image_size": 8, "grayscale": True}
RECIPE = e2c.make_recipe("e2c", e2c.EmbeddingConfig(encoder_hidden=(4,), decoder_hidden=(4,), transition_hidden=(4,)))
PHASE: dict[str, Any] = {"name": "p", "steps": 1, "terms": (e2c.WeightedTerm("info_nce"),), "horizon": 1}

DOORS: Mapping[str, Callable[[], Door]] = {
    "make_task": lambda: (e2c.make_task, {"task": "E2C/Planar-v0", "frame_stack": 1, "horizon": 3, "noise": 0.0}),
    "make_image_env": lambda: (e2c.make_image_env, PENDULUM),
    "make_vector_env": lambda: (e2c.make_vector_env, {**PENDULUM, "n_envs": 1, "seed": 0, "processes": False}),
    "collect": lambda: _collect(e2c.collect),
    "Transitions.open": lambda: (e2c.Transitions.open, {"path": "sound"}),
    "Transitions.windows": lambda: (
        _dataset().windows,
        {"steps": 2, "stack": 1, "episodes": np.array([0]), "repeat_first": True},
    ),
    "Transitions.window_rows": lambda: (_dataset().window_rows, {"starts": np.array([0]), "steps": 2, "stack": 1}),
    "Transitions.split": lambda: (_dataset().split, {"held_out": 0.2, "seed": 0}),
    "Transitions.frames_at": lambda: (_dataset().frames_at, {"rows": np.array([0])}),
    "TransitionsWriter.create": lambda: (
        _create,
        {"path": "new", "card": DatasetCard("T-v0", {}, (2, 2, 1), 1), "expected_frames": 2, "overwrite": True},
    ),
    "TransitionsWriter.append": lambda: (
        _append,
        {
            "frames": np.zeros((1, 3, 2, 2, 1), np.uint8),
            "actions": np.zeros((1, 3, 1)),
            "states": np.zeros((1, 3, 1)),
            "lengths": np.array([2]),
            "rewards": np.zeros((1, 3)),
            "endings": np.array([1]),
            "vectors": np.zeros((1, 3, 2)),
        },
    ),
    "EmbeddingConfig": lambda: (
        e2c.EmbeddingConfig,
        {"latent_dim": 2, "encoder_hidden": (4,), "pool": 1, "rank": 2, "network": "mlp", "matrix_form": "full"},
    ),
    "WeightedTerm": lambda: (e2c.WeightedTerm, {"term": "info_nce", "weight": 1.0, "start": 0.5, "options": {}}),
    "Phase": lambda: (e2c.Phase, PHASE),
    "Recipe": lambda: (e2c.Recipe, {"name": "r", "embedding": RECIPE.embedding, "phases": RECIPE.phases}),
    "make_recipe": lambda: (e2c.make_recipe, {"recipe": "e2c", "embedding": e2c.EmbeddingConfig()}),
    "TrainConfig": lambda: (
        e2c.TrainConfig,
        {"dataset": Path("sound"), "environment": "E2C/Planar-v0", "recipe": RECIPE, "seed": 0, "held_out": 0.1},
    ),
    "FunctionDynamics": lambda: (
        e2c.FunctionDynamics,
        {"step": lambda states, controls: states, "state_dim": 1, "control_dim": 1, "difference": None},
    ),
    "Limits": lambda: (e2c.Limits, {"low": np.array([-1.0]), "high": np.array([1.0])}),
    "QuadraticCost": lambda: (
        e2c.QuadraticCost,
        {"goal": np.zeros(1), "state_weight": np.eye(1), "control_weight": np.eye(1)},
    ),
    "ILQR": lambda: (e2c.ILQR, {"iterations": 3, "step_sizes": (1.0,), "tolerance": 1e-7, "armijo": 0.1}),
    "ICEM": lambda: (e2c.ICEM, {"iterations": 1, "samples": 8, "elites": 2, "deviation": 0.5, "momentum": 0.1}),
    "make_planner": lambda: (e2c.make_planner, {"planner": "ilqr", "iterations": 3}),
    "planning by ILQR": lambda: _planning(e2c.ILQR(iterations=2)),
    "planning by ICEM": lambda: _planning(e2c.ICEM(iterations=1, samples=8, elites=2)),
    "MPC": _mpc,
    "MPC.replan": _replan,
    "PlanningOptions": lambda: (
        e2c.PlanningOptions,
        {"horizon": 2, "state_weight": 1.0, "action_weight": (1.0,), "planner": "ilqr", "settings": {}},
    ),
    "check_unbiased": lambda: (
        e2c.check_unbiased,
        {
            "estimator": RLOO(),
            "f": lambda b: b.sum(-1),
            "distribution": Bernoulli(logits=torch.zeros(1, requires_grad=True)),
            "n_samples": 2,
            "tolerance": None,
            "draws": 10,
            "generator": None,
        },
    ),
    "NoveltyOptions": lambda: (
        e2c.NoveltyOptions,
        {"model": "rnd", "settings": {}, "remedy": None, "window": 2, "learning_rate": 1e-3, "limit": None},
    ),
    "NoveltyReward": lambda: (
        e2c.NoveltyReward,
        {
            "venv": make_vec_env("MountainCar-v0", 1),
            "options": e2c.NoveltyOptions("rnd"),
            "intrinsic_weight": 1.0,
            "extrinsic_weight": 1.0,
            "objective": "maximise",
            "seed": 0,
            "device": "cpu",
            "training": True,
        },
    ),
    "FreeEnergyAgent": lambda: (
        e2c.FreeEnergyAgent,
        {
            "env": gymnasium.make("MountainCar-v0"),
            "policy": "ppo",
            "novelty": e2c.NoveltyOptions("rnd"),
            "objective": "maximise",
            "intrinsic_weight": 1.0,
            "sight": "whitened",
            "policy_options": {},
            "n_envs": 1,
            "tensorboard_log": None,
            "verbose": 0,
            "seed": 0,
            "device": "cpu",
        },
    ),
    "E2CAgent": lambda: (
        e2c.E2CAgent,
        {
            "env": "E2C/Planar-v0",
            "recipe": RECIPE,
            "latent_dim": None,
            "frame_stack": 1,
            "steps_scale": 1.0,
            "episode_length": 4,
            "folder": None,
            "options": None,
            "tensorboard_log": None,
            "verbose": 0,
            "seed": 0,
            "device": "cpu",
        },
    ),
    "RELAX": lambda: (
        e2c.RELAX,
        {
            "policy": "MlpPolicy",
            "env": "CartPole-v1",
            "n_steps": 4,
            "surrogate_learning_rate": 1e-3,
            "surrogate_arch": (4,),
            "seed": 0,
            "device": "cpu",
        },
    ),
    "TrainedRun.open": lambda: (e2c.TrainedRun.open, {"path": "sound", "env": None, "trust": ()}),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("door", DOORS)
def test_odd_values_are_taken_or_refused_in_a_sentence(
    door: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    function, sound = DOORS[door]()
    wrong = list[str]()
    for argument in sound:
        for name, value in ODD.items():
            if argument == "f" and callable(value):
                continue
            try:
                function(**{**sound, argument: value})
            except InputError as error:
                if "\n" in str(error).strip() or len(str(error)) > 600:
                    wrong.append(f"{argument} = {name}: no sentence: {error}")
            except Exception as error:
                wrong.append(f"{argument} = {name}: {type(error).__name__}: {error}")
    assert not wrong, "\n".join(wrong)
