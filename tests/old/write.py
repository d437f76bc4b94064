"""Write a small folder of every kind into the current folder, with whichever version of e2c-control is imported.

    mkdir written && cd written && PYTHONPATH=CHECKOUT python .../tests/old/write.py

Paths inside the folders are relative, so that they mean the same wherever the test copies them to. Event files of
TensorBoard, empty folders and locks are left out: nothing reads them.
"""

import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

from e2c_control.agents import LAX, RELAX, A2CBaseline, E2CAgent, FreeEnergyAgent
from e2c_control.agents.curiosity import CuriosityOptions, PlannedCuriosity
from e2c_control.agents.exploration import Gathering
from e2c_control.agents.novelty import NoveltyCallback, NoveltyOptions, NoveltyReward
from e2c_control.agents.planning import PlanningOptions
from e2c_control.benchmark.cell import make_cell, run_cell
from e2c_control.benchmark.store import write_cell
from e2c_control.cli import main
from e2c_control.cli.explore import Explore
from e2c_control.data import collect, make_vector_env
from e2c_control.data.card import read_card
from e2c_control.data.policy import UniformPolicy
from e2c_control.models.embedding import EmbeddingConfig
from e2c_control.objectives.recipe import Recipe
from e2c_control.objectives.recipes import make_recipe
from e2c_control.runs.config import write_config
from e2c_control.runs.folder import RunFolder
from e2c_control.training.run import TrainConfig, start_run, train

PLANAR = "E2C/Planar-v0"
SIZES = EmbeddingConfig(encoder_hidden=(8,), decoder_hidden=(4,), transition_hidden=(4,), pool=4)
SMALL: dict[str, Any] = {"policy_kwargs": {"net_arch": [8]}}


def recipe() -> Recipe:
    """The default recipe, in a few steps."""
    return make_recipe("unfold", SIZES).scaled(0.003)


def dataset() -> None:
    assert main(["collect", "--env", PLANAR, "--out", "dataset", "--transitions", "72", "--n-envs", "6"]) == 0


def run() -> None:
    """Stopped before its end: its curves go on after its one checkpoint."""
    intervals: dict[str, int] = {"log_every": 2, "checkpoint_every": 4, "measure_every": 6, "keep": 1}
    config = TrainConfig(Path("dataset"), PLANAR, recipe(), device="cpu", threads=1, **intervals)
    folder = start_run(".", config, "run")
    with suppress(KeyboardInterrupt):
        train(folder, config, watch=stop)
    shutil.move(folder.path, "run")


def stop(*_: object) -> None:
    raise KeyboardInterrupt


def checkpoint() -> None:
    shutil.copytree(next(Path("run/checkpoints").iterdir()), "checkpoint")


def agents() -> None:
    agent = E2CAgent(PLANAR, recipe(), episode_length=12, options=PlanningOptions(horizon=4)).learn(72)
    agent.set_goal(np.full((40, 40, 1), 90, np.uint8))
    agent.save("E2CAgent")
    curious = CuriosityOptions(horizon=4, iterations=1, samples=10)
    made = PlannedCuriosity(PLANAR, recipe(), episode_length=12, options=curious)
    made.learn(72).save("PlannedCuriosity")


def free_energy_agents() -> None:
    novelty = NoveltyOptions(settings={"hidden": [8]}, memory=200, train_every=32, batch_size=16, gradient_steps=1)
    worlds = {"ppo": "MountainCar-v0", "sac": "Pendulum-v1", "relax": "MountainCar-v0", "lax": "Pendulum-v1"}
    options: dict[str, dict[str, Any]] = {
        "ppo": {"n_steps": 16},
        "sac": {"buffer_size": 200, "learning_starts": 20},
        "relax": {"n_steps": 16},
        "lax": {"n_steps": 16},
    }
    for name, world in worlds.items():
        agent = FreeEnergyAgent(
            world,
            "relax" if name == "lax" else name,
            novelty,
            policy_options={**SMALL, **options[name]},
            n_envs=1 if name == "sac" else 2,
            seed=0,
            device="cpu",
        )
        agent.learn(64).save(f"FreeEnergyAgent-{name}")


def novelty_reward() -> None:
    """The model is trained twice within."""
    options = NoveltyOptions(settings={"hidden": [8]}, memory=100, train_every=16, batch_size=8, gradient_steps=1)
    reward = NoveltyReward(make_vec_env("MountainCar-v0", 2, seed=0), options, seed=0, device="cpu")
    PPO("MlpPolicy", reward, n_steps=16, batch_size=8, n_epochs=1, seed=0, device="cpu").learn(32, NoveltyCallback())
    reward.save("NoveltyReward")


def unfinished() -> None:
    """Stopped after two rounds of five steps in four environments."""
    steps, uniform = iter(range(12)), UniformPolicy(2)

    def act(frames: Any, rng: np.random.Generator) -> Any:
        if next(steps, None) is None:
            raise KeyboardInterrupt
        return uniform(frames, rng)

    with suppress(KeyboardInterrupt):
        collect(make_vector_env(PLANAR, 4, frame_stack=1), "grown", 90, 5, seed=3, policy=act)
    Path(".grown.unfinished").rename("unfinished")


def policy_gradients() -> None:
    for kind, world in ((RELAX, "CartPole-v1"), (LAX, "Pendulum-v1"), (A2CBaseline, "CartPole-v1")):
        model = kind("MlpPolicy", world, n_steps=16, seed=0, device="cpu", **SMALL)
        model.learn(32).save(kind.__name__)


def novelty() -> None:
    sizes = ("--hidden", "8", "--code", "4", "--count", "20", "--batch-size", "10")
    lengths = ("--cycles", "2", "--warm-epochs", "1", "--epochs", "1", "--ascent-steps", "2")
    assert main(["novelty", "--runs", ".", "--name", "run", *sizes, *lengths]) == 0
    shutil.move("novelty/run", "novelty-run")
    Path("novelty").rmdir()


def benchmark() -> None:
    cell = make_cell("pendulum", "unfold", 100, 100, transitions=300, steps_scale=0.002)
    cell = replace(cell, world=replace(cell.world, arguments={"horizon": 20}))
    write_cell(Path("benchmark/cells"), cell, run_cell(cell, Path("scratch")))
    shutil.rmtree("scratch")


def exploration() -> None:
    """Stopped after its first checkpoint: the parts and the dataset joined of them are there."""
    keep, Gathering.tidy = Gathering.tidy, lambda self: None  # type: ignore[method-assign]
    options: dict[str, Any] = {
        "n_envs": 2,
        "image_size": 8,
        "model": "plain",
        "policy": "relax",
        "checkpoint_every": 32,
    }
    explore = Explore(env="Pendulum-v1", out=Path("explored"), steps=32, runs=Path("."), name="run", **options)
    explore._explore("Pendulum-v1", Path("explored"), None)
    Gathering.tidy = keep  # type: ignore[method-assign]
    shutil.move("Pendulum-v1/run", "exploration")
    Path("Pendulum-v1").rmdir()
    folder = RunFolder.open("exploration")
    write_config(folder.path / "config.json", replace(folder.config(Explore), steps=200))
    assert read_card(Path("explored")).frame_shape == (8, 8, 1)


def strip() -> None:
    for path in [*Path().rglob("events.out.*"), *Path().rglob(".lock")]:
        path.unlink()
    for path in sorted(Path().rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


if __name__ == "__main__":
    for write in (
        dataset,
        run,
        checkpoint,
        agents,
        free_energy_agents,
        policy_gradients,
        novelty_reward,
        unfinished,
        novelty,
        benchmark,
        exploration,
        strip,
    ):
        write()
