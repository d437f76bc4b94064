"""Optimisers go on from a checkpoint as if they had never stopped, to the bit."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from e2c_control.errors import InputError
from e2c_control.runs.checkpoint import load_checkpoint, save_checkpoint
from e2c_control.runs.training_state import optimizer_from_tensors, optimizer_to_tensors

OPTIMISERS: dict[str, Callable[[torch.nn.Module], Optimizer]] = {
    "adam": lambda model: Adam(model.parameters(), lr=3e-4, betas=(0.1, 0.2), amsgrad=True),
    "adamw of two groups": lambda model: AdamW(
        [{"params": [model.weight], "lr": 0.1}, {"params": [model.bias], "weight_decay": 0.5}]
    ),
    "tensor as rate": lambda model: Adam(model.parameters(), lr=torch.tensor(1e-2), foreach=False),
    "sgd": lambda model: SGD(model.parameters(), lr=0.1, momentum=0.9),
    "rmsprop": lambda model: RMSprop(model.parameters(), centered=True),
}


def steps(model: torch.nn.Module, optimiser: Optimizer, inputs: torch.Tensor) -> None:
    for _ in range(3):
        optimiser.zero_grad()
        model(inputs).square().mean().backward()
        optimiser.step()


@pytest.mark.parametrize("name", OPTIMISERS)
def test_optimiser_goes_on_to_the_bit(tmp_path: Path, name: str) -> None:
    inputs = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    model = torch.nn.Linear(3, 2)
    optimiser = OPTIMISERS[name](model)
    steps(model, optimiser, inputs)
    tensors, content = optimizer_to_tensors(optimiser)
    save_checkpoint(tmp_path / "c", {"model": model.state_dict(), "optimizer": tensors}, {"optimizer": content})

    loaded = load_checkpoint(tmp_path / "c")
    again = torch.nn.Linear(3, 2)
    again.load_state_dict(dict(loaded.tensors["model"]))
    other = OPTIMISERS[name](again)
    optimizer_from_tensors(other, loaded.tensors["optimizer"], loaded.meta["optimizer"])
    assert repr(other.state_dict()) == repr(optimiser.state_dict())
    steps(model, optimiser, inputs)
    steps(again, other, inputs)
    assert torch.equal(model.weight, again.weight)
    assert torch.equal(model.bias, again.bias)


def test_optimiser_of_another_model() -> None:
    tensors, content = optimizer_to_tensors(Adam(torch.nn.Linear(3, 2).parameters()))
    with pytest.raises(InputError, match="does not fit this model"):
        optimizer_from_tensors(Adam(torch.nn.Linear(3, 2, bias=False).parameters()), tensors, content)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("lr", 10**400), ("weight_decay", 1e308), ("eps", float("nan")), ("amsgrad", True), ("differentiable", True)],
)
def test_settings_that_no_optimiser_has(setting: str, value: object) -> None:
    model = torch.nn.Linear(3, 2)
    tensors, content = optimizer_to_tensors(Adam(model.parameters()))
    content["param_groups"][0][setting] = value
    with pytest.raises(InputError, match=f"its {setting} is"):
        optimizer_from_tensors(Adam(model.parameters()), tensors, content)


def test_a_count_of_steps_is_one_number() -> None:
    model = torch.nn.Linear(3, 2)
    optimiser = Adam(model.parameters())
    steps(model, optimiser, torch.ones(5, 3))
    tensors, content = optimizer_to_tensors(optimiser)
    tensors["/state/1/step"] = torch.zeros(2)
    with pytest.raises(InputError, match="step of parameter 1 has another shape"):
        optimizer_from_tensors(Adam(model.parameters()), tensors, content)
