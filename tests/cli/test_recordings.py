"""Runs that were trained on recordings: choosing among them, and environments to drive that stand in for theirs."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import gymnasium
import numpy as np
import pytest

from e2c_control.data import DatasetCard, Transitions, TransitionsWriter
from e2c_control.errors import InputWarning
from e2c_control.evaluation import TrainedRun
from e2c_control.evaluation.choosing import choose_by_map
from e2c_control.runs.logger import read_metrics

Succeed = Callable[..., None]
Refused = Callable[..., str]
SIDE = 16


class Valves(gymnasium.Env):
    """A dot whose place two valves set: the one from 0 to 255, the other from -1 to 3."""

    metadata: ClassVar = {"render_modes": ["rgb_array"], "render_fps": 30}
    observation_space = gymnasium.spaces.Box(0.0, 1.0, (2,), np.float64)
    action_space = gymnasium.spaces.Box(np.array([0.0, -1.0], np.float32), np.array([255.0, 3.0], np.float32))
    taken: ClassVar[list[np.ndarray]] = []

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    def reset(self, *, seed: int | None = None, options: object = None) -> tuple[np.ndarray, dict[str, object]]:
        super().reset(seed=seed)
        self.place = self.np_random.uniform(0.2, 0.8, 2)
        return self.place, {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, object]]:
        assert self.action_space.contains(action), action
        self.taken.append(action)
        shares = (action - self.action_space.low) / (self.action_space.high - self.action_space.low)
        self.place = np.clip(self.place + 0.3 * (shares - 0.5), 0.1, 0.9)
        return self.place, 0.0, False, False, {}

    def render(self) -> np.ndarray:
        at = np.indices((2 * SIDE, 2 * SIDE)) / (2 * SIDE - 1)
        near = np.exp(-np.square(at - self.place[:, None, None]).sum(0) / 0.01)
        return np.repeat((255 * near)[..., None], 3, axis=2).astype(np.uint8)


@pytest.fixture(scope="module", autouse=True)
def module() -> Iterator[None]:
    """A package of the user's, importable by its name, that registers the valves and two worlds of other shapes."""
    known = ModuleType("valves_of_mine")
    sys.modules["valves_of_mine"] = known
    gymnasium.register("Valves-v0", Valves, max_episode_steps=30)
    yield
    del sys.modules["valves_of_mine"], gymnasium.registry["Valves-v0"]


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory, succeed: Succeed) -> Path:
    path = tmp_path_factory.mktemp("valves") / "data"
    succeed("collect", "--env", "valves_of_mine:Valves-v0", "--out", path, "--transitions", 400, "--image-size", SIDE)
    return path


@pytest.fixture(scope="module")
def recorded(collected: Path, succeed: Succeed) -> Path:
    """A run on the same frames and actions as recordings, whose name is no environment's."""
    seen = Transitions.open(collected)
    card = DatasetCard("recorded/valves", {}, seen.card.frame_shape, seen.card.action_dim)
    folder = collected.parent
    with TransitionsWriter.create(folder / "own", card) as writer:
        for begin, end in zip(seen.episodes[:-1].tolist(), seen.episodes[1:].tolist(), strict=True):
            writer.append(seen.frames_at(np.arange(begin, end))[None], seen.actions[None, begin:end])
    for name, seed in (("a", 0), ("b", 1)):
        options = ("--steps-scale", 0.01, "--seed", seed, "--measure-every", 4)
        succeed("train", "--dataset", folder / "own", "--runs", folder, "--name", name, *options)
    return folder / "valves"


def test_actions_are_scaled_to_any_box_and_stay_in_it(collected: Path, tmp_path: Path, succeed: Succeed) -> None:
    """`step` refuses what the box does not contain: collecting and driving pass through it."""
    actions = Transitions.open(collected).actions
    assert np.abs(actions).max() <= 1
    assert (actions.min(0) < -0.9).all()
    assert (actions.max(0) > 0.9).all()
    scaled = (np.stack(Valves.taken) - [127.5, 1.0]) / [127.5, 2.0]
    np.testing.assert_allclose(scaled.min(0), actions.min(0), atol=0.03)
    np.testing.assert_allclose(scaled.max(0), actions.max(0), atol=0.03)
    succeed("train", "--dataset", collected, "--runs", tmp_path, "--name", "v", "--steps-scale", 0.01)
    Valves.taken.clear()
    run = tmp_path / "Valves-v0" / "v"
    drive = ("plan", "--run", run, "--steps", 6, "--goal-frame", "0:9", "--env", "valves_of_mine:Valves-v0")
    succeed(*drive, "--set", "action_weight=1e-6,1e-6", "state_weight=1000")
    driven = np.stack(Valves.taken)
    assert np.abs((driven - [127.5, 1.0]) / [127.5, 2.0]).max() > 0.5, "planned actions reach far into the box"


