"""`e2c explore`: what a curious policy saw is a dataset like any other."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from subprocess import Popen
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.env_util import make_vec_env
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from e2c_control.agents import FreeEnergyAgent
from e2c_control.agents.exploration import Recorder
from e2c_control.agents.novelty import NoveltyReward
from e2c_control.cli import main
from e2c_control.cli.explore import Explore
from e2c_control.data import Transitions
from e2c_control.data.card import DatasetCard
from e2c_control.data.writer import TransitionsWriter
from e2c_control.envs import make_task
from e2c_control.runs.checkpoint import latest
from e2c_control.runs.logger import read_metrics

PUMP: dict[str, Any] = {
    "env": "E2C/PendulumPump-v0",
    "steps": 2000,
    "n_envs": 4,
    "seed": 1,
    "checkpoint_every": 900,
}


@pytest.fixture(scope="module")
def explored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explored")
    Explore(**PUMP, out=folder / "data", runs=folder / "runs", name="first")()
    return folder


def test_frames_are_those_of_the_states(explored: Path) -> None:
    transitions = Transitions.open(explored / "data")
    states = np.load(explored / "data" / "states.npy")
    system = make_task("E2C/PendulumPump-v0").system
    assert np.array_equal(np.asarray(transitions.frames), system.render(states))
    assert transitions.card.frame_stack == 2


def test_actions_lead_from_state_to_state_and_episodes_end_where_they_end(explored: Path) -> None:
    states, actions, episodes = (
        np.load(explored / "data" / f"{name}.npy") for name in ("states", "actions", "episodes")
    )
    system = make_task("E2C/PendulumPump-v0").system
    last = np.zeros(len(states), bool)
    last[episodes[1:] - 1] = True
    controls = actions[~last] * system.control_limit
    reached = system.step(states[~last], controls.astype(np.float64), np.random.default_rng(0))
    np.testing.assert_allclose(reached, states[1:][~last[:-1]], atol=1e-9)
    lengths = np.diff(episodes) - 1
    assert set(lengths[:4]) == {200}, "whole episodes, with the frame that they ended with"
    assert lengths.sum() == 2048
    assert not actions[last].any()


def test_the_run_shows_what_was_explored(explored: Path) -> None:
    run = explored / "runs" / "PendulumPump-v0" / "first"
    events = EventAccumulator(str(run), size_guidance={"images": 0})
    events.Reload()
    tags = set(events.Tags()["scalars"])
    assert {"novelty/score", "explore/coverage", "rollout/ep_len_mean", "train/value_loss"} <= tags
    shares = [event.value for event in events.Scalars("explore/coverage")]
    assert 0 < shares[0] <= shares[-1] < 1
    for name in ("visited", "most_novel"):
        assert f"explore/{name}" in events.Tags()["images"]
        assert (run / "plots" / f"{name}.png").is_file()
    assert not (run / "parts").exists()
    checkpoint = latest(run / "checkpoints")
    assert checkpoint is not None
    assert FreeEnergyAgent.load(checkpoint, device="cpu").num_timesteps == 2048


def test_a_finished_dataset_is_not_replaced_by_its_last_part(
    explored: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    """As when the last checkpoint is damaged and removed."""
    run = Path(shutil.copytree(found(explored), tmp_path / "run"))
    last = latest(run / "checkpoints")
    assert last is not None
    shutil.rmtree(last)
    before, told = (explored / "data" / "frames.npy").read_bytes(), curves(run)
    assert "parts of its dataset are gone" in refused("explore", "--resume", run)
    assert (explored / "data" / "frames.npy").read_bytes() == before
    assert curves(run) == told


def assert_same(one: Path, other: Path) -> None:
    """Two explorations saw and learnt the same, to the bit, and tell the same."""
    for name in ("frames", "actions", "episodes", "states"):
        assert (one / "data" / f"{name}.npy").read_bytes() == (other / "data" / f"{name}.npy").read_bytes()
    first, second = (found(folder) for folder in (one, other))
    assert curves(first) == curves(second)
    saved = [latest(run / "checkpoints") for run in (first, second)]
    assert saved[0] is not None
    assert saved[1] is not None
    assert saved[0].name == saved[1].name
    for file in saved[1].glob("*.safetensors"):
        assert (saved[0] / file.name).read_bytes() == file.read_bytes(), file.name


def found(folder: Path) -> Path:
    return folder / "runs" / "PendulumPump-v0" / "first"


def curves(run: Path) -> list[dict[str, Any]]:
    """What was logged, apart from how long it took."""
    rows = read_metrics(run / "metrics.jsonl")
    return [{tag: value for tag, value in row.items() if not tag.startswith("time/")} for row in rows]


def test_a_killed_exploration_goes_on_to_the_bit(
    explored: Path, tmp_path: Path, start: Callable[..., "Popen[str]"], succeed: Callable[..., None]
) -> None:
    options = [text for name, value in PUMP.items() for text in (f"--{name.replace('_', '-')}", value)]
    process = start(tmp_path, "explore", *options, "--out", "data", "--name", "first")
    deadline, run = time.monotonic() + 240, found(tmp_path)
    # After the first checkpoint, and in the middle of the second part.
    while not any(row["step"] > 1024 for row in curves(run)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert [path.name for path in (run / "checkpoints").glob("step-*")] == ["step-00001024"]
    assert not (tmp_path / "data").exists()
    succeed("explore", "--resume", run)
    assert_same(tmp_path, explored)
    shown = EventAccumulator(str(run), size_guidance={"scalars": 0}).Reload().Scalars("explore/coverage")
    assert [event.step for event in shown] == [row["step"] for row in curves(run) if "explore/coverage" in row]


def test_what_ctrl_c_left_is_a_dataset_and_goes_on(
    explored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole_reward, calls = NoveltyReward.train, count(1)

    def pressed(reward: NoveltyReward) -> dict[str, float]:
        if next(calls) == 3:  # of four trainings
            raise KeyboardInterrupt
        return whole_reward(reward)

    monkeypatch.setattr(NoveltyReward, "train", pressed)
    with pytest.raises(KeyboardInterrupt, match=f"go on with `e2c explore --resume {found(tmp_path)}`"):
        Explore(**PUMP, out=tmp_path / "data", runs=tmp_path / "runs", name="first")()
    assert "Stopped   after 1,5" in capsys.readouterr().out
    assert Transitions.open(tmp_path / "data").n_transitions == 1536
    monkeypatch.undo()
    Explore(resume=found(tmp_path))()
    assert_same(tmp_path, explored)
    Explore(resume=found(tmp_path))()
    assert "nothing is left to do" in capsys.readouterr().out
    assert_same(tmp_path, explored)


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        ("agent.novelty.learning_rate=0.002", lambda agent: agent.options.novelty.learning_rate == 0.002),
        ("agent.weights.extrinsic=0.25", lambda agent: agent.reward.weights.extrinsic == 0.25),
        ("agent.policy_options.n_steps=24", lambda agent: agent.model.n_steps == 24),
    ],
)
def test_any_setting_of_the_agent_reaches_it(
    setting: str, found: Callable[[FreeEnergyAgent], bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ("explore", "--env", "E2C/Planar-v0", "--out", "data", "--steps", "8", "--n-envs", "2", "--name", "a")
    assert main([*command, "--set", setting]) == 0
    checkpoint = latest(tmp_path / "runs/Planar-v0/a/checkpoints")
    assert checkpoint is not None
    assert found(FreeEnergyAgent.load(checkpoint, device="cpu"))


def test_the_config_of_a_run_explores_again_to_the_bit(
    explored: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    given = ("explore", "--config", found(explored) / "config.json", "--runs", tmp_path / "runs", "--name", "first")
    assert "--out" in refused(*given)
    assert "exists already" in refused(*given, "--out", explored / "data")
    assert "no setting 'agent.novelty.learning'" in refused(*given, "--out", "new", "--set", "agent.novelty.learning=1")
    assert not (tmp_path / "runs").exists()
    assert main([str(word) for word in (*given, "--out", tmp_path / "data")]) == 0
    assert_same(tmp_path, explored)


def test_a_config_of_somebody_else_imports_nothing(explored: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    document = json.loads((found(explored) / "config.json").read_text())
    theirs = tmp_path / "config.json"
    for changes, said in (
        ({"env": "theirs:My/Robot-v0"}, "--env theirs:My/Robot-v0"),
        ({"env_args": ["path=/etc/passwd"]}, "make the environment in Python"),
        ({"agent": {**document["config"]["agent"], "policy": "theirs:Mine"}}, "theirs"),
    ):
        theirs.write_text(json.dumps({**document, "config": {**document["config"], **changes}}))
        assert said in refused("explore", "--config", theirs, "--out", tmp_path / "data")
    assert not (tmp_path / "data").exists()


WALK = """
import gymnasium, numpy as np

