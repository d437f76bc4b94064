"""Base class of the terms of an objective: a loss per window, in nats or squared latent units."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from e2c_control.objectives.unrolled import Unrolled


class Term(nn.Module, ABC):
    """A loss over an unrolled batch. It may own parameters, which are trained with the embedding's.

    Where several processes share a batch, each computes the term on its slice of the windows, and the term is the mean
    over processes. A term that compares windows with each other must `Unrolled.gather` the global batch first.

    Attributes:
        of_features: whether it sees images as `Unrolled.features` alone. A phase of such terms that does not train the
            encoder has the features of every image computed once.
    """

    of_features: ClassVar[bool] = False

    @abstractmethod
    def forward(self, unrolled: Unrolled) -> Tensor:
        """Return the mean over the batch, or over this process's slice of it, a scalar."""
