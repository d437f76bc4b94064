"""How pictures show the worlds that this project knows: names of the state variables, and what stands still."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from e2c_control.envs import Task


@dataclass(frozen=True, eq=False)
class Scenery:
    """What a picture of a world needs beside the states.

    Attributes:
        names: of the state variables, with units.
        background: the camera image without what moves, (H, W, C), where the state is a place in it.
        goal_radius: of the goal region, in pixels of the background.
    """

    names: tuple[str, ...] | None = None
    background: NDArray[np.uint8] | None = None
    goal_radius: float | None = None


def scenery(task: Task) -> Scenery:
    """The scenery of a task; for a world that is not known here, nothing."""
    from e2c_control.envs.pendulum import Pendulum
    from e2c_control.envs.planar import GOAL_RADIUS, Planar

    match task.system:
        case Planar() as world:
            return Scenery(("row (pixels)", "column (pixels)"), world.background[..., None], GOAL_RADIUS)
        case Pendulum():
            return Scenery(("angle (rad)", "rate (rad/s)"))
        case _:
            return Scenery()