@pytest.mark.filterwarnings("default:.*stands in for")
def test_an_environment_stands_in_for_that_of_recordings(
    recorded: Path, tmp_path: Path, succeed: Succeed, refused: Refused, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("plan", "play", "evaluate"):
        film = ("--video", tmp_path / "x.gif") if command == "play" else ()
        assert "say which one to drive, with --env ID" in refused(command, "--run", recorded / "a", *film)
    out = ("--out", tmp_path / "out")
    named = ("--run", recorded / "a", "--env", "valves_of_mine:Valves-v0")
    with pytest.warns(InputWarning, match="stands in for 'recorded/valves'"):
        succeed("plan", *named, "--goal-frame", "0:9", "--steps", 3, *out)
    said = capsys.readouterr().out
    assert "--env valves_of_mine:Valves-v0" in said, "the next command names it, too"
    assert list((tmp_path / "out" / "videos").glob("plan-Valves-v0-100-0-to-0-9.gif"))
    succeed("play", *named, "--video", tmp_path / "x.gif", "--steps", 2)
    assert "has no goals to score by" in refused("evaluate", *named)
    for env, why in (("Pendulum-v1", "takes 1"), ("E2C/Planar-v0", r"shows (40, 40, 1)"), ("Val-v0", "Unknown")):
        assert why in refused("plan", "--run", recorded / "a", "--env", env)


def test_an_environment_stands_in_for_no_other(whole: Path, refused: Refused) -> None:
    assert "leave out --env" in refused("plan", "--run", whole, "--env", "E2C/PlanarWalls-v0")


@pytest.mark.filterwarnings("default:.*stands in for")
def test_recordings_of_a_world_with_a_task_are_scored_there(whole: Path, tmp_path: Path, succeed: Succeed) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    card = run / "dataset.json"
    card.write_text(card.read_text().replace("E2C/Planar-v0", "recorded/planar"))
    with pytest.warns(InputWarning, match="stands in for 'recorded/planar'"):
        assert TrainedRun.open(run, "E2C/Planar-v0").native
    succeed("evaluate", "--run", run, "--env", "E2C/Planar-v0", "--problems", 1)
    assert (run / "evaluation-Planar-v0-2020-1-problems.json").is_file()


def test_without_a_task_the_best_run_is_that_of_the_best_map(
    recorded: Path, tmp_path: Path, succeed: Succeed, refused: Refused, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [recorded / "a", recorded / "b"]
    ranks = {run: read_metrics(run / "metrics.jsonl")[-1]["map/step_rank"] for run in runs}
    assert len(set(ranks.values())) == 2
    best, worst = sorted(runs, key=lambda run: ranks[run], reverse=True)
    assert [one.run for one in choose_by_map([worst, best, worst])] == [best, worst]
    capsys.readouterr()
    succeed("choose", "--run", *runs)
    said = capsys.readouterr().out
    assert said.index(str(best)) < said.index(str(worst))
    assert f"{ranks[best]:.3f}" in said
    assert "no task is known" in said
    assert "give nothing but --run" in refused("choose", "--run", *runs, "--planner", "icem")
    unmeasured = Path(shutil.copytree(recorded / "a", tmp_path / "u"))
    (unmeasured / "metrics.jsonl").unlink()
    assert "Nothing was measured" in refused("choose", "--run", recorded / "a", unmeasured)
    other = Path(shutil.copytree(recorded / "a", tmp_path / "o"))
    card = other / "dataset.json"
    card.write_text(card.read_text().replace("recorded/valves", "recorded/others"))
    assert "one dataset" in refused("choose", "--run", recorded / "a", other)
