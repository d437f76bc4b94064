"""The pendulum of the E2C comparisons, seen from the side: balance, swing-up, and pumping with a weak motor."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from e2c_control.envs.angles import wrap
from e2c_control.envs.raster import draw_lines
from e2c_control.envs.runge_kutta import integrate
from e2c_control.envs.scene import BODY, GOAL_AREA, STONE, Disc, Path, Shape, on_circle, sector, torque_arrow
from e2c_control.envs.system import FloatArray, Frames, System
from e2c_control.fields import Positive

MASS, LENGTH, GRAVITY = 0.1, 0.5, 9.81  # kg, m, m/s^2
GRAVITY_TORQUE = MASS * GRAVITY * LENGTH  # N m, with the rod horizontal
INERTIA = MASS * LENGTH**2 / 3  # kg m^2
TIME_STEP, SUB_STEPS = 0.02, 4  # s
PROTOCOL_RATE = 3 * math.pi  # rad/s

SIZE = 48
ROD_LENGTH, ROD_WIDTH = 22.0, 4.0  # pixels
BLOCK = 64  # frames drawn at once: what they need fits into a processor's second cache

GOAL_ANGLE = math.radians(30)


@dataclass(frozen=True, kw_only=True, eq=False)
class Pendulum(System):
    """A rod on a motor.

    State: (angle from upright, rad, clockwise, in [-pi, pi); rate, rad/s). Control: torque, N m, counter-clockwise.

        (m l^2 / 3) theta'' = m g l sin(theta) - torque

    as in the simulators of PCC and PC3: the inertia is that of a rod, but gravity acts at its tip (a rod's own would
    have half this lever). Classical Runge-Kutta with four sub-steps in 0.02 s; the rate is clipped after the step.
    """

    torque_limit: Positive = 0.65
    max_rate: Positive = PROTOCOL_RATE

    @property
    def control_limit(self) -> FloatArray:
        return np.array([self.torque_limit])

    @property
    def state_low(self) -> FloatArray:
        return np.array([-math.pi, -self.max_rate])

    @property
    def state_high(self) -> FloatArray:
        return np.array([math.pi, self.max_rate])

    @property
    def state_names(self) -> tuple[str, ...]:
        return "angle (rad)", "rate (rad/s)"

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        return SIZE, SIZE, 1

    @property
    def detail(self) -> float:
        return ROD_WIDTH

    @property
    def frames_per_second(self) -> int:
        return round(1 / TIME_STEP)

    def advance(self, states: FloatArray, controls: FloatArray, disturbances: FloatArray | None) -> FloatArray:
        torque = np.clip(controls[:, 0], -self.torque_limit, self.torque_limit)

        def acceleration(angle: FloatArray, rate: FloatArray) -> FloatArray:
            return (GRAVITY_TORQUE * np.sin(angle) - torque) / INERTIA

        angle, rate = integrate(acceleration, states[:, 0].copy(), states[:, 1].copy(), TIME_STEP, SUB_STEPS)
        if disturbances is not None:
            angle, rate = angle + disturbances[:, 0], rate + disturbances[:, 1]
        return np.stack((wrap(angle), np.clip(rate, -self.max_rate, self.max_rate)), axis=1)

    def render(self, states: FloatArray) -> Frames:
        frames = np.zeros((len(states), SIZE, SIZE), np.uint8)
        for start in range(0, len(states), BLOCK):
            block = slice(start, start + BLOCK)
            draw_lines(frames[block], SIZE / 2, SIZE / 2, states[block, 0], ROD_LENGTH, ROD_WIDTH)
        return frames[..., None]

    def sample_states(self, n: int, rng: np.random.Generator) -> FloatArray:
        return rng.uniform(self.state_low, self.state_high, size=(n, 2))

    def features(self, states: FloatArray) -> FloatArray:
        """Return cosine and sine of the angle, and the rate as a fraction of its range."""
        angle, rate = states[:, 0], states[:, 1]
        return np.stack((np.cos(angle), np.sin(angle), rate / self.max_rate), axis=1)

    def scene(self, state: FloatArray, goal: FloatArray, control: FloatArray) -> Sequence[Shape]:
        motor = (0.5, 0.5)
        return [
            Disc(motor, 0.45, STONE, width=0.004),
            sector(motor, float(goal[0]), GOAL_ANGLE, 0.45, GOAL_AREA),
            Path((motor, on_circle(motor, float(state[0]), 0.4)), 0.065, BODY),
            Disc(motor, 0.022, STONE),
            *torque_arrow(motor, float(control[0]) / self.torque_limit, 0.11),
        ]
