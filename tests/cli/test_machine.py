"""What a machine does to commands: permissions, closed and narrow outputs, odd names, killed starts."""

import ctypes
import io
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from e2c_control.agents import E2CAgent
from e2c_control.cli import main
from e2c_control.cli.evaluate import Evaluate
from e2c_control.cli.novelty import Novelty
from e2c_control.data import Transitions
from e2c_control.envs import make_task
from e2c_control.errors import InputError, quoted
from e2c_control.runs.folder import RunFolder
from e2c_control.training.run import TrainConfig

Refused = Callable[..., str]


@contextmanager
def obeying_modes() -> Generator[None]:
    """Without root's right to read and write every file, which most users have not."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if os.geteuid() != 0:
        yield
        return
    assert libc.capget(header, sets) == 0
    before = sets[0]
    sets[0] &= ~0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, effective
    assert libc.capset(header, sets) == 0
    try:
        yield
    finally:
        sets[0] = before
        assert libc.capset(header, sets) == 0


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Generator[Path]:
    """A finished run, whose folders may be written again in the end."""
    run = tmp_path / "runs" / "Planar-v0" / "copy"
    shutil.copytree(whole, run)
    yield run
    for path in (run, *run.rglob("*")):
        path.chmod(0o700)


@pytest.mark.parametrize(
    "forbidden",
    ["config.json", "dataset.json", "checkpoints", "checkpoints/*/checkpoint.json", "checkpoints/*/*.safetensors", "."],
)
def test_a_run_that_may_not_be_read(copy: Path, forbidden: str, refused: Refused) -> None:
    for path in copy.glob(forbidden) if forbidden != "." else [copy]:
        path.chmod(0)
    with obeying_modes():
        for command in (
            ("evaluate", "--run", copy, "--problems", 1),
            ("plan", "--run", copy),
            ("train", "--resume", copy),
        ):
            assert "No permission" in refused(*command)


@pytest.mark.parametrize("forbidden", ["dataset.json", "frames.npy", "actions.npy", "episodes.npy", "states.npy", "."])
def test_a_dataset_that_may_not_be_read(planar: Path, tmp_path: Path, forbidden: str, refused: Refused) -> None:
    data = tmp_path / "data"
    shutil.copytree(planar, data)
    (data / forbidden).chmod(0)
    with obeying_modes():
        sentence = refused("train", "--dataset", data, "--runs", tmp_path / "runs")
    assert "No permission" in sentence
    assert str(data) in sentence
    data.chmod(0o700)


def test_a_file_of_samples_or_a_goal_that_may_not_be_read(rendered: Path, tmp_path: Path, refused: Refused) -> None:
    np.save(tmp_path / "x.npy", np.zeros((9, 4), np.float32))
    (tmp_path / "goal.png").write_bytes(b"")
    for name in ("x.npy", "goal.png"):
        (tmp_path / name).chmod(0)
    with obeying_modes():
        assert "No permission" in refused("novelty", "--data", tmp_path / "x.npy", "--runs", tmp_path)
        assert "No permission" in refused("plan", "--run", rendered, "--goal", tmp_path / "goal.png")


def test_a_run_that_may_only_be_read(
    copy: Path, tmp_path: Path, refused: Refused, succeed: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o500 if path.is_dir() else 0o400)
    out = tmp_path / "elsewhere" / "deep"
    with obeying_modes():
        for command in (("evaluate", "--run", copy, "--problems", 1), ("plan", "--run", copy, "--steps", 3)):
            assert main([*map(str, command)]) == 2
            said = capsys.readouterr()
            assert "time in goal" in said.out or "Score" in said.out
            assert "No permission to write" in said.err
            assert "--out FOLDER" in said.err.splitlines()[-1]
            succeed(*command, "--out", out)
    assert list(out.glob("evaluation-Planar-v0-*.json"))
    assert list(out.glob("videos/*.gif"))
    assert list(out.glob("plots/*.png"))


@pytest.mark.parametrize("left", [(), (".lock",), (".config.json.host-1-0123abcd.partial",)])
def test_a_name_whose_start_was_killed_is_free(tmp_path: Path, planar: Path, left: tuple[str, ...]) -> None:
    run = tmp_path / "Planar-v0" / "mine"
    run.mkdir(parents=True)
    for name in left:
        (run / name).write_text("")
    options = ["train", "--dataset", str(planar), "--runs", str(tmp_path), "--name", "mine", "--steps-scale", "0.001"]
    assert main(options) == 0
    assert main(options) == 2, "a run is not free"


def test_novelty_stopped_before_its_first_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"cycles": 2, "warm_epochs": 1, "epochs": 1, "ascent_steps": 1, "count": 40, "runs": tmp_path}
    whole, cut = (tmp_path / "novelty" / name / "metrics.jsonl" for name in ("whole", "cut"))
    Novelty(**options, name="whole")()  # type: ignore[arg-type]

    def full(*_: object) -> None:
        raise InputError("no space")

    with monkeypatch.context() as patched:
        patched.setattr("e2c_control.runs.session.save", full)
        with pytest.raises(InputError, match="no space"):
            Novelty(**options, name="cut")()  # type: ignore[arg-type]
    assert len(cut.read_text().splitlines()) == 1
    Novelty(resume=cut.parent)()
    assert cut.read_text() == whole.read_text()


def test_a_start_that_is_killed_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    script = f"""
import os
from e2c_control.runs import folder
from e2c_control.training.presets import default_embedding
folder.write_config = lambda *_: os._exit(9)
folder.RunFolder.create({str(tmp_path)!r}, "Planar-v0", None, "mine")
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    RunFolder.create(tmp_path, "Planar-v0", quick_config(tmp_path), "mine")
    assert [entry.name for entry in (tmp_path / "Planar-v0").iterdir()] == ["mine"]


