"""Networks from a window to numbers, for models that are no auto-encoders."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod, sqrt
from typing import Any, cast

from torch import nn

from e2c_control.autoencoders.networks import MeanOf
from e2c_control.errors import InputError, one_of
from e2c_control.models.layers import mlp
from e2c_control.models.networks import ConvEncoder


def features(shape: tuple[int, ...], outputs: int, hidden: Sequence[int], network: str = "mlp") -> nn.Module:
    """Return a network from frames (N, *shape) to (N, outputs).

    Weights are orthogonal with a gain of sqrt(2) and biases 0, which keeps the outputs of a random network about as
    large as its whitened inputs.

    Args:
        shape: (d,) or (H, W, C).
        outputs: numbers that it gives.
        hidden: widths of the layers between.
        network: mlp, or conv for images.
    """
    check_network(network, shape)
    if network == "conv":
        net: nn.Module = MeanOf(ConvEncoder(cast(Any, shape), outputs, tuple(hidden)))
    else:
        net = nn.Sequential(nn.Flatten(), *mlp(prod(shape), (*hidden, outputs), nn.ReLU))
    for layer in net.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.orthogonal_(layer.weight, sqrt(2.0))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return net


def check_network(network: str, shape: tuple[int, ...]) -> None:
    """Refuse a kind of network that is not there, or not for data of that shape."""
    one_of("network", network, ("mlp", "conv"))
    if network == "conv" and len(shape) != 3:
        raise InputError(f"Convolutions need images, not vectors of {prod(shape)} numbers: choose network mlp.")
