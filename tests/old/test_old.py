"""Folders that an earlier version wrote are used by the code of today, or refused by a sentence with the remedy."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

from e2c_control.agents import LAX, RELAX, A2CBaseline, E2CAgent, FreeEnergyAgent, NoveltyCallback, NoveltyReward
from e2c_control.agents.curiosity import PlannedCuriosity
from e2c_control.benchmark.report import write_report
from e2c_control.benchmark.store import read_cells
from e2c_control.cli import main
from e2c_control.data import Choices, Transitions, collect, make_vector_env
from e2c_control.errors import InputError
from e2c_control.evaluation import drive
from e2c_control.evaluation.trained import TrainedRun
from e2c_control.runs.checkpoint import latest, load_checkpoint
from e2c_control.runs.logger import read_metrics

HERE = Path(__file__).parent
PLANAR = "E2C/Planar-v0"


def _dataset(name: str = "dataset") -> None:
    transitions = Transitions.open(name)
    assert (transitions.n_transitions, transitions.n_episodes) == (72, 6)
    assert transitions.frames.max() > 0
    assert transitions.rewards is transitions.endings is transitions.vectors is None


def _dataset_with_rewards() -> None:
    transitions = Transitions.open("dataset-rewards")
    assert (transitions.n_transitions, transitions.card.vector_dim) == (60, 4)
    assert len(transitions.terminal_rows) > 0
    assert transitions.rewards is not None
    assert (transitions.rewards[transitions.windows(1)] == 1).all()
    assert transitions.card.choices == Choices((2,), (0,), single=True)


def _run() -> None:
    """It goes on to its end, and drives."""
    assert main(["train", "--resume", "run", "--dataset", "dataset"]) == 0
    steps = [row["step"] for row in read_metrics(Path("run/metrics.jsonl")) if "train/learning_rate" in row]
    assert steps == [2, 4, 6, 8, 10, 11]
    trained = TrainedRun.open(Path("run"))
    task = trained.task()
    assert trained.step == 11
    assert np.isfinite(drive(trained.agent(task), task, task.evaluation_problems(100, 1)).latents).all()


def _checkpoint() -> None:
    found = load_checkpoint(Path("checkpoint"))
    assert found.meta["action_dim"] == 2
    assert set(found.tensors) >= {"embedding", "optimiser", "generators"}


def _e2c_agent() -> None:
    agent = E2CAgent.load("E2CAgent", env=PLANAR)
    action, _ = agent.predict(np.zeros((40, 40, 1), np.uint8))  # towards the goal that was saved
    assert np.isfinite(action).all()
    agent.learn(72)


def _planned_curiosity() -> None:
    agent = PlannedCuriosity.load("PlannedCuriosity", env=PLANAR)
    assert np.isfinite(agent.predict(np.zeros((40, 40, 1), np.uint8))[0]).all()
    agent.learn(72, reset_num_timesteps=False)
    assert agent.num_timesteps == 144


def _goes_on(kind: Any, name: str, env: str, n_envs: int = 1) -> Callable[[], None]:
    def go_on() -> None:
        agent = kind.load(name, env=gymnasium.make(env) if n_envs == 1 else make_vec_env(env, n_envs), device="cpu")
        before = agent.num_timesteps
        assert before >= 32
        agent.learn(32, reset_num_timesteps=False)
        assert agent.num_timesteps >= before + 32

    return go_on


def _novelty() -> None:
    assert main(["novelty", "--resume", "novelty-run", "--cycles", "3"]) == 0
    assert [row["step"] for row in read_metrics(Path("novelty-run/metrics.jsonl"))] == [1, 2, 3]


def _novelty_reward() -> None:
    reward = NoveltyReward.load("NoveltyReward", make_vec_env("MountainCar-v0", 2, seed=0), device="cpu")
    updates = reward.novelty.updates
    assert updates > 0
    PPO("MlpPolicy", reward, n_steps=16, batch_size=8, n_epochs=1, seed=0, device="cpu").learn(32, NoveltyCallback())
    assert reward.novelty.updates > updates


def _unfinished(name: str = "unfinished") -> None:
    """It goes on as it began, without rewards."""
    Path(name).rename(".grown.unfinished")
    made = collect(make_vector_env(PLANAR, 4, frame_stack=1), "grown", 90, 5, seed=3, resume=True)
    assert made.n_transitions == 90
    assert made.rewards is None


def _benchmark() -> None:
    cells = read_cells(Path("benchmark/cells"))
    assert [one.cell.name for one in cells] == ["pendulum-unfold-100"]
    assert write_report(Path("benchmark"), cells).lines


def _exploration() -> None:
    assert main(["explore", "--resume", "exploration", "--out", "explored"]) == 0
    assert Transitions.open("explored").n_transitions == 256


def _explored() -> None:
    assert Transitions.open("explored").n_transitions == 128


FOLDERS: dict[str, Callable[[], None]] = {
    "dataset": _dataset,
    "dataset-0.2": partial(_dataset, "dataset-0.2"),
    "dataset-rewards": _dataset_with_rewards,
    "run": _run,
    "checkpoint": _checkpoint,
    "E2CAgent": _e2c_agent,
    "PlannedCuriosity": _planned_curiosity,
    "FreeEnergyAgent-ppo": _goes_on(FreeEnergyAgent, "FreeEnergyAgent-ppo", "MountainCar-v0", 2),
    "FreeEnergyAgent-sac": _goes_on(FreeEnergyAgent, "FreeEnergyAgent-sac", "Pendulum-v1"),
    "FreeEnergyAgent-relax": _goes_on(FreeEnergyAgent, "FreeEnergyAgent-relax", "MountainCar-v0", 2),
    "FreeEnergyAgent-lax": _goes_on(FreeEnergyAgent, "FreeEnergyAgent-lax", "Pendulum-v1", 2),
    "RELAX": _goes_on(RELAX, "RELAX", "CartPole-v1"),
    "LAX": _goes_on(LAX, "LAX", "Pendulum-v1"),
    "A2CBaseline": _goes_on(A2CBaseline, "A2CBaseline", "CartPole-v1"),
    "novelty-run": _novelty,
    "NoveltyReward": _novelty_reward,
    "unfinished": _unfinished,
    "unfinished-0.2": partial(_unfinished, "unfinished-0.2"),
    "benchmark": _benchmark,
    "exploration": _exploration,
    "explored": _explored,
}
"""What is done with each."""

REFUSED: dict[str, str] = {}
"""Folders of a format that is no longer read, with the sentence that says so and what to do instead."""


@pytest.mark.filterwarnings("ignore:Attempt")  # their recipes are a few steps long, and judged by bounds of whole ones
@pytest.mark.parametrize("name", FOLDERS)
def test_folders_of_earlier_versions(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in HERE.iterdir():
        if path.is_dir() and path.name != "__pycache__":
            shutil.copytree(path, tmp_path / path.name)
    monkeypatch.chdir(tmp_path)
    if name not in REFUSED:
        FOLDERS[name]()
        return
    with pytest.raises(InputError, match=REFUSED[name]):
        FOLDERS[name]()


def test_every_folder_is_tried() -> None:
    """And they stay small, and tell nothing of the machine that wrote them."""
    folders = [path for path in HERE.iterdir() if path.is_dir() and path.name != "__pycache__"]
    assert {path.name for path in folders} == set(FOLDERS)
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 2e6
    assert latest(HERE / "run" / "checkpoints") == HERE / "run" / "checkpoints" / "step-00000004"
    places = [str(place) for place in ("/home", "/root", "/tmp", "/work", "/Users")]
    assert not [path for path in files if any(f'"{place}' in path.read_text(errors="replace") for place in places)]


@pytest.mark.parametrize(
    "folder", ["E2CAgent", "PlannedCuriosity", "FreeEnergyAgent-ppo", "RELAX", "LAX", "A2CBaseline"]
)
@pytest.mark.parametrize("command", ["plan", "evaluate"])
def test_an_agents_folder_is_opened_in_python(folder: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The refusal names the class whose folder it is."""
    path = HERE / folder
    assert main([command, "--run", str(path)]) == 2
    kind = folder.partition("-")[0]
    assert capsys.readouterr().err == (
        f"e2c: {path} is a saved {kind}, not a run: open it in Python, {kind}.load({str(path)!r}).\n"
    )


def test_a_checkpoint_is_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--run", str(HERE / "checkpoint")]) == 2
    assert "is a checkpoint, not a run: give the run folder that it is from." in capsys.readouterr().err
