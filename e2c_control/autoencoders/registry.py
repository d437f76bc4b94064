"""Auto-encoders by name: make a model from a config that fits into JSON, save it to a folder, and load it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import torch

from e2c_control.autoencoders.autoencoder import AutoEncoder
from e2c_control.autoencoders.networks import Networks
from e2c_control.errors import InputError, only_options
from e2c_control.fields import Count, Named, check
from e2c_control.registry import Registry
from e2c_control.runs.stateful import State, gather, loading, put_back, save
from e2c_control.runs.typed_json import from_json

METHODS: Registry[type[AutoEncoder]] = Registry(
    "auto-encoder",
    {
        "plain": "e2c_control.autoencoders.plain:PlainAutoEncoder",
        "denoising": "e2c_control.autoencoders.denoising:DenoisingAutoEncoder",
        "variational": "e2c_control.autoencoders.variational:VariationalAutoEncoder",
        "wasserstein": "e2c_control.autoencoders.wasserstein:WassersteinAutoEncoder",
        "adversarial": "e2c_control.autoencoders.adversarial:AdversarialAutoEncoder",
        "recurrent": "e2c_control.autoencoders.recurrent:RecurrentAutoEncoder",
    },
    AutoEncoder,
)
DIMENSIONS = {"vector": 1, "signal": 2, "image": 3, "convolutional": 3}
"""Numbers in the shape of a sample, by the kind of network."""
NETWORKS: Registry[Callable[..., Networks]] = Registry(
    "kind of network",
    {kind: f"e2c_control.autoencoders.networks:{kind}_networks" for kind in DIMENSIONS},
)


@dataclass(frozen=True)
class AutoEncoderConfig:
    """Description of an auto-encoder, as JSON can hold it.

    Attributes:
        method: a name in `METHODS`, "my_package:Mine", or a class of your own, of which the name is kept.
        data_shape: of a sample: (size,), (channels, length) for signals, (H, W, C) for images.
        code: numbers of a code, or its channels where networks are fully convolutional.
        networks: a name in `NETWORKS`, or a function of your own, likewise, which takes a shape of any length.
        hidden: widths of the hidden layers, or feature maps.
        gaussian: whether the encoder gives Gaussians; a variational one's always does.
        output: of the decoder: linear, sigmoid or tanh.
        kind: of the networks for images: mlp or conv.
        options: of the method, by name.
    """

    method: Annotated[str | type[AutoEncoder], Named(METHODS)]
    data_shape: tuple[Count, ...]
    code: Count
    networks: Annotated[str | Callable[..., Networks], Named(NETWORKS)] = "vector"
    hidden: tuple[Count, ...] = (128,)
    gaussian: bool = False
    output: str = "linear"
    kind: Literal["mlp", "conv"] = "mlp"
    options: Mapping[str, float | int | bool | str] = field(default_factory=dict[str, float | int | bool | str])

    def __post_init__(self) -> None:
        check(self)
        if self.kind != "mlp" and self.networks != "image":
            raise InputError(f"kind is {self.kind!r}, which only networks for images have: leave it out.")
        known = [*inspect.signature(METHODS.find(self.method)).parameters][1:]
        only_options(f"The auto-encoder {self.method!r}", self.options, known)


def make_autoencoder(config: AutoEncoderConfig, generator: torch.Generator) -> AutoEncoder:
    """Return the model of a config on the CPU, its weights drawn from a generator."""
    shape: Any = config.data_shape
    sizes: dict[str, Any] = {"gaussian": config.gaussian or config.method == "variational", "output": config.output}
    if config.networks == "image":
        sizes["kind"] = config.kind
    leading = shape if config.networks in ("vector", "signal") else (shape,)
    kind = NETWORKS.name_of(config.networks)
    dimensions = DIMENSIONS.get(kind, len(shape))
    if len(shape) != dimensions:
        raise InputError(f"Networks of kind {kind} take shapes of {dimensions} numbers, not {shape}.")
    with torch.random.fork_rng(devices=[]):  # a discriminator is initialised by torch, too
        torch.set_rng_state(generator.get_state())
        networks = NETWORKS.find(config.networks)(*leading, config.code, config.hidden, **sizes)
        model = METHODS.find(config.method)(networks, **config.options)
        generator.set_state(torch.get_rng_state())
    return model


def save_autoencoder(path: Path | str, model: AutoEncoder, config: AutoEncoderConfig) -> None:
    """Write a model and its config to a folder of JSON and safetensors."""
    tensors, _ = gather({"model": model})
    save(path, State(tensors, {"autoencoder": config}))


def load_autoencoder(path: Path | str, trust: Sequence[str] = ()) -> tuple[AutoEncoder, AutoEncoderConfig]:
    """Return the model that `save_autoencoder` wrote, on the CPU; it may name code in the modules ``trust``.

    Raises:
        InputError: it is missing, damaged, or no auto-encoder.
    """
    with loading(path, {}, trust=trust) as (tensors, meta):
        if "autoencoder" not in meta:
            raise InputError(f"{path} is a checkpoint, but not of an auto-encoder: check the path.")
        config = from_json(AutoEncoderConfig, meta["autoencoder"])
        model = make_autoencoder(config, torch.Generator().manual_seed(0))
        put_back({"model": model}, tensors, meta)
        return model, config
