"""The intrinsic curiosity module (Pathak, Agrawal, Efros and Darrell 2017, arXiv 1705.05363)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from e2c_control.agents.novelty.model import NoveltyModel
from e2c_control.agents.novelty.networks import features
from e2c_control.agents.novelty.windows import Layout, Windows
from e2c_control.autoencoders import Loss
from e2c_control.errors import InputError, number


class ForwardModel(NoveltyModel):
    """1/2 |F(phi(x), u) - phi(x')|², with features phi from which the action between two frames can be told.

    Loss: (1 - beta) * inverse + beta * forward (equation 7). The inverse model's loss is a cross-entropy for choices
    and a squared error for real actions.

    Args:
        layout: of the windows; frames before the last two must be none.
        size: numbers in phi.
        hidden: widths of phi, and of the forward and the inverse model.
        beta: weight of the forward model's loss.
        network: of phi: mlp, or conv for images.
    """

    window: ClassVar[int] = 2

    def __init__(
        self,
        layout: Layout,
        size: int = 32,
        hidden: Sequence[int] = (128,),
        beta: float = 0.2,
        network: str = "mlp",
    ) -> None:
        super().__init__(layout)
        if layout.window != 2:
            raise InputError(f"icm looks at a frame, an action and the next frame: window is 2, not {layout.window}.")
        self.beta = number("beta", beta, least=0, most=1)
        self.encoder = features(layout.frame_shape, size, hidden, network)
        self.forward_model = features((size + layout.action_size,), size, hidden)
        self.inverse_model = features((2 * size,), layout.action_size, hidden)

    def score(self, windows: Windows) -> Tensor:
        return self._surprise(*self._encoded(windows), windows.actions[:, 0])

    def losses(self, windows: Windows, generator: torch.Generator) -> Iterator[Loss]:
        before, after = self._encoded(windows)
        actions = windows.actions[:, 0]
        forward = self._surprise(before, after, actions).mean()
        inverse = self._unlike(self.inverse_model(torch.cat([before, after], dim=1)), actions)
        parts = {"forward": forward.detach(), "inverse": inverse.detach()}
        yield Loss((1 - self.beta) * inverse + self.beta * forward, parts)

    def _encoded(self, windows: Windows) -> tuple[Tensor, Tensor]:
        return self.encoder(windows.frames[:, 0]), self.encoder(windows.frames[:, 1])

    def _surprise(self, before: Tensor, after: Tensor, actions: Tensor) -> Tensor:
        return 0.5 * (self.forward_model(torch.cat([before, actions], dim=1)) - after).square().sum(1)

    def _unlike(self, guess: Tensor, actions: Tensor) -> Tensor:
        """Return how far guesses (N, a) are from actions (N, a): a scalar."""
        if not self.layout.choices:
            return mse_loss(guess, actions)
        sizes, total = list(self.layout.choices), guess.new_zeros(())
        for logits, block in zip(torch.split(guess, sizes, 1), torch.split(actions, sizes, 1), strict=True):
            total = total + cross_entropy(logits, block.argmax(1))
        return total
