"""Small building blocks that several networks share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn


def mlp(inputs: int, widths: Sequence[int], activation: Callable[[], nn.Module], final: bool = False) -> nn.Sequential:
    """Linear layers of the given widths with activations between them, and after the last one where `final`."""
    layers: list[nn.Module] = []
    for i, width in enumerate(widths):
        layers.append(nn.Linear(inputs, width))
        if final or i < len(widths) - 1:
            layers.append(activation())
        inputs = width
    return nn.Sequential(*layers)


def last_linear(net: nn.Sequential) -> nn.Linear:
    """The layer that ends a network made by `mlp` without a final activation."""
    last = net[-1]
    assert isinstance(last, nn.Linear)
    return last
