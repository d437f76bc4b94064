"""`e2c play`: films without a screen, and one sentence where there is neither screen nor film."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Refused = Callable[..., str]
Succeed = Callable[..., None]


def frames(film: Path) -> list[np.ndarray]:
    with Image.open(film) as image:
        found = []
        for i in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(i)
            found.append(np.asarray(image.convert("RGB")))
        return found


@pytest.mark.parametrize("run", ["whole", "rendered"])
def test_a_film_of_a_drive(
    run: str, request: pytest.FixtureRequest, tmp_path: Path, succeed: Succeed, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, film = request.getfixturevalue(run), tmp_path / "drive.gif"
    succeed("play", "--run", folder, "--video", film, "--steps", 4, "--seed", 3)
    said = capsys.readouterr().out
    assert re.search(rf"^Film +{film}$", said, re.MULTILINE)
    assert f"e2c plan --run {folder}" in said
    shown = frames(film)
    assert len(shown) == 5
    assert len({image.tobytes() for image in shown}) > 1


def test_given_goals_share_the_film(balancing: Path, tmp_path: Path, succeed: Succeed) -> None:
    films = {"one": (0.0, 0.0), "two": (0.0, 0.0, 3.0, 0.0)}
    task = ("--task", "E2C/PendulumSwingUp-v0")
    for name, goals in films.items():
        film = tmp_path / f"{name}.gif"
        succeed("play", "--run", balancing, "--video", film, "--steps", 6, "--goal-state", *goals, *task)
    one, two = (frames(tmp_path / f"{name}.gif") for name in films)
    same = [np.array_equal(a, b) for a, b in zip(one, two, strict=True)]
    assert same == [True] * 4 + [False] * 3


@pytest.mark.parametrize(
    ("run", "options", "sentence"),
    [
        ("whole", ("--video", "drive.mp4"), "give it a name that ends in .gif"),
        ("whole", ("--steps", 5), "--steps is the length of a film"),
        ("whole", ("--video", "a.gif", "--steps", 0), "--steps is 0"),
        ("whole", ("--video", "a.gif", "--goal-state", 1, 2, 3), "--goal-state has 3 numbers: give 2 for each goal"),
        ("whole", ("--video", "a.gif", "--goal-state", 99, 2), "lies outside the world of E2C/Planar-v0"),
        ("whole", ("--video", "a.gif", "--task", "E2C/PendulumPump-v0"), "Pendulum, not Planar"),
        ("rendered", ("--video", "a.gif", "--task", "E2C/Planar-v0"), "--task means nothing"),
    ],
)
def test_bad_input(
    run: str,
    options: tuple[object, ...],
    sentence: str,
    request: pytest.FixtureRequest,
    refused: Refused,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = request.getfixturevalue(run)
    monkeypatch.chdir(tmp_path)
    assert sentence in refused("play", "--run", folder, *options)
    assert list(tmp_path.iterdir()) == []


def test_neither_screen_nor_film(
    tmp_path: Path, start: Callable[..., "subprocess.Popen[str]"], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    process = start(tmp_path, "play", "--run", "nowhere")
    _, said = process.communicate(timeout=120)
    assert process.returncode == 2
    assert said == "e2c: There is no screen to open a window on: film a drive instead, with --video FILE.\n"
