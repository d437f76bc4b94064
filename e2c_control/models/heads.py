"""Heads: numbers that are read off a latent and an action, such as the reward of a step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from e2c_control.models.layers import last_linear, mlp

HIDDEN = (64, 64)
"""Widths of a head's hidden layers: a reward is a simple function of a map that was unfolded for it."""


class Head(nn.Module):
    """A smooth function of latents and actions, in the units of what it is fitted to.

    SiLU between layers: planners take its first and second derivatives.

    Args:
        latent_dim: k.
        action_dim: m.
    """

    def __init__(self, latent_dim: int, action_dim: int) -> None:
        super().__init__()
        self.net = mlp(latent_dim + action_dim, (*HIDDEN, 1), nn.SiLU)
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("deviation", torch.ones(()))

    def fit(self, mean: float, deviation: float, keep: bool = False) -> None:
        """Take the mean and deviation of the targets: the network's own outputs have 0 and 1 of them.

        Args:
            mean, deviation: of the targets; a deviation of 0 is of one number, which is all that the head then tells.
            keep: whether what the head tells stays the same, as "Pop-Art" does it (van Hasselt et al. 2016).
        """
        old_mean, old = self.get_buffer("mean").clone(), self.get_buffer("deviation").clone()
        self.get_buffer("mean").fill_(mean)
        self.get_buffer("deviation").fill_(deviation)
        if keep and deviation > 0:
            last = last_linear(self.net)
            with torch.no_grad():
                last.weight.mul_(old / deviation)
                last.bias.copy_((old * last.bias + old_mean - mean) / deviation)

    @property
    def varies(self) -> bool:
        """Whether its targets ever differed."""
        return bool(self.get_buffer("deviation") > 0)

    def raw(self, latents: Tensor, actions: Tensor) -> Tensor:
        """Return what the network gives out (...), of latents (..., k) and actions (..., m)."""
        return self.net(torch.cat([latents, actions], dim=-1))[..., 0]

    def standard(self, targets: Tensor) -> Tensor:
        """Return targets in the units of the network's outputs."""
        deviation = self.get_buffer("deviation")
        return (targets - self.get_buffer("mean")) / torch.where(deviation > 0, deviation, 1.0)

    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:
        """Return the numbers (...) at latents (..., k) and actions (..., m)."""
        return self.get_buffer("mean") + self.get_buffer("deviation") * self.raw(latents, actions)
