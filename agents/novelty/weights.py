"""The two parts of a reward, and their weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from e2c_control.errors import InputError
from e2c_control.fields import NotNegative, check

Objective = Literal["maximise", "minimise"]


@dataclass(frozen=True)
class Weights:
    """Weights of the two parts of a reward: extrinsic * r + sign * intrinsic * bonus.

    Attributes:
        intrinsic: of the bonus.
        extrinsic: of what the environment pays.
        objective: maximise, or minimise for an agent that avoids what it does not know.
    """

    intrinsic: NotNegative = 1.0
    extrinsic: NotNegative = 1.0
    objective: Objective = "maximise"

    def __post_init__(self) -> None:
        check(self, lambda name: name if name == "objective" else f"{name}_weight")

    def reward(self, extrinsic: NDArray[np.floating], bonus: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return both parts together, of any shape; raise InputError where that is more than float32 holds."""
        sign = 1.0 if self.objective == "maximise" else -1.0
        with np.errstate(over="ignore", invalid="ignore"):
            reward = (self.extrinsic * extrinsic + sign * self.intrinsic * bonus).astype(np.float32)
        if not np.isfinite(reward).all():
            raise InputError("A weighted reward is too large for float32: lower extrinsic_weight or intrinsic_weight.")
        return reward
