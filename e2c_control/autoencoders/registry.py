"""Auto-encoders by name: from a description that fits into JSON to a model, to a folder, and back."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from e2c_control.autoencoders.adversarial import AdversarialAutoEncoder
from e2c_control.autoencoders.autoencoder import AutoEncoder
from e2c_control.autoencoders.denoising import DenoisingAutoEncoder
from e2c_control.autoencoders.networks import (
    Networks,
    convolutional_networks,
    image_networks,
    signal_networks,
    vector_networks,
)
from e2c_control.autoencoders.plain import PlainAutoEncoder
from e2c_control.autoencoders.recurrent import RecurrentAutoEncoder
from e2c_control.autoencoders.variational import VariationalAutoEncoder
from e2c_control.autoencoders.wasserstein import WassersteinAutoEncoder
from e2c_control.errors import InputError, check_fields, flag, one_of, only_options, whole
from e2c_control.runs.checkpoint import load_checkpoint, save_checkpoint
from e2c_control.runs.restoring import restoring
from e2c_control.runs.typed_json import from_json, to_json

METHODS: Mapping[str, Callable[..., AutoEncoder]] = {
    "plain": PlainAutoEncoder,
    "denoising": DenoisingAutoEncoder,
    "variational": VariationalAutoEncoder,
    "wasserstein": WassersteinAutoEncoder,
    "adversarial": AdversarialAutoEncoder,
    "recurrent": RecurrentAutoEncoder,
}
NETWORKS: Mapping[str, Callable[..., Networks]] = {
    "vector": vector_networks,
    "signal": signal_networks,
    "image": image_networks,
    "convolutional": convolutional_networks,
}


@dataclass(frozen=True)
class AutoEncoderConfig:
    """What an auto-encoder is, in words and numbers.

    Attributes:
        method: a name in `METHODS`.
        data_shape: of a sample: (size,), (channels, length) for signals, (H, W, C) for images.
        code: numbers of a code, or its channels where networks are fully convolutional.
        networks: a name in `NETWORKS`.
        hidden: widths of the hidden layers, or feature maps.
        gaussian: whether the encoder gives Gaussians; a variational one's always does.
        output: of the decoder: linear, sigmoid or tanh.
        kind: of the networks for images: mlp or conv.
        options: of the method, by name.
    """

    method: str
    data_shape: tuple[int, ...]
    code: int
    networks: str = "vector"
    hidden: tuple[int, ...] = (128,)
    gaussian: bool = False
    output: str = "linear"
    kind: str = "mlp"
    options: Mapping[str, float | int | bool | str] = field(default_factory=dict[str, float | int | bool | str])

    def __post_init__(self) -> None:
        one_of("auto-encoder", self.method, METHODS)
        one_of("kind of network", self.networks, NETWORKS)
        one_of("kind of networks for images", self.kind, ("mlp", "conv"))
        if self.kind != "mlp" and self.networks != "image":
            raise InputError(f"kind is {self.kind!r}, which only networks for images have: leave it out.")
        check_fields(self, whole, "code")
        check_fields(self, flag, "gaussian")
        for name in ("data_shape", "hidden"):
            object.__setattr__(self, name, tuple(whole(f"a size in {name}", size) for size in getattr(self, name)))
        known = [*inspect.signature(METHODS[self.method]).parameters][1:]
        only_options(f"The auto-encoder {self.method!r}", self.options, known)


def make_autoencoder(config: AutoEncoderConfig, generator: torch.Generator) -> AutoEncoder:
    """The model of a description, its weights drawn from a generator, on the CPU."""
    shape: Any = config.data_shape
    sizes: dict[str, Any] = {"gaussian": config.gaussian or config.method == "variational", "output": config.output}
    if config.networks == "image":
        sizes["kind"] = config.kind
    leading = shape if config.networks in ("vector", "signal") else (shape,)
    dimensions = {"vector": 1, "signal": 2}.get(config.networks, 3)
    if len(shape) != dimensions:
        raise InputError(f"Networks of kind {config.networks} take shapes of {dimensions} numbers, not {shape}.")
    with torch.random.fork_rng(devices=[]):  # a discriminator is initialised by torch, too
        torch.set_rng_state(generator.get_state())
        networks = NETWORKS[config.networks](*leading, config.code, config.hidden, **sizes)
        model = METHODS[config.method](networks, **config.options)
        generator.set_state(torch.get_rng_state())
    return model


def save_autoencoder(path: Path, model: AutoEncoder, config: AutoEncoderConfig) -> None:
    """Write a model and what it is to a folder of JSON and safetensors."""
    save_checkpoint(path, {"model": model.state_dict()}, {"autoencoder": to_json(config)})


def load_autoencoder(path: Path) -> tuple[AutoEncoder, AutoEncoderConfig]:
    """The model that `save_autoencoder` wrote, on the CPU.

    Raises:
        InputError: it is missing, damaged, or no auto-encoder.
    """
    checkpoint = load_checkpoint(path)
    if "autoencoder" not in checkpoint.meta:
        raise InputError(f"{path} is a checkpoint, but not of an auto-encoder: check the path.")
    with restoring(path, checkpoint.tensors):
        config = from_json(AutoEncoderConfig, checkpoint.meta["autoencoder"])
        model = make_autoencoder(config, torch.Generator().manual_seed(0))
        model.load_state_dict(dict(checkpoint.tensors["model"]))
        return model, config
