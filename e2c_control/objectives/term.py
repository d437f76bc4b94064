"""A term of an objective: a named number of nats (or squared latent units) per window that training lowers."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from e2c_control.objectives.unrolled import Unrolled


class Term(nn.Module, ABC):
    """A loss over an unrolled batch. It may own parameters, which are trained with the embedding's."""

    @abstractmethod
    def forward(self, unrolled: Unrolled) -> Tensor:
        """The mean over the batch, a scalar."""