def quick_config(dataset: Path) -> TrainConfig:
    from e2c_control.objectives.recipes import make_recipe
    from e2c_control.training.presets import default_embedding

    return TrainConfig(
        dataset, "E2C/Planar-v0", make_recipe("unfold", default_embedding((40, 40, 1), task=make_task("E2C/Planar-v0")))
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("arguments", ["--version", "--help", "collect --help"])
def test_closed_outputs(closed: str, arguments: str) -> None:
    command = f"{shlex.quote(sys.executable)} -P -m e2c_control {arguments} {closed}"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr + done.stdout


def test_output_that_cannot_encode_a_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = io.BytesIO()
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(sys, stream, io.TextIOWrapper(said, encoding="ascii", write_through=True))
    odd = tmp_path / "schön \udcff"  # the last one is how Python reads a byte that is no UTF-8
    options = ["--transitions", "20", "--n-envs", "2", "--out", str(odd)]
    assert main(["collect", "--env", "E2C/Planar-v0", *options]) == 0
    assert main(["train", "--dataset", str(odd), "--runs", str(tmp_path), "--steps-scale", "0.001"]) == 0
    assert main(["train", "--dataset", str(odd), "--runs", str(odd / "runs"), "--steps-scale", "0.001"]) == 2
    assert not (odd / "runs").exists()
    assert main(["train", "--dataset", str(odd / "missing")]) == 2
    assert rb"sch\xf6n \udcff" in said.getvalue()
    assert Transitions.open(odd).n_transitions == 20


def test_suggestions_can_be_copied_into_a_shell(
    tmp_path: Path, succeed: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "my data; $HOME 'x'"
    succeed("collect", "--env", "E2C/Planar-v0", "--transitions", 30, "--n-envs", 2, "--out", data)
    suggested = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("Next"))
    assert shlex.split(suggested) == ["Next", "e2c", "train", "--dataset", str(data)]
    runs = tmp_path / "my runs"
    succeed("train", "--dataset", data, "--runs", runs, "--name", "a b", "--steps-scale", 0.001)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("Next", "or"))]
    assert len(lines) == 3
    assert all(shlex.split(line)[-1] == str(runs / "Planar-v0" / "a b") for line in lines)
    with pytest.raises(InputError) as refusal:
        E2CAgent.load(runs / "Planar-v0")
    assert "Traceback" not in str(refusal.value)
    assert quoted("plain/path-1") == "plain/path-1"


def test_threads_of_the_caller_are_left_alone(whole: Path, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        Evaluate(run=(whole,), problems=1, out=tmp_path).evaluate()
        assert torch.get_num_threads() == 3
        Novelty(cycles=1, warm_epochs=1, epochs=1, ascent_steps=1, count=40, runs=tmp_path)()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
