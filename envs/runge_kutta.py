"""Equations of motion over one time step."""

from collections.abc import Callable
from typing import TypeAlias

from e2c_control.envs.system import FloatArray

Acceleration: TypeAlias = Callable[[FloatArray, FloatArray], FloatArray]
"""Position ``(..., N)`` and velocity ``(..., N)`` to acceleration ``(..., N)``."""


def integrate(
    acceleration: Acceleration,
    position: FloatArray,
    velocity: FloatArray,
    seconds: float | FloatArray,
    sub_steps: int,
) -> tuple[FloatArray, FloatArray]:
    """Return position and velocity, each ``(..., N)``, after ``seconds`` (one number, or ``(N,)``).

    The classical method of fourth order, with equal sub-steps.
    """
    h = seconds / sub_steps
    for _ in range(sub_steps):
        velocity_1, accel_1 = velocity, acceleration(position, velocity)
        velocity_2 = velocity + h / 2 * accel_1
        accel_2 = acceleration(position + h / 2 * velocity_1, velocity_2)
        velocity_3 = velocity + h / 2 * accel_2
        accel_3 = acceleration(position + h / 2 * velocity_2, velocity_3)
        velocity_4 = velocity + h * accel_3
        accel_4 = acceleration(position + h * velocity_3, velocity_4)
        position = position + h / 6 * (velocity_1 + 2 * velocity_2 + 2 * velocity_3 + velocity_4)
        velocity = velocity + h / 6 * (accel_1 + 2 * accel_2 + 2 * accel_3 + accel_4)
    return position, velocity
