"""The cart-pole of the E2C comparisons, seen from the side."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from e2c_control.envs.angles import wrap
from e2c_control.envs.raster import draw_lines
from e2c_control.envs.runge_kutta import integrate
from e2c_control.envs.scene import (
    BODY,
    CONTROL,
    GOAL_AREA,
    PAPER,
    STONE,
    Disc,
    Path,
    Point,
    Shape,
    arrow_head,
    on_circle,
    rectangle,
    sector,
)
from e2c_control.envs.system import FloatArray, Frames, System

CART_MASS, POLE_MASS, HALF_LENGTH, GRAVITY = 1.0, 0.1, 0.5, 9.81  # kg, kg, m, m/s^2
MASS = CART_MASS + POLE_MASS
TIME_STEP, SUB_STEPS = 0.02, 4  # s
MAX_RATE, MAX_SPEED = 2 * math.pi, 6.0  # rad/s, m/s
FORCE_LIMIT = 10.0  # N
TRACK = 2.4  # m, half of what the camera shows of it

SIZE = 80
CART_LENGTH, CART_HEIGHT, POLE_LENGTH, POLE_WIDTH = 16.0, 8.0, 52.0, 6.0  # pixels
PIXELS_PER_METRE, AXLE = 32 / TRACK, 70.0
OUT_OF_SIGHT = SIZE / 2 + CART_LENGTH + POLE_LENGTH  # pixels from the image's centre
BLOCK = 32  # frames drawn at once: what they need fits into a processor's second cache

GOAL_ANGLE = math.radians(18)
SAMPLED = np.array([math.radians(36), MAX_RATE, TRACK, MAX_SPEED])


@dataclass(frozen=True, kw_only=True, eq=False)
class CartPole(System):
    """A pole on a cart that is pushed along a track.

    State: (angle from upright, rad, clockwise, in [-pi, pi); rate, rad/s; place of the cart, m, to the right, without
    end; its speed, m/s). Control: force on the cart, N, to the right.

        h = F + m l theta'^2 sin(theta)
        theta'' = ((M + m) g sin(theta) - h cos(theta)) / (4/3 (M + m) l - m l cos(theta)^2)
        x'' = (h - m l theta'' cos(theta)) / (M + m)

    as in the simulators of PCC and PC3, which is the frictionless cart-pole of Barto, Sutton and Anderson (1983), a
    uniform pole of length 2 l. Classical Runge-Kutta with four sub-steps in 0.02 s; both velocities are clipped after
    the step. The track does not end where the picture does.
    """

    @property
    def control_limit(self) -> FloatArray:
        return np.array([FORCE_LIMIT])

    @property
    def state_low(self) -> FloatArray:
        return -self.state_high

    @property
    def state_high(self) -> FloatArray:
        return np.array([math.pi, MAX_RATE, math.inf, MAX_SPEED])

    @property
    def state_names(self) -> tuple[str, ...]:
        return "angle (rad)", "rate (rad/s)", "place (m)", "speed (m/s)"

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        return SIZE, SIZE, 1

    @property
    def detail(self) -> float:
        return POLE_WIDTH

    @property
    def frames_per_second(self) -> int:
        return round(1 / TIME_STEP)

    def advance(self, states: FloatArray, controls: FloatArray, disturbances: FloatArray | None) -> FloatArray:
        force = np.clip(controls[:, 0], -FORCE_LIMIT, FORCE_LIMIT)

        def acceleration(position: FloatArray, velocity: FloatArray) -> FloatArray:
            return accelerations(position[0], velocity[0], force)

        places, speeds = integrate(
            acceleration, states[:, ::2].T.copy(), states[:, 1::2].T.copy(), TIME_STEP, SUB_STEPS
        )
        after = np.stack((places[0], speeds[0], places[1], speeds[1]), axis=1)
        if disturbances is not None:
            after += disturbances
        after[:, 0] = wrap(after[:, 0])
        return np.clip(after, self.state_low, self.state_high, out=after)

    def render(self, states: FloatArray) -> Frames:
        frames = np.zeros((len(states), SIZE, SIZE), np.uint8)
        level = np.full(min(BLOCK, len(states)), math.pi / 2)
        for start in range(0, len(states), BLOCK):
            block = slice(start, start + BLOCK)
            canvas, angle = frames[block], states[block, 0]
            offset = np.clip(PIXELS_PER_METRE * states[block, 2], -OUT_OF_SIGHT, OUT_OF_SIGHT)
            middle = SIZE / 2 + offset
            draw_lines(canvas, middle - CART_LENGTH / 2, AXLE, level[: len(angle)], CART_LENGTH, CART_HEIGHT)
            draw_lines(canvas, middle, AXLE, angle, POLE_LENGTH, POLE_WIDTH)
        return frames[..., None]

    def sample_states(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw velocities, places in the picture, and angles from which a pole can be saved: within 36 degrees.

        The peers meant these angles too, but drew from half of them, and their own starts lie outside.
        """
        return rng.uniform(-SAMPLED, SAMPLED, size=(n, 4))

    def features(self, states: FloatArray) -> FloatArray:
        """Return cosine and sine of the angle, and rate, place and speed as fractions of their ranges."""
        angle, rate, place, speed = states.T
        return np.stack((np.cos(angle), np.sin(angle), rate / MAX_RATE, place / TRACK, speed / MAX_SPEED), axis=1)

    def scene(self, state: FloatArray, goal: FloatArray, control: FloatArray) -> Sequence[Shape]:
        angle, middle, axle = float(state[0]), 0.5 + 0.4 * float(state[2]) / TRACK, 0.78
        pivot = (middle, axle)
        area = sector(pivot, float(goal[0]), GOAL_ANGLE, 0.6, GOAL_AREA)
        shapes: list[Shape] = [area, rectangle(axle + 0.075, 0.0, axle + 0.083, 1.0, STONE)]
        shapes += [Disc((middle + side, axle + 0.05), 0.025, STONE) for side in (-0.06, 0.06)]
        shapes.append(rectangle(axle - 0.045, middle - 0.11, axle + 0.045, middle + 0.11, STONE))
        shapes += [Path((pivot, on_circle(pivot, angle, 0.55)), 0.05, BODY), Disc(pivot, 0.015, PAPER)]
        return [*shapes, *_push_arrow(pivot, float(control[0]) / FORCE_LIMIT)]


def accelerations(angle: FloatArray, rate: FloatArray, force: FloatArray) -> FloatArray:
    """Return the accelerations of angle and cart, ``(2, N)``; `CartPole` has the equations."""
    m, l, g = POLE_MASS, HALF_LENGTH, GRAVITY  # noqa: E741
    sine, cosine = np.sin(angle), np.cos(angle)
    h = force + m * l * rate**2 * sine
    turning = (MASS * g * sine - h * cosine) / (4 / 3 * MASS * l - m * l * cosine**2)
    return np.stack((turning, (h - m * l * turning * cosine) / MASS))


def _push_arrow(pivot: Point, effort: float) -> Sequence[Shape]:
    """Beside the cart, in the direction of the force, and as long."""
    if abs(effort) < 0.02:
        return ()
    turn = math.copysign(1, effort)
    start = (pivot[0] + 0.13 * turn, pivot[1])
    end = (start[0] + 0.15 * effort, pivot[1])
    return Path((start, end), 0.012, CONTROL), arrow_head((end[0] + 0.03 * turn, end[1]), (turn, 0.0), 0.045, CONTROL)
