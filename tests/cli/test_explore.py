"""`e2c explore`: what a curious policy saw is a dataset like any other."""

from pathlib import Path

import numpy as np
import pytest
from stable_baselines3.common.env_util import make_vec_env
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from e2c_control.agents.exploration import Recorder
from e2c_control.cli import main
from e2c_control.cli.explore import Explore
from e2c_control.data import Transitions
from e2c_control.data.card import DatasetCard
from e2c_control.data.writer import TransitionsWriter
from e2c_control.envs import make_task


@pytest.fixture(scope="module")
def explored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explored")
    Explore(
        env="E2C/PendulumPump-v0", out=folder / "data", steps=1000, n_envs=4, runs=folder / "runs", name="first", seed=1
    )()
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
    assert lengths.sum() >= 1000
    assert not actions[last].any()


def test_the_run_shows_what_was_explored(explored: Path) -> None:
    run = explored / "runs" / "PendulumPump-v0" / "first"
    events = EventAccumulator(str(run), size_guidance={"images": 0})
    events.Reload()
    tags = set(events.Tags()["scalars"])
    assert {"novelty/score", "explore/coverage", "rollout/ep_len_mean", "train/value_loss"} <= tags
    shares = [event.value for event in events.Scalars("explore/coverage")]
    assert 0 < shares[0] <= shares[-1] < 1
    assert "explore/visited" in events.Tags()["images"]
    assert (run / "plots" / "visited.png").is_file()
    assert (run / "agent").is_dir()


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
        ({"env": "CartPole-v1"}, "continuous"),
        ({"steps": 0}, "steps is 0"),
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
        recorder = Recorder(venv, writer, channels=1, keeps_states=True)
        recorder.seed(0)
        recorder.reset()
        for _ in range(3):
            recorder.step(np.zeros((2, 2), np.float32))
        recorder._actions[0].append(np.zeros(2, np.float32))
        recorder._actions[1].append(np.zeros(2, np.float32))
        recorder._frames[1].append(np.zeros((40, 40, 1), np.uint8))
        recorder.flush()
    assert np.load(tmp_path / "data" / "episodes.npy").tolist() == [0, 4, 8]
    states = np.load(tmp_path / "data" / "states.npy")
    assert np.array_equal(np.load(tmp_path / "data" / "frames.npy"), make_task("E2C/Planar-v0").system.render(states))


def test_a_dataset_that_is_there_stays(explored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (explored / "data" / "dataset.json").read_bytes()
    assert main(["explore", "--env", "E2C/PendulumPump-v0", "--out", str(explored / "data")]) == 2
    assert "exists already" in capsys.readouterr().err
    assert (explored / "data" / "dataset.json").read_bytes() == before
