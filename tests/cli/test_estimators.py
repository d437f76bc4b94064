"""`e2c estimators`: a table, a plot, curves, and refusals before any work."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from e2c_control.gradients import TOYS

SHORT = ("--draws", 500, "--train-steps", 20)


@pytest.mark.parametrize("toy", TOYS)
def test_a_comparison(
    toy: str, tmp_path: Path, succeed: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    succeed("estimators", "--toy", toy, "--out", tmp_path, *SHORT)
    said = capsys.readouterr().out
    rows = json.loads((tmp_path / toy / "comparison.json").read_text())["rows"]
    assert {"score-function", "rloo"} <= {row["name"] for row in rows}
    for row in rows:
        line = next(line for line in said.splitlines() if line.startswith(f"{row['name']} "))
        assert ("BIASED" in line) is not row["claims_unbiased"]
        if row["claims_unbiased"]:
            assert row["z"] < 4.5
    assert (tmp_path / toy / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_curves_of_what_is_trained(tmp_path: Path, succeed: Callable[..., None]) -> None:
    succeed("estimators", "--method", "relax", "rloo", "--out", tmp_path, *SHORT)
    folders = sorted(path.name for path in (tmp_path / "bit" / "tensorboard").iterdir())
    assert folders == ["relax"]
    events = EventAccumulator(str(tmp_path / "bit" / "tensorboard" / "relax"))
    events.Reload()
    for tag in ("gradient/variance", "surrogate/loss"):
        assert [scalar.step for scalar in events.Scalars(tag)] == [0, 10]


def test_the_same_seed_gives_the_same_table(tmp_path: Path, succeed: Callable[..., None]) -> None:
    found = []
    for name in ("a", "b"):
        succeed("estimators", "--method", "relax", "--seed", 3, "--out", tmp_path / name, *SHORT)
        (row,) = json.loads((tmp_path / name / "bit" / "comparison.json").read_text())["rows"]
        found.append((row["variance"], row["bias"]))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--toy", "bitt"), "no toy 'bitt' .did you mean 'bit'..: choose one of bit"),
        (("--method", "backprop"), "no estimator 'backprop'"),
        (("--toy", "gaussian", "--method", "rebar"), "REBAR cannot take a Normal"),
        (("--samples", 3, "--method", "arm"), "--samples is 3, but ARM needs at least 2, in groups of 2"),
        (("--samples", 0), "--samples is 0"),
        (("--draws", 1), "--draws is 1"),
        (("--seed", -1), "--seed is -1"),
        (("--train-steps", -1), "--train-steps is -1"),
    ],
)
def test_refusals(options: tuple[object, ...], sentence: str, tmp_path: Path, refused: Callable[..., str]) -> None:
    assert re.search(sentence, refused("estimators", "--out", tmp_path / "out", *options))
    assert not (tmp_path / "out").exists()
