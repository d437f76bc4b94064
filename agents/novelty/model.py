"""What every novelty model is: a score for what was sensed, and losses that make the same thing score lower."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor, nn

from e2c_control.agents.novelty.windows import Layout, Windows
from e2c_control.autoencoders import Loss


class NoveltyModel(nn.Module, ABC):
    """Scores windows of what was sensed and done: the higher, the less is known of it.

    Whitening, memory, optimiser and saving are no concern of it. One of your own is a class with these methods, given
    as `NoveltyOptions(Mine)`; its weights may be drawn by torch's initialisers, from a generator that is seeded:

        class Surprise(NoveltyModel):
            def __init__(self, layout):
                super().__init__(layout)
                self.net = nn.Linear(math.prod(layout.joint_shape), 1)

            def score(self, windows):
                return (self.net(windows.joint().flatten(1)).squeeze(1) - 1).square()

            def losses(self, windows, generator):
                yield Loss(self.score(windows).mean())

    Args:
        layout: of the windows.
    """

    window: ClassVar[int] = 1
    """Frames that it looks at unless it is told otherwise."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout

    @abstractmethod
    def score(self, windows: Windows) -> Tensor:
        """Return the novelty (N,) of N windows; the same for the same windows, without noise."""

    @abstractmethod
    def losses(self, windows: Windows, generator: torch.Generator) -> Iterator[Loss]:
        """Yield losses of N windows, to be back-propagated one after the other before the optimiser's step."""

    def reconstruction(self, windows: Windows) -> Tensor | None:
        """Return the newest frames (N, *frame_shape) as the model makes them again, whitened; none if it makes none."""
        return None

    def after_update(self) -> None:
        """Called after every step of the optimiser."""
