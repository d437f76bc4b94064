"""A small dataset, short runs on it, and the command as a newcomer starts it: in a process of its own."""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2c_control.cli import main

# A little of the default recipe: it crosses the border of phases, and learns nothing.
TRAINING = ("--steps-scale", 0.04, "--log-every", 4, "--measure-every", 30, "--checkpoint-every", 10)

# What a shell runs in the background begins with Ctrl-C ignored, and hands that on to what it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def start() -> Callable[..., "subprocess.Popen[str]"]:
    """`e2c` in a process of its own, with `folder` as its working directory."""

    def run(folder: Path, *arguments: object, **options: Any) -> "subprocess.Popen[str]":
        command = [sys.executable, "-P", "-m", "e2c_control", *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(command, cwd=folder, env=environment, text=True, **pipes, **options)

    return run


@pytest.fixture(scope="session")
def succeed() -> Callable[..., None]:
    """Run a command in this process."""

    def run(*arguments: object) -> None:
        assert main([str(argument) for argument in arguments]) == 0

    return run


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that must fail, and give back its one sentence."""

    def run(*arguments: object) -> str:
        capsys.readouterr()
        assert main([str(argument) for argument in arguments]) == 2
        # What a bar wrote before ends with a line of its own.
        sentence = capsys.readouterr().err.splitlines()[-1]
        assert sentence.startswith("e2c: ")
        assert sentence.endswith((".", "?"))
        return sentence

    return run


@pytest.fixture(scope="session")
def fingerprint() -> Callable[[Path], dict[str, str]]:
    """Content of every file below a folder."""

    def read(folder: Path) -> dict[str, str]:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    return read


@pytest.fixture(scope="session")
def training() -> tuple[object, ...]:
    return TRAINING


@pytest.fixture(scope="session")
def planar(tmp_path_factory: pytest.TempPathFactory, succeed: Callable[..., None]) -> Path:
    """A dataset of the planar world. Copy it before damaging it."""
    path = tmp_path_factory.mktemp("datasets") / "planar"
    succeed("collect", "--env", "E2C/Planar-v0", "--out", path, "--transitions", 600)
    return path


@pytest.fixture(scope="session")
def whole(planar: Path, tmp_path_factory: pytest.TempPathFactory, succeed: Callable[..., None]) -> Path:
    """A run on it that was never interrupted. Copy it before changing it."""
    runs = tmp_path_factory.mktemp("runs")
    succeed("train", "--dataset", planar, "--runs", runs, "--name", "whole", *TRAINING)
    return runs / "Planar-v0" / "whole"


@pytest.fixture(scope="session")
def balancing(tmp_path_factory: pytest.TempPathFactory, succeed: Callable[..., None]) -> Path:
    """A run on a world that has several tasks. Copy it before changing it."""
    folder = tmp_path_factory.mktemp("balancing")
    succeed("collect", "--env", "E2C/PendulumBalance-v0", "--out", folder / "data", "--transitions", 200)
    succeed("train", "--dataset", folder / "data", "--runs", folder, "--name", "b", "--steps-scale", 0.005)
    return folder / "PendulumBalance-v0" / "b"


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory, succeed: Callable[..., None]) -> Path:
    """A run on Gymnasium's own pendulum, seen through its rendering."""
    folder = tmp_path_factory.mktemp("rendered")
    length = ("--transitions", 100, "--n-envs", 2)
    look = ("--image-size", 32, "--frame-stack", 2)
    succeed("collect", "--env", "Pendulum-v1", "--out", folder / "data", *length, *look)
    succeed("train", "--dataset", folder / "data", "--runs", folder, "--name", "r", "--steps-scale", 0.005)
    return folder / "Pendulum-v1" / "r"


@pytest.fixture
def slowed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Makes every process rest between steps, so that a signal always arrives in the middle."""
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.abc, sys, time\n"
        "class Slow(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'e2c_control.training.window':\n"
        "            sys.meta_path.remove(self)\n"
        "            import e2c_control.training.window as window\n"
        "            add = window.Window.add\n"
        "            window.Window.add = lambda *a: (time.sleep(0.01), add(*a))[1]\n"
        "sys.meta_path.insert(0, Slow())\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
