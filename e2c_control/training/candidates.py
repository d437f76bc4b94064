"""Of several short trainings from different initial weights, the one to go on with."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

JUDGED = 0.25
"""Share of a candidate phase, at its end, over which its score is averaged."""


class Candidates:
    """Keeps the best embedding of a row of candidate phases, judged by terms that need no true state.

    Whether a map gets twisted is decided in its first hundred steps, and shows in the terms: a few short trainings and
    a choice cost less than one training that is wasted.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.begin()

    def begin(self) -> None:
        """A new candidate."""
        self._sum, self._count = torch.zeros(()), 0

    def note(self, judge: Mapping[str, float], terms: Mapping[str, Tensor]) -> None:
        """One more step of the present candidate: its terms, weighted by the judge; the less, the better."""
        value = sum((weight * terms[name].detach() for name, weight in judge.items()), start=torch.zeros(()))
        self._sum, self._count = self._sum.to(value.device) + value, self._count + 1

    def close(self, embedding: Mapping[str, Tensor]) -> None:
        """The present candidate is trained: keep its embedding if no one before it was better."""
        score = (self._sum / max(self._count, 1)).cpu()
        if not self.tensors or bool(score < self.tensors["score"]):
            self.tensors = {f"embedding.{name}": value.detach().clone() for name, value in embedding.items()}
            self.tensors["score"] = score

    def take_best(self) -> dict[str, Tensor]:
        """The best embedding's state; the row is over."""
        best = {k.removeprefix("embedding."): v for k, v in self.tensors.items() if k.startswith("embedding.")}
        self.tensors = {}
        return best

    def state(self) -> dict[str, Tensor]:
        """All of it as tensors."""
        return {**self.tensors, "sum": self._sum.cpu(), "count": torch.tensor(self._count)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """The inverse of `state`."""
        self._sum, self._count = state["sum"], int(state["count"])
        self.tensors = {name: value for name, value in state.items() if name not in ("sum", "count")}
