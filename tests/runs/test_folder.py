"""Run folders and their config."""

import json
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Literal

import pytest

from e2c_control.errors import InputError
from e2c_control.runs.folder import RunFolder
from e2c_control.runs.typed_json import from_json, to_json


class Shade(Enum):
    DARK = 1
    LIGHT = 2


@dataclass(frozen=True)
class Mlp:
    widths: tuple[int, ...] = (150, 150)


@dataclass(frozen=True)
class Conv:
    widths: tuple[int, ...] = (32,)
    kernel: int = 3


@dataclass(frozen=True)
class Config:
    rate: float
    network: Mlp | Conv = field(default_factory=Mlp)
    activation: Literal["relu", "tanh"] = "relu"
    dataset: Path | None = None
    shade: Shade = Shade.DARK
    size: tuple[int, float] = (1, 2.0)
    weights: dict[str, float] = field(default_factory=dict)
    phases: list[Mlp] = field(default_factory=list)
    resume: bool = False


FULL = Config(1e-3, Conv(kernel=5), "tanh", Path("data/x"), Shade.LIGHT, (3, 0.5), {"kl": 1}, [Mlp((1,))], True)


@pytest.mark.parametrize("config", [Config(0.1), FULL])
def test_config_round_trip(tmp_path: Path, config: Config) -> None:
    run = RunFolder.create(tmp_path, "e2c_control.envs:E2C/Planar-v0", config, name="mine")
    assert run.path == tmp_path / "Planar-v0" / "mine"
    assert RunFolder.open(run.path).config(Config) == config
    text = json.loads((run.path / "config.json").read_text())
    assert {"python", "numpy", "torch", "e2c-control"} <= text["versions"].keys()
    assert text["commit"] is None or len(text["commit"].removesuffix("-dirty")) == 40


def test_each_run_gets_its_own_folder(tmp_path: Path) -> None:
    runs = [RunFolder.create(tmp_path, "Planar-v0", Config(0.1)) for _ in range(3)]
    assert len({run.path for run in runs}) == 3
    assert all(path.is_dir() for path in (runs[0].plots, runs[0].videos))
    RunFolder.create(tmp_path, "Planar-v0", Config(0.1), name="mine")
    with pytest.raises(InputError, match="exists already"):
        RunFolder.create(tmp_path, "Planar-v0", Config(0.1), name="mine")


def _changed(**changes: object) -> dict[str, object]:
    return {**to_json(Config(0.1)), **changes}


@pytest.mark.parametrize(
    "content",
    [
        _changed(rate="fast"),
        _changed(rate=True),
        _changed(resume=1),
        _changed(activation="sine"),
        _changed(shade="GREY"),
        _changed(size=[1]),
        _changed(network={"type": "Transformer"}),
        _changed(unknown=1),
        _changed(weights=[1]),
        {"type": "Config"},
        {"type": "Other", "rate": 0.1},
        3,
    ],
)
def test_config_that_does_not_fit(tmp_path: Path, content: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        from_json(Config, content)
    run = RunFolder.create(tmp_path, "Planar-v0", Config(0.1))
    path = run.path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "config": content}))
    with pytest.raises(InputError, match="written for another version"):
        run.config(Config)


def test_fields_that_came_later_have_their_default() -> None:
    assert from_json(Config, {"type": "Config", "rate": 1}) == Config(1.0)


def test_what_has_no_place_in_a_config() -> None:
    with pytest.raises(TypeError, match="has no place"):
        to_json({"f": print})


def test_damaged_or_foreign_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a run"):
        RunFolder.open(tmp_path)
    RunFolder.create(tmp_path, "Planar-v0", Config(0.1), "third")
    with pytest.raises(InputError, match=r"There is no run .*thrid \(did you mean 'third'\?\): check the path"):
        RunFolder.open(tmp_path / "Planar-v0" / "thrid")
    run = RunFolder.create(tmp_path, "Planar-v0", Config(0.1))
    path = run.path / "config.json"
    text = path.read_text()
    path.write_text(text.replace('"version": 1', '"version": 9'))
    with pytest.raises(InputError, match="version 9"):
        run.config(Config)
    path.write_text(text[:40])
    with pytest.raises(InputError, match="is damaged"):
        run.config(Config)
    path.unlink()
    with pytest.raises(InputError, match="There is no"):
        run.config(Config)


def test_unwritable_root(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Cannot write"):
        RunFolder.create(tmp_path / "file", "Planar-v0", Config(0.1))
