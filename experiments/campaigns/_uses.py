"""What is done with each folder that a campaign damages: it is opened, driven, resumed, reported on."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

from e2c_control import InputError

PLANAR = "E2C/Planar-v0"


def command(*arguments: str) -> None:
    """`e2c` in this process; a refusal is raised again."""
    from e2c_control.cli import main

    told = StringIO()
    with redirect_stderr(told):
        code = main(list(arguments))
    if code == 2:
        raise InputError(told.getvalue())
    if code != 0:
        raise RuntimeError(f"exit code {code}: {told.getvalue()}")


def use_dataset() -> None:
    from e2c_control import Transitions

    Transitions.open("dataset").windows(2, 1)
    command("train", "--dataset", "dataset", "--runs", "dataset-runs", "--name", "r", "--steps-scale", "0.001")


def use_run() -> None:
    if os.environ["WAY"] == "drive":
        command("plan", "--run", "run", "--steps", "3")
    elif os.environ["WAY"] == "score":
        command("evaluate", "--run", "run", "--problems", "1", "--horizon", "2")
    else:
        command("train", "--resume", "run", "--dataset", "whole-dataset")


def use_checkpoint() -> None:
    from e2c_control.runs.checkpoint import load_checkpoint

    load_checkpoint(Path("checkpoint"))


def use_embedded(kind: str) -> Callable[[], None]:
    def use() -> None:
        import numpy as np

        from e2c_control import E2CAgent, PlannedCuriosity

        made: Any = {"E2CAgent": E2CAgent, "PlannedCuriosity": PlannedCuriosity}[kind]
        agent = made.load(kind, env=PLANAR if os.environ["WAY"] == "resume" else None)
        agent.predict(np.zeros(agent.embedding.observation_shape, np.uint8))
        if os.environ["WAY"] == "resume":
            agent.learn(24, reset_num_timesteps=False)

    return use


def use_free_energy(name: str, env: str, n_envs: int) -> Callable[[], None]:
    def use() -> None:
        from stable_baselines3.common.env_util import make_vec_env

        from e2c_control import FreeEnergyAgent

        if os.environ["WAY"] == "drive":
            agent = FreeEnergyAgent.load(name, device="cpu")
            agent.predict(agent.reward.observation_space.sample()[None])
        else:
            agent = FreeEnergyAgent.load(name, env=make_vec_env(env, n_envs), device="cpu")
            agent.learn(32, reset_num_timesteps=False)

    return use


def use_gradient(name: str, env: str) -> Callable[[], None]:
    def use() -> None:
        import gymnasium

        from e2c_control import LAX, RELAX
        from e2c_control.agents import A2CBaseline

        made: Any = {"LAX": LAX, "RELAX": RELAX, "A2CBaseline": A2CBaseline}[name]
        if os.environ["WAY"] == "drive":
            model = made.load(name, device="cpu")
            model.predict(model.observation_space.sample())
        else:
            made.load(name, env=gymnasium.make(env), device="cpu").learn(16, reset_num_timesteps=False)

    return use


def use_reward() -> None:
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env

    from e2c_control import NoveltyCallback, NoveltyReward

    reward = NoveltyReward.load("NoveltyReward", make_vec_env("MountainCar-v0", 2), device="cpu")
    if os.environ["WAY"] == "resume":
        PPO("MlpPolicy", reward, n_steps=16, batch_size=8, n_epochs=1, device="cpu").learn(32, NoveltyCallback())


def use_unfinished() -> None:
    from e2c_control import collect, make_vector_env

    Path("unfinished").rename(".unfinished-grown.unfinished")
    collect(make_vector_env(PLANAR, 4, frame_stack=1), "unfinished-grown", 90, 5, seed=3, resume=True)


def use_config() -> None:
    """A config that somebody sent, for a run of one's own on one's own data."""
    where = ("--dataset", "whole-dataset", "--runs", "config-runs", "--name", "r")
    command("train", "--config", "config/config.json", *where)


def use_novelty_config() -> None:
    command("novelty", "--config", "novelty-config/config.json", "--runs", "novelty-config-runs", "--name", "r")


def use_novelty() -> None:
    command("novelty", "--resume", "novelty-run", "--cycles", "3")


def use_benchmark() -> None:
    from e2c_control.benchmark.report import write_report
    from e2c_control.benchmark.store import read_cells

    write_report(Path("benchmark"), read_cells(Path("benchmark/cells")))


def use_exploration() -> None:
    command("explore", "--resume", "exploration", "--out", "exploration-out")


FOLDERS: Mapping[str, Callable[[], None]] = {
    "dataset": use_dataset,
    "run": use_run,
    "checkpoint": use_checkpoint,
    "E2CAgent": use_embedded("E2CAgent"),
    "PlannedCuriosity": use_embedded("PlannedCuriosity"),
    "FreeEnergyAgent-ppo": use_free_energy("FreeEnergyAgent-ppo", "MountainCar-v0", 2),
    "FreeEnergyAgent-sac": use_free_energy("FreeEnergyAgent-sac", "Pendulum-v1", 1),
    "FreeEnergyAgent-relax": use_free_energy("FreeEnergyAgent-relax", "MountainCar-v0", 2),
    "FreeEnergyAgent-lax": use_free_energy("FreeEnergyAgent-lax", "Pendulum-v1", 2),
    "RELAX": use_gradient("RELAX", "CartPole-v1"),
    "LAX": use_gradient("LAX", "Pendulum-v1"),
    "A2CBaseline": use_gradient("A2CBaseline", "CartPole-v1"),
    "NoveltyReward": use_reward,
    "unfinished": use_unfinished,
    "novelty-run": use_novelty,
    "config": use_config,
    "novelty-config": use_novelty_config,
    "benchmark": use_benchmark,
    "exploration": use_exploration,
}

OF_CONFIGS: Mapping[str, str] = {"config": "run", "novelty-config": "novelty-run"}
"""Uses of a config.json alone, and the folder that it is of."""
