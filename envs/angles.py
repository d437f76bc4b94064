"""Angles."""

import math

from e2c_control.envs.system import FloatArray


def wrap(angle: FloatArray, half_turn: float | FloatArray = math.pi) -> FloatArray:
    """Return the same angle in [-pi, pi); with another ``half_turn`` h, in [-h, h)."""
    return (angle + half_turn) % (2 * half_turn) - half_turn
