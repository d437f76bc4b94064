"""A term of an objective: a named number of nats (or squared latent units) per window that training lowers."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from e2c_control.objectives.unrolled import Unrolled


class Term(nn.Module, ABC):
    """A loss over an unrolled batch. It may own parameters, which are trained with the embedding's.

    Several processes may share a batch, each with a slice of its windows; their mean is the term. So a term that is no
    mean over windows, but compares them, has to `Unrolled.gather` those of the global batch first.
    """

    @abstractmethod
    def forward(self, unrolled: Unrolled) -> Tensor:
        """The mean over the batch, or its slice, a scalar."""
