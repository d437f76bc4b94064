"""Against the noisy TV: around any model, scores that what can never be known does not raise.

A plain error pays for ever where frames are random, and a policy that seeks it stays there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from e2c_control.agents.novelty.model import NoveltyModel
from e2c_control.agents.novelty.networks import features
from e2c_control.agents.novelty.windows import Windows
from e2c_control.autoencoders import Loss
from e2c_control.errors import number


class LearningProgress(NoveltyModel):
    """Error under an older copy of the model, less the error now (Oudeyer et al. 2007; Hou et al. 2025).

    The older copy's weights follow the model's as a moving average. The difference is not cut off at 0: of noise, both
    errors are alike up to a remainder with mean 0, which cutting would turn into a reward; and what is being forgotten
    is rightly paid less than what is not. Hou et al. (arXiv 2509.25438) predict the older error by another network.

    Args:
        model: whose progress it is.
        memory: share of the older copy that an update leaves; 0.99 looks back a hundred updates or so.
    """

    def __init__(self, model: NoveltyModel, memory: float = 0.99) -> None:
        super().__init__(model.layout)
        self.model, self.memory = model, number("memory", memory, least=0, below=1)
        self.older = deepcopy(model).requires_grad_(False)

    def score(self, windows: Windows) -> Tensor:
        return self.older.score(windows) - self.model.score(windows)

    def losses(self, windows: Windows, generator: torch.Generator) -> Iterator[Loss]:
        return self.model.losses(windows, generator)

    def reconstruction(self, windows: Windows) -> Tensor | None:
        return self.model.reconstruction(windows)

    def after_update(self) -> None:
        self.model.after_update()
        with torch.no_grad():
            for old, new in zip(self.older.parameters(), self.model.parameters(), strict=True):
                old.lerp_(new, 1.0 - self.memory)


class MinusNoise(NoveltyModel):
    """e - share * exp(s): the error e of a model, less what a second network has learnt to expect of it.

    The network sees what the model sees and is trained by e exp(-s) + s, the negative logarithm of a Gaussian whose
    variance is exp(s): its minimum is exp(s) = E[e]. Aleatoric mapping agents (Mavor-Parker et al. 2022, arXiv
    2102.04399) do so for each output of a forward model; one expectation of the whole error fits any model. Where all
    is noise, nothing is left; where nobody has been, the error is far above what was expected of other places.

    Args:
        model: whose error it is.
        share: of the expected error that is taken off.
        hidden: widths of the second network.
        network: mlp, or conv for images.
    """

    def __init__(
        self, model: NoveltyModel, share: float = 1.0, hidden: Sequence[int] = (128,), network: str = "mlp"
    ) -> None:
        super().__init__(model.layout)
        self.model, self.share = model, number("share", share, least=0)
        self.body = features(model.layout.joint_shape, hidden[-1], hidden[:-1], network)
        self.head = nn.Linear(hidden[-1], 1)
        nn.init.zeros_(self.head.weight)  # or the first expectations would be the second network's own noise
        nn.init.zeros_(self.head.bias)

    def score(self, windows: Windows) -> Tensor:
        return self.model.score(windows) - self.share * self._log_expected(windows).exp()

    def losses(self, windows: Windows, generator: torch.Generator) -> Iterator[Loss]:
        yield from self.model.losses(windows, generator)
        log_expected = self._log_expected(windows)
        with torch.no_grad():
            error = self.model.score(windows)
        loss = (error * torch.exp(-log_expected) + log_expected).mean()
        yield Loss(loss, {"noise": loss.detach()})

    def reconstruction(self, windows: Windows) -> Tensor | None:
        return self.model.reconstruction(windows)

    def after_update(self) -> None:
        self.model.after_update()

    def _log_expected(self, windows: Windows) -> Tensor:
        """Within what float32 can tell from 0 and from infinity: frames unlike all others must not overflow it."""
        return self.head(self.body(windows.joint()).relu()).squeeze(1).clamp(-12.0, 12.0)