class Walk(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(0, 255, (8, 8, 1), np.uint8)
    action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample() * 0, {}

    def step(self, action):
        frame = np.zeros((8, 8, 1), np.uint8)
        frame[tuple(np.rint(3.5 + 3 * action).astype(int))] = 255
        return frame, 0.0, False, False, {}

gymnasium.register("My/Walk-v0", entry_point="my_walk:Walk", max_episode_steps=16)
"""


def test_an_environment_of_ones_own_goes_on_under_its_full_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line that a stop suggests, typed into a shell, goes on; the parts are one dataset, which says its module."""
    (tmp_path / "my_walk.py").write_text(WALK)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    whole_reward, calls = NoveltyReward.train, count(1)

    def pressed(reward: NoveltyReward) -> dict[str, float]:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return whole_reward(reward)

    env = "my_walk:My/Walk-v0"
    monkeypatch.setattr(NoveltyReward, "train", pressed)
    begun = ("explore", "--env", env, "--out", "data", "--steps", 1536, "--n-envs", 4, "--model", "plain")
    assert main([str(word) for word in (*begun, "--checkpoint-every", 512, "--name", "first")]) == 130
    _, line, _ = capsys.readouterr().err.split("`")
    assert line == "e2c explore --resume runs/Walk-v0/first --trust my_walk"
    monkeypatch.setenv("PYTHONSAFEPATH", "1")  # `e2c` does not look for modules in the current folder by itself
    typed = [sys.executable, "-c", "import sys; from e2c_control.cli import main; sys.exit(main())", *line.split()[1:]]
    done = subprocess.run(typed, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Transitions.open(tmp_path / "data").card.environment == env
    assert Transitions.open(tmp_path / "data").n_transitions == 1536


def test_an_embedding_trains_on_it(explored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "train",
        "--dataset",
        str(explored / "data"),
        "--runs",
        str(explored / "runs"),
        "--steps-scale",
        "0.003",
    ]
    assert main([*arguments, "--name", "after"]) == 0
    assert "e2c plan" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"model": "magic"}, "There is no novelty model 'magic'"),
        ({"env": "CartPole-v9"}, "CartPole-v9"),
        ({"steps": 0}, "steps is 0"),
        ({"limit": 0}, "limit is 0"),
        ({"resume": "runs/none"}, "means nothing beside --resume"),
    ],
)
def test_mistakes(changed: dict[str, object], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = {"env": "E2C/Planar-v0", "out": tmp_path / "data", "runs": tmp_path / "runs", **changed}
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    assert main(["explore", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "data").exists()
    assert not (tmp_path / "runs").exists()


def test_what_an_interruption_left_half_done_is_left_out(tmp_path: Path) -> None:
    """Ctrl-C between an action and the frame after it: the transitions before are whole."""
    venv = make_vec_env("E2C/Planar-v0", 2)
    card = DatasetCard("E2C/Planar-v0", {}, (40, 40, 1), 2, 2, frame_stack=1, seed=0)
    with TransitionsWriter.create(tmp_path / "data", card) as writer:
        recorder = Recorder(venv, channels=1, keeps_states=True)
        recorder.record(writer)
        recorder.seed(0)
        recorder.reset()
        for _ in range(3):
            recorder.step(np.full((2, 2), 0.9, np.float32))
        recorder._actions[0].append(np.zeros(2, np.float32))
        recorder._actions[1].append(np.zeros(2, np.float32))
        recorder._frames[1].append(np.zeros((40, 40, 1), np.uint8))
        recorder.flush()
    assert np.load(tmp_path / "data" / "episodes.npy").tolist() == [0, 4, 8]
    states = np.load(tmp_path / "data" / "states.npy")
    assert np.array_equal(np.load(tmp_path / "data" / "frames.npy"), make_task("E2C/Planar-v0").system.render(states))


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for a device that is not there")
def test_the_device_is_chosen_as_for_training(
    explored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = ("--env", "E2C/PendulumPump-v0", "--out", tmp_path / "data", "--runs", tmp_path / "runs")
    for words in (new, ("--resume", next(explored.glob("runs/*/first")))):
        assert main(["explore", *map(str, words), "--device", "cuda"]) == 2
        assert "There is no CUDA device here" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_dataset_that_is_there_stays(explored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (explored / "data" / "dataset.json").read_bytes()
    assert main(["explore", "--env", "E2C/PendulumPump-v0", "--out", str(explored / "data")]) == 2
    assert "exists already" in capsys.readouterr().err
    assert (explored / "data" / "dataset.json").read_bytes() == before


def test_the_device_reaches_the_agent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Reached(Exception):
        pass

    def begin(self: FreeEnergyAgent, *args: Any, device: Any, **others: Any) -> None:
        raise Reached(device)

    monkeypatch.setattr(FreeEnergyAgent, "__init__", begin)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for device, found in (("cuda", "cuda"), ("auto", "cuda"), (None, "cpu")):
        with pytest.raises(Reached, match=found):
            Explore(env="E2C/Planar-v0", out=tmp_path / "data", runs=tmp_path, device=device)()  # type: ignore[arg-type]
