"""Encoders and decoders for vectors, signals and images, built on those of `e2c_control.models` where they fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal

import torch
from torch import Tensor, nn

from e2c_control.errors import InputError, one_of
from e2c_control.models.gaussian import DiagonalGaussian
from e2c_control.models.layers import NarrowLinear, mlp
from e2c_control.models.networks import LOG_VAR_RANGE, ConvDecoder, ConvEncoder, MLPDecoder, MLPEncoder

Output = Literal["linear", "sigmoid", "tanh"]
RANGES: dict[str, tuple[float, float]] = {"linear": (-inf, inf), "sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}
ENDS: dict[str, Callable[[], nn.Module]] = {"linear": nn.Identity, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


@dataclass(frozen=True)
class Networks:
    """An encoder and a decoder that fit together. Any two modules will do.

    Attributes:
        encoder: data (N, *data_shape) to codes (N, *code_shape), or to a `DiagonalGaussian` over them.
        decoder: codes (N, *code_shape) to data (N, *data_shape).
        data_shape: of a sample.
        code_shape: of a code: (k,), or (channels, length), or (channels, height, width), or any other.
        data_range: least and largest value that the decoder can give.
    """

    encoder: nn.Module
    decoder: nn.Module
    data_shape: tuple[int, ...]
    code_shape: tuple[int, ...]
    data_range: tuple[float, float] = (-inf, inf)


class Halves(nn.Module):
    """A network whose output, if `gaussian`, is split along dimension 1 into a Gaussian's mean and log variance."""

    def __init__(self, net: nn.Module, gaussian: bool) -> None:
        super().__init__()
        self.net, self.gaussian = net, gaussian

    def forward(self, x: Tensor) -> Tensor | DiagonalGaussian:
        out = self.net(x)
        if not self.gaussian:
            return out
        mean, log_var = out.chunk(2, dim=1)
        return DiagonalGaussian(mean, log_var.clamp(*LOG_VAR_RANGE))


class MeanOf(nn.Module):
    """The mean of an encoder of Gaussians: makes an encoder of `e2c_control.models` deterministic."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: Tensor) -> Tensor:
        return self.encoder(x).mean


class ChannelsLast(nn.Module):
    """Adapt a channels-first network to images (N, H, W, C): move the channels before it, or after it."""

    def __init__(self, net: nn.Module, *, before: bool) -> None:
        super().__init__()
        self.net, self.before = net, before

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x.movedim(-1, 1)) if self.before else self.net(x).movedim(1, -1)


def vector_networks(
    size: int, code: int, hidden: Sequence[int] = (128,), *, gaussian: bool = False, output: Output = "linear"
) -> Networks:
    """Return fully connected networks with ReLU, for vectors of `size` numbers and codes of `code` numbers.

    Codes are linear in the last hidden layer. Weights are initialised by Glorot's uniform scheme, biases with 0.
    """
    encoder = mlp(size, (*hidden, code * (1 + gaussian)), nn.ReLU, linear=_linear)
    decoder = mlp(code, (*reversed(hidden), size), nn.ReLU, linear=_linear)
    for layer in (*encoder, *decoder):
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return Networks(Halves(encoder, gaussian), nn.Sequential(decoder, *_end(output)), (size,), (code,), RANGES[output])


def image_networks(
    shape: tuple[int, int, int],
    code: int,
    hidden: tuple[int, ...] = (256,),
    *,
    kind: Literal["mlp", "conv"] = "mlp",
    gaussian: bool = False,
    output: Output = "sigmoid",
) -> Networks:
    """Return the encoder and decoder of `e2c_control.models` for images (H, W, C); codes are vectors."""
    encoder = (MLPEncoder if kind == "mlp" else ConvEncoder)(shape, code, hidden)
    decoder = (MLPDecoder if kind == "mlp" else ConvDecoder)(shape, code, tuple(reversed(hidden)))
    chosen = encoder if gaussian else MeanOf(encoder)
    return Networks(chosen, nn.Sequential(decoder, *_end(output)), shape, (code,), RANGES[output])


def signal_networks(
    channels: int,
    length: int,
    code_channels: int,
    widths: Sequence[int] = (32, 64),
    *,
    gaussian: bool = False,
    output: Output = "linear",
) -> Networks:
    """Return fully convolutional networks for signals (channels, length).

    Codes are (code_channels, length / 2^len(widths)).
    """
    _divisible("length", length, len(widths))
    outputs = code_channels * (1 + gaussian)
    encoder = nn.Sequential(
        *_down(nn.Conv1d, channels, widths), nn.Conv1d(_last(widths, channels), outputs, 3, padding=1)
    )
    decoder = nn.Sequential(*_up(nn.Conv1d, code_channels, widths, channels), *_end(output))
    code_shape = (code_channels, length >> len(widths))
    return Networks(Halves(encoder, gaussian), decoder, (channels, length), code_shape, RANGES[output])


def convolutional_networks(
    shape: tuple[int, int, int],
    code_channels: int,
    widths: Sequence[int] = (16, 32),
    *,
    gaussian: bool = False,
    output: Output = "sigmoid",
) -> Networks:
    """Return fully convolutional networks for images (H, W, C).

    Codes are (code_channels, H / 2^n, W / 2^n) with n = len(widths).
    """
    height, width, channels = shape
    for name, side in (("height", height), ("width", width)):
        _divisible(name, side, len(widths))
    outputs = code_channels * (1 + gaussian)
    down = nn.Sequential(*_down(nn.Conv2d, channels, widths), nn.Conv2d(_last(widths, channels), outputs, 3, padding=1))
    up = nn.Sequential(*_up(nn.Conv2d, code_channels, widths, channels), *_end(output))
    code_shape = (code_channels, height >> len(widths), width >> len(widths))
    encoder = Halves(ChannelsLast(down, before=True), gaussian)
    return Networks(encoder, ChannelsLast(up, before=False), shape, code_shape, RANGES[output])


def seeded(make: Callable[[], Networks], generator: torch.Generator) -> Networks:
    """Return networks whose initial weights are drawn from a generator.

    torch's initialisers read the global generator: it gets the given one's state for the call, and is restored
    afterwards.
    """
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(generator.get_state())
        networks = make()
        generator.set_state(torch.get_rng_state())
    return networks


def _linear(inputs: int, outputs: int) -> nn.Linear:
    return (NarrowLinear if inputs < 16 else nn.Linear)(inputs, outputs)


def _end(output: str) -> list[nn.Module]:
    one_of("output", output, RANGES)
    return [] if output == "linear" else [ENDS[output]()]


def _divisible(name: str, side: int, halvings: int) -> None:
    if side < 2**halvings or side % 2**halvings:
        raise InputError(f"The {name} {side} cannot be halved {halvings} times: pad the data, or give fewer widths.")


def _last(widths: Sequence[int], otherwise: int) -> int:
    return widths[-1] if widths else otherwise


def _down(conv: type[nn.Conv1d] | type[nn.Conv2d], inputs: int, widths: Sequence[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for width in widths:
        layers += [conv(inputs, width, 4, stride=2, padding=1), nn.ReLU()]
        inputs = width
    return layers


def _up(conv: type[nn.Conv1d] | type[nn.Conv2d], inputs: int, widths: Sequence[int], outputs: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for width in reversed(widths):
        layers += [conv(inputs, width, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2)]
        inputs = width
    return [*layers, conv(inputs, outputs, 3, padding=1)]
