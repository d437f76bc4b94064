"""`e2c plan --goal`: a picture becomes a frame on the way that the environment's own pictures take."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from e2c_control.cli import main
from e2c_control.data import Transitions, make_image_env
from e2c_control.errors import InputError, InputWarning
from e2c_control.evaluation import TrainedRun
from e2c_control.evaluation.episode import read_goal


def world(env_id: str, **looks: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """One of it, what it drew after some steps, and what was seen of that."""
    env: Any = make_image_env(env_id, 1, **looks)
    env.reset(seed=3)
    for _ in range(5):
        seen = env.step(np.ones(env.action_space.shape, np.float32))[0]
    drawn = np.asarray(env.render(), np.uint8)
    return env, drawn, seen


WORLDS: list[tuple[str, dict[str, Any]]] = [
    ("Pendulum-v1", {}),
    ("Pendulum-v1", {"image_size": 24, "grayscale": False}),
    ("MountainCarContinuous-v0", {"image_size": 32}),
]


@pytest.fixture(params=WORLDS, ids=str)
def seen_world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env_id, looks = request.param
    return world(env_id, **looks)


@pytest.mark.filterwarnings("ignore:.* is grey, and")
def test_what_a_world_draws_is_what_is_seen_of_it(seen_world: Any, tmp_path: Path) -> None:
    env, drawn, seen = seen_world
    path = tmp_path / "goal.png"
    for picture in (Image.fromarray(drawn), Image.fromarray(drawn).convert("RGBA")):
        picture.save(path)
        assert (read_goal(path, env) == seen).all(), "in colours, whatever the world is seen in"
    Image.fromarray(seen[..., 0] if seen.shape[2] == 1 else seen).save(path)
    assert (read_goal(path, env) == seen).all(), "a frame itself"


@pytest.mark.parametrize("factor", [0.5, 1.5, 2])
def test_a_world_drawn_at_another_size(seen_world: Any, factor: float, tmp_path: Path) -> None:
    env, drawn, seen = seen_world
    height, width = (round(factor * side) for side in drawn.shape[:2])
    Image.fromarray(drawn).resize((width, height), Image.Resampling.BOX).save(tmp_path / "goal.png")
    difference = read_goal(tmp_path / "goal.png", env).astype(float) - seen
    assert np.abs(difference).mean() < 2


@pytest.mark.filterwarnings("ignore:.* is grey, and")
def test_sixteen_bits_are_scaled(seen_world: Any, tmp_path: Path) -> None:
    env, _, seen = seen_world
    frame = seen[..., 0]
    Image.fromarray(257 * frame.astype(np.uint16)).save(tmp_path / "goal.png")
    assert (read_goal(tmp_path / "goal.png", env) == frame[..., None]).all()


def test_a_grey_picture_of_a_coloured_world_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    Image.fromarray(np.full((64, 64), 99, np.uint8)).save(tmp_path / "goal.png")
    with pytest.warns(InputWarning, match="is grey"):
        frame = read_goal(tmp_path / "goal.png", make_image_env("Pendulum-v1", 1, grayscale=False))
    assert (frame == 99).all()


def _seethrough(path: Path) -> None:
    Image.fromarray(np.full((64, 64, 4), 99, np.uint8)).save(path)


def _floats(path: Path) -> None:
    Image.fromarray(np.ones((64, 64), np.float32)).save(path, "TIFF")


def _other_sides(path: Path) -> None:
    Image.fromarray(np.ones((64, 48), np.uint8)).save(path)


def _cut_off(path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:500])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (_seethrough, "partly transparent"),
        (_floats, "without limits for black and white"),
        (_other_sides, "48 x 64 pixels: give a picture of the proportions 64 x 64 or 500 x 500"),
        (_cut_off, "no picture that can be read"),
        (lambda path: path.write_text("no picture"), "no picture that can be read"),
        (lambda path: None, "There is no picture"),
        (Path.mkdir, "no picture that can be read"),
    ],
)
def test_pictures_that_cannot_be_goals(
    make: Any, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    make(tmp_path / "goal.png")
    with pytest.raises(InputError, match=sentence):
        read_goal(tmp_path / "goal.png", make_image_env("Pendulum-v1", 1))


@pytest.mark.filterwarnings("ignore")
def test_a_frame_of_the_dataset_is_a_goal(
    rendered: Path, refused: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """In a world that knows no states: the frame itself; the agent is shown it, and nothing else."""
    dataset = Transitions.open(rendered.parents[1] / "data")
    trained = TrainedRun.open(rendered)
    frame, state = trained.recorded(1, 7)
    assert (frame == dataset.frames[dataset.episodes[1] + 7]).all()
    assert state is None
    plan = ("plan", "--run", str(rendered), "--steps", "2", "--out", str(tmp_path / "out"))
    assert main([*plan, "--goal-frame", "1:7"]) == 0
    said = capsys.readouterr().out
    assert "Goal      1:7 of the run's dataset" in said
    assert f"by its checkpoint of step {trained.step:,} of {trained.steps:,}" in said
    assert "no episode 99: give one from 0 to" in refused(*plan, "--goal-frame", "99:0")
    assert "give EPISODE:STEP" in refused(*plan, "--goal-frame", "7")
    assert "give --goal picture.png or --goal-frame" in refused(*plan, "--goal-state", "1", "2")
    assert "--goal and --goal-frame are goals both" in refused(*plan, "--goal", "x.png", "--goal-frame", "1:7")


def test_a_frame_of_the_dataset_as_a_goal_state(
    whole: Path, planar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    states = Transitions.open(planar).states
    assert states is not None
    assert main(["plan", "--run", str(whole), "--steps", "2", "--goal-frame", "0:3", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert f"the state {', '.join(f'{x:.3g}' for x in states[3])}" in said
