"""Every option of every auto-encoder, of its training and of the search for novelty changes weights or samples."""

import inspect
from pathlib import Path
from typing import Any

import torch

from e2c_control.autoencoders.kernels import Gaussian
from e2c_control.autoencoders.networks import vector_networks
from e2c_control.autoencoders.novelty import NoveltySearch, SearchOptions
from e2c_control.autoencoders.registry import METHODS, AutoEncoderConfig, make_autoencoder
from e2c_control.autoencoders.training import AutoEncoderTrainer, TrainingOptions

from .mechanism import Refused, Row, Seen, Thing, contract, print_of


def seed(value: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(value)


DATA = torch.rand(12, 4, generator=seed(9))


def configured(folder: Path, **changes: Any) -> Seen:
    """A model after two epochs on data of its shape."""
    given: dict[str, Any] = {"method": "plain", "data_shape": (4,), "code": 2, "hidden": (5,)}
    config = AutoEncoderConfig(**{**given, **changes})
    data = torch.rand(6, *config.data_shape, generator=seed(9))
    model = make_autoencoder(config, seed(1))
    AutoEncoderTrainer(model, TrainingOptions(batch_size=3)).train(data, 1)
    return {"weights": print_of(model), "reconstruction": print_of(model.reconstruct(data))}


IMAGE: Any = {"data_shape": (16, 12, 2), "networks": "image", "output": "sigmoid"}
CONFIG: dict[str, Any] = {
    "method": Row("weights", "denoising"),
    "data_shape": Row("weights", (3,)),
    "code": Row("weights", 3),
    "networks": Row("weights", "convolutional", "image", {"data_shape": (16, 12, 2), "hidden": (4,)}),
    "hidden": Row("weights", (6,)),
    "gaussian": Row("weights", True),
    "output": [Row("reconstruction", "sigmoid"), Refused("exp", "no output 'exp'")],
    "kind": [Row("weights", "conv", beside=IMAGE), Refused("conv", "kind")],
    "options": Row("weights", {"penalty": 3.0}),
}


def method(name: str) -> Any:
    """Runs a method with its own options."""

    def run(folder: Path, **options: Any) -> Seen:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            model = METHODS[name](vector_networks(4, 2, (5,), gaussian=name == "variational"), **options)
        AutoEncoderTrainer(model, TrainingOptions(batch_size=3)).train(DATA[:6], 2)
        return {"weights": print_of(model), "samples": print_of(model.sample(3, seed(2)))}

    return run


REDUCTION: dict[str, Any] = {"reduction": [Row("weights", "sum", first="mean"), Refused("max", "no reduction 'max'")]}
PENALTY: dict[str, Any] = {"penalty": Row("weights", 3.0)}
PRIOR: dict[str, Any] = {
    "weight": Row("weights", 0.1),
    "prior": [Row("samples", "uniform"), Refused("cauchy", "no prior 'cauchy'")],
    "scale": Row("samples", 3.0),
}
OPTIONS: dict[str, Any] = {
    "plain": {**PENALTY, **REDUCTION},
    "denoising": {
        "corruption": Row("weights", 1.0),
        "masked": Row("weights", 0.5),
        **PENALTY,
        **REDUCTION,
    },
    "variational": {"variance": Row("weights", 0.1), "beta": Row("weights", 5.0)},
    "wasserstein": {**PRIOR, **REDUCTION, "kernel": Row("weights", Gaussian(0.5))},
    "adversarial": {
        **PRIOR,
        **REDUCTION,
        "hidden": Row("weights", (3,)),
        "discriminator_rate": Row("weights", 2.0),
    },
    "recurrent": {
        "passes": Row("weights", 2),
        "noise": Row("weights", 1.0),
        **PENALTY,
        "norm": Row("weights", "length"),
        "cut": Row("weights", True),
        "cycles": Row("samples", 2),
        **REDUCTION,
    },
}


def trained(folder: Path, **options: Any) -> Seen:
    model = make_autoencoder(AutoEncoderConfig("denoising", (4,), 2, hidden=(5,)), seed(1))
    AutoEncoderTrainer(model, TrainingOptions(**{"batch_size": 6, "epochs": 4, **options})).train(DATA, 4)
    return {"weights": print_of(model)}


TRAINING: dict[str, Any] = {
    "batch_size": Row("weights", 3),
    "learning_rate": [Row("weights", 0.1), Refused("x", "learning_rate")],
    "epochs": Row("weights", 8),
    "decay_after": Row("weights", None),
    "weight_decay": [Row("weights", 0.1), Refused(-1.0, "weight_decay")],
    "seed": [Row("weights", 1), Refused(-1, "seed")],
}


def searched(folder: Path, **options: Any) -> Seen:
    model = make_autoencoder(AutoEncoderConfig("recurrent", (4,), 2, hidden=(5,)), seed(1))
    few: Any = {"warm_epochs": 1, "epochs": 1, "ascent_steps": 2, "share": 0.25}
    search = NoveltySearch(model, DATA, SearchOptions(**{**few, **options}), TrainingOptions(batch_size=6))
    search.advance()
    return {"data": print_of(search.data), "weights": print_of(model)}


SEARCH: dict[str, Any] = {
    "share": Row("data", 0.5),
    "warm_epochs": Row("weights", 3),
    "epochs": Row("weights", 3),
    "ascent_steps": Row("data", 4),
    "step_size": Row("data", 0.5),
    "start": Row("data", "data"),
    "floor": Row("data", 0.5),
    "ceiling": Row("data", 0.02, first=0.9, beside={"floor": 0.0}),
    "gain": Row("data", 1.0),
}

THINGS = [
    Thing("AutoEncoderConfig", AutoEncoderConfig, configured, CONFIG),
    *(
        Thing(f"auto-encoder {name}", [*inspect.signature(METHODS[name]).parameters][1:], method(name), OPTIONS[name])
        for name in OPTIONS
    ),
    Thing("TrainingOptions", TrainingOptions, trained, TRAINING),
    Thing("SearchOptions", SearchOptions, searched, SEARCH),
]

test_every_argument_has_a_row, test_alike, test_every_argument_counts = contract(THINGS)


def test_every_auto_encoder_is_here() -> None:
    assert set(OPTIONS) == set(METHODS), "add the method's options to OPTIONS in tests/contract/test_autoencoders.py"
