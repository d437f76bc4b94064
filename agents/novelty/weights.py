"""The two parts of a reward, and their weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

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

    def reward(self, extrinsic: NDArray[Any], bonus: NDArray[np.float64]) -> NDArray[np.float32]:
        """Both parts together, of any shape."""
        sign = 1.0 if self.objective == "maximise" else -1.0
        return (self.extrinsic * extrinsic + sign * self.intrinsic * bonus).astype(np.float32)
