"""An auto-encoder, a novelty model, and an algorithm of policies."""

from collections.abc import Iterator
from math import prod

import torch
from stable_baselines3 import A2C
from torch import Tensor, nn

from e2c_control import AutoEncoder
from e2c_control.agents.novelty import NoveltyModel
from e2c_control.agents.novelty.windows import Layout, Windows
from e2c_control.autoencoders import Loss, Networks


class Absolute(AutoEncoder):
    """|x - D(E(x))|, weighted."""

    def __init__(self, networks: Networks, weight: float = 1.0) -> None:
        super().__init__(networks)
        self.weight = weight

    def losses(self, x: Tensor, generator: torch.Generator) -> Iterator[Loss]:
        error = self.weight * (x - self.decode(self.encode(x))).abs().mean()
        yield Loss(error, {"reconstruction": error.detach()})


class Surprise(NoveltyModel):
    """How far a linear guess of the sum of a window is from it."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.net = nn.Linear(prod(layout.joint_shape), 1)

    def score(self, windows: Windows) -> Tensor:
        seen = windows.joint().flatten(1)
        return (self.net(seen).squeeze(1) - seen.sum(1)).square()

    def losses(self, windows: Windows, generator: torch.Generator) -> Iterator[Loss]:
        yield Loss(self.score(windows).mean())


class ShortA2C(A2C):
    """stable-baselines3's A2C, as it is."""
