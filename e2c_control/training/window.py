"""Running means between two points of the curves."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

from torch import Tensor

from e2c_control.errors import InputError
from e2c_control.runs.stateful import Groups, State
from e2c_control.runs.typed_json import from_json
from e2c_control.training.trainer import StepReport, Trainer


class Window:
    """Means of what was reported since the last point of the curves, kept on the device until then.

    It goes into checkpoints, so that a run that was stopped between two points still draws the same curves.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self._clear()

    def _clear(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._count, self._rate = 0, 0.0
        self._samples, self._seconds = 0, 0.0

    def resume(self) -> None:
        """Count time from now on."""
        self._since = time.perf_counter()

    def pause(self) -> None:
        """Stop counting time: what comes now is not training."""
        if self._since is not None:
            self._seconds, self._since = self._seconds + time.perf_counter() - self._since, None

    def add(self, report: StepReport, samples: int) -> None:
        """Take in one step, which trained on so many transitions."""
        # The sum of other terms in the next phase is no continuation of this one.
        values = {f"loss/total/{report.phase}": report.loss} | {
            f"loss/{name}": value for name, value in report.terms.items()
        }
        if self._count and values.keys() != self._sums.keys():
            self._sums, self._count = {}, 0  # a new phase has other terms
        for name, value in values.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._count, self._rate = self._count + 1, report.learning_rate
        self._samples += samples

    def check(self, trainer: Trainer) -> dict[str, float]:
        """Return the means so far and the norm of the newest gradient by tag; raise InputError if one is not finite."""
        means = {name: float(value) / self._count for name, value in self._sums.items()}
        means["train/gradient_norm"] = float(trainer.gradient_norm())
        bad = [name for name, value in means.items() if not math.isfinite(value)]
        if bad:
            raise InputError(
                f"{bad[0]} is not finite at step {trainer.step} of phase '{trainer.phase.name}': the last checkpoint "
                "is intact; look for non-finite numbers in the dataset, or lower the learning rate."
            )
        return means

    def close(self, trainer: Trainer) -> dict[str, float]:
        """Return the means by tag, with rates, and begin the next window."""
        means = self.check(trainer)
        self.pause()
        means["train/learning_rate"] = self._rate
        if trainer.phase.judged_by is not None:
            means["train/attempt"] = trainer.attempt
        means["time/transitions_per_second"] = self._samples / max(self._seconds, 1e-9)
        self._clear()
        self.resume()
        return means

    def state(self) -> State:
        """Return sums by tag, and JSON."""
        return State({"window": self._sums}, {"count": self._count, "rate": self._rate})

    def restore(self, tensors: Groups, meta: Mapping[str, object], /) -> None:
        """Go on from what `state` returned."""
        self._sums = dict(tensors.get("window", {}))
        self._count = from_json(int, meta.get("count", 0), "count")
        self._rate = from_json(float, meta.get("rate", 0.0), "rate")
