"""`e2c novelty`: curves, pictures, going on to the bit, and refusals before any work."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

SHORT = ("--warm-epochs", 2, "--epochs", 1, "--ascent-steps", 2, "--hidden", 16, "--picture-every", 2)
WAVES = (*SHORT, "--count", 60)
Refused = Callable[..., str]
Succeed = Callable[..., None]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, succeed: Succeed) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    succeed("novelty", *WAVES, "--cycles", 4, "--runs", folder, "--name", "whole")
    return folder / "novelty" / "whole"


def test_curves_and_pictures(run: Path) -> None:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    tags = {"novelty/error", "novelty/percentile", "novelty/amplitude", "novelty/structured", "loss/reconstruction"}
    assert tags | {"novelty/gap_after", "novelty/highest_frequency", "data/found"} <= set(rows[0])
    assert rows[-1]["data/found"] > 0
    events = EventAccumulator(str(run), size_guidance={"images": 0})
    events.Reload()
    for tag in ("novelty/samples", "novelty/codes"):
        assert [image.step for image in events.Images(tag)] == [2, 4]
    assert {path.name for path in (run / "plots").iterdir()} == {"samples.png", "codes.png"}


def test_resumed_to_the_bit(run: Path, tmp_path: Path, succeed: Succeed, capsys: pytest.CaptureFixture[str]) -> None:
    succeed("novelty", *WAVES, "--cycles", 2, "--runs", tmp_path, "--name", "half")
    half = tmp_path / "novelty" / "half"
    succeed("novelty", "--resume", half, "--cycles", 4)
    for group in ("model", "search", "optimiser"):
        name = Path("checkpoints") / "step-00000004" / f"{group}.safetensors"
        one, other = load_file(run / name), load_file(half / name)
        assert one.keys() == other.keys()
        assert all(one[key].equal(other[key]) for key in one)
    assert (run / "metrics.jsonl").read_text() == (half / "metrics.jsonl").read_text()
    assert "novelty with structure" in capsys.readouterr().out


@pytest.mark.parametrize("shape", [(40, 12), (30, 6, 5, 1)])
def test_a_file_of_samples(tmp_path: Path, succeed: Succeed, shape: tuple[int, ...]) -> None:
    samples = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    np.save(tmp_path / "data.npy", samples)
    succeed("novelty", "--data", tmp_path / "data.npy", *SHORT, "--cycles", 1, "--runs", tmp_path, "--name", "x")
    search = load_file(tmp_path / "novelty" / "x" / "checkpoints" / "step-00000001" / "search.safetensors")
    assert search["data"].shape == shape
    assert np.allclose(search["original"].numpy(), samples / 255.0)
    assert int((search["born"] > 0).sum()) == 1


def test_bad_input(tmp_path: Path, refused: Refused) -> None:
    def told(*options: object) -> str:
        return refused("novelty", *options, "--runs", tmp_path / "runs")

    assert "There is no file missing.npy: give a .npy file of samples, or 'waves'" in told("--data", "missing.npy")
    (tmp_path / "text.npy").write_text("no numbers")
    assert "save an array with numpy.save" in told("--data", tmp_path / "text.npy")
    for name, array, sentence in [
        ("one", np.zeros((1, 4)), "nothing to learn from 1 samples"),
        ("nan", np.full((5, 4), np.nan), "5 of 5 samples hold NaN"),
        ("same", np.ones((5, 4)), "All samples are the same"),
        ("flat", np.zeros(5), "save one array of numbers, (N, ...)"),
        ("cubes", np.zeros((5, 2, 3)), "give vectors (N, L) or images (N, H, W, C)"),
    ]:
        np.save(tmp_path / f"{name}.npy", array)
        assert sentence in told("--data", tmp_path / f"{name}.npy")
    assert "--cycles is 0" in told("--cycles", 0)
    assert "share is 0.0" in told("--share", 0)
    assert "is no name of a folder" in told("--name", "a/b")
    assert "--seed is -1" in told("--seed", -1)
    assert not (tmp_path / "runs").exists()
    assert "--epochs means nothing beside --resume" in refused("novelty", "--resume", "x", "--epochs", 3)
    assert "is not a run, it has no config.json" in refused("novelty", "--resume", tmp_path)
