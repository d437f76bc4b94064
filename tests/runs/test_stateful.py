"""One saver: parts go on to the bit, alone or within another, and a stranger's folder is refused in a sentence."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import Adam

from e2c_control.errors import InputError
from e2c_control.runs.stateful import Groups, Part, State, Stateful, gather, loading, put_back, save

FIELDS: dict[str, Any] = {"optimiser": Mapping[str, Any], "steps": int}


class Walk:
    """A small trainer: everything that a part can be is in it."""

    def __init__(self, seed: int, width: int = 3) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.model = torch.nn.Linear(width, 1)
        self.optimiser = Adam(self.model.parameters())
        self.steps = 0

    def parts(self) -> dict[str, Part]:
        return {"model.all": self.model, "optimiser": self.optimiser, "generators": {"noise": self.generator}}

    def state(self) -> State:
        tensors, meta = gather(self.parts())
        return State(tensors, {**meta, "steps": self.steps})

    def restore(self, tensors: Groups, meta: Mapping[str, Any], /) -> None:
        put_back(self.parts(), tensors, meta)
        self.steps = meta["steps"]

    def walk(self, steps: int) -> torch.Tensor:
        for _ in range(steps):
            self.optimiser.zero_grad()
            self.model(torch.randn(5, self.model.in_features, generator=self.generator)).square().mean().backward()
            self.optimiser.step()
            self.steps += 1
        return self.model.weight.detach().clone()


def test_it_goes_on_to_the_bit(tmp_path: Path) -> None:
    walk, other = Walk(0), Walk(1)
    assert isinstance(walk, Stateful)
    walk.walk(3)
    save(tmp_path / "walk", walk.state(), "Walk")
    assert sorted(path.stem for path in (tmp_path / "walk").iterdir()) == [
        "checkpoint",
        "generators",
        "model_all",
        "optimiser",
    ]
    with loading(tmp_path / "walk", FIELDS, "Walk") as state:
        other.restore(*state)
    assert torch.equal(walk.walk(3), other.walk(3))
    assert other.steps == 6


def test_parts_within_parts_keep_apart(tmp_path: Path) -> None:
    """The groups of one stand under their own names, those of the other behind a prefix."""
    pair: dict[str, Part] = {"one": Walk(0), "two_": Walk(1)}
    again: dict[str, Part] = {"one": Walk(2), "two_": Walk(3)}
    state = gather(pair)
    assert set(state.tensors) >= {"model_all", "two_model_all"}
    assert set(state.meta) == {"one", "two"}
    save(tmp_path / "pair", state)
    with loading(tmp_path / "pair", {"one": Mapping[str, Any]}) as (tensors, meta):
        put_back(again, tensors, meta)
    for name in pair:
        one, other = pair[name], again[name]
        assert isinstance(one, Walk)
        assert isinstance(other, Walk)
        assert torch.equal(one.walk(2), other.walk(2))


def test_what_does_not_fit_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "walk"
    save(path, Walk(0).state(), "Walk")

    def load(fields: Mapping[str, Any] = FIELDS, kind: str | None = "Walk", width: int = 3) -> None:
        with loading(path, fields, kind) as state:
            Walk(0, width).restore(*state)

    with pytest.raises(InputError, match=r"holds Walk, no Run: give the folder that Run.save wrote"):
        load(kind="Run")
    with pytest.raises(InputError, match="meta lacks seed"):
        load({"seed": int})
    with pytest.raises(InputError, match=r"meta.steps is 0, where a text belongs"):
        load({"steps": str})
    with pytest.raises(InputError, match=r"'model.all' is of other sizes"):
        load(width=4)


@pytest.mark.parametrize("path", [3, None, "", "x\0y", b"x", ["x"]])
def test_what_is_no_path_is_refused(path: object) -> None:
    with pytest.raises(InputError, match=r"path is .*: give the path of a file or folder"):
        save(path, Walk(0).state())
    with pytest.raises(InputError, match="path is"), loading(path, {}):
        pass
