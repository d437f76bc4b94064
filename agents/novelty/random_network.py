"""Random network distillation (Burda, Edwards, Storkey and Klimov 2019, arXiv 1810.12894)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from e2c_control.agents.novelty.model import NoveltyModel
from e2c_control.agents.novelty.networks import features
from e2c_control.agents.novelty.windows import Layout, Windows
from e2c_control.autoencoders import Loss


class RandomNetwork(NoveltyModel):
    """Mean of (f(x) - g(x))², f a random network that stays as it is and g one that is trained to be like it.

    Args:
        layout: of the windows.
        outputs: numbers that the networks give.
        hidden: widths of both; g has the last of them once more.
        network: mlp, or conv for images.
    """

    def __init__(
        self, layout: Layout, outputs: int = 64, hidden: Sequence[int] = (128, 128), network: str = "mlp"
    ) -> None:
        super().__init__(layout)
        self.target = features(layout.joint_shape, outputs, hidden, network).requires_grad_(False)
        self.predictor = features(layout.joint_shape, outputs, (*hidden, hidden[-1]), network)

    def score(self, windows: Windows) -> Tensor:
        seen = windows.joint()
        return (self.predictor(seen) - self.target(seen)).square().mean(1)

    def losses(self, windows: Windows, generator: torch.Generator) -> Iterator[Loss]:
        error = self.score(windows).mean()
        yield Loss(error, {"distillation": error.detach()})
