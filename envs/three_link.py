"""The three-link arm of the E2C comparisons, seen from the side."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from e2c_control.envs.angles import wrap
from e2c_control.envs.extrapolation import extrapolate
from e2c_control.envs.raster import draw_lines
from e2c_control.envs.scene import BODY, GOAL_AREA, STONE, Disc, Path, Point, Shape, on_circle, sector, torque_arrow
from e2c_control.envs.system import BoolArray, FloatArray, Frames, System
from e2c_control.envs.three_link_motion import accelerations, on_rods
from e2c_control.fields import Bounds

SHORT_STEP, LONG_STEP, SUB_STEPS = 0.02, 0.05, 4  # s
TORQUE_LIMIT, MAX_RATE = 1.0, math.pi / 2  # N m, rad/s
HALF_TURNS = np.array([math.pi, 2 * math.pi / 3, math.pi / 3])[:, None]  # rad

SIZE = 80
LINK_LENGTH, LINK_WIDTH = SIZE / 6 - 2, 5.0  # pixels
BLOCK = 32  # frames drawn at once: what they need fits into a processor's second cache

GOAL_ANGLE = math.radians(30)


@dataclass(frozen=True, kw_only=True, eq=False)
class ThreeLink(System):
    """An arm of three links with a motor in each joint.

    State: (angle of the first link from upright, its rate; angle of the second one from the first, its rate; of the
    third one from the second, its rate), rad, clockwise, and rad/s. Control: the torques of the joints, N m,
    counter-clockwise.

    Uniform rods of 0.1 kg and 0.5 m, as in the simulators of PCC and PC3: `e2c_control.envs.three_link_motion` has the
    equations. They are integrated to about 1e-7, since a light link under full torque turns far in a step. The rest is
    the simulators' too, and no arm does it:

    - A step takes 0.02 s while the arm is upright (all three links within 30 degrees, see `stands`), else 0.05 s.
    - The joints turn without end, and what goes around is not always a full turn: the first angle is kept in
      [-pi, pi), the second one in [-2 pi / 3, 2 pi / 3), the third one in [-pi / 3, pi / 3), and an arm that leaves at
      one end of these ranges comes back at the other one.
    - The rates are clipped to +-pi / 2 after the step, but not within it.

    Attributes:
        frame_size: pixels per side of the camera image; the arm grows with it.
    """

    frame_size: Annotated[int, Bounds(16)] = SIZE

    @property
    def control_limit(self) -> FloatArray:
        return np.full(3, TORQUE_LIMIT)

    @property
    def state_low(self) -> FloatArray:
        return -self.state_high

    @property
    def state_high(self) -> FloatArray:
        return np.stack((HALF_TURNS[:, 0], np.full(3, MAX_RATE)), axis=1).ravel()

    @property
    def state_names(self) -> tuple[str, ...]:
        links = "first", "second", "third"
        return tuple(name for link in links for name in (f"{link} angle (rad)", f"{link} rate (rad/s)"))

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        return self.frame_size, self.frame_size, 1

    @property
    def detail(self) -> float:
        return LINK_WIDTH * self.frame_size / SIZE

    @property
    def frames_per_second(self) -> int:
        return round(1 / LONG_STEP)

    def advance(self, states: FloatArray, controls: FloatArray, disturbances: FloatArray | None) -> FloatArray:
        torques = on_rods(np.clip(controls, -TORQUE_LIMIT, TORQUE_LIMIT).T)[:, None]

        def derivative(motion: FloatArray) -> FloatArray:
            return np.stack((motion[1], accelerations(motion[0], motion[1], torques)))

        seconds = np.where(stands(states), SHORT_STEP, LONG_STEP)
        links = np.cumsum(states.reshape(-1, 3, 2).transpose(2, 1, 0), axis=1)  # (2, 3, N), from upright
        after = np.diff(extrapolate(derivative, links, seconds, SUB_STEPS), axis=1, prepend=0.0)
        if disturbances is not None:
            after += disturbances.reshape(-1, 3, 2).transpose(2, 1, 0)
        angles, rates = wrap(after[0], HALF_TURNS), np.clip(after[1], -MAX_RATE, MAX_RATE)
        return np.stack((angles, rates)).transpose(2, 1, 0).reshape(-1, 6)

    def render(self, states: FloatArray) -> Frames:
        size, scale = self.frame_size, self.frame_size / SIZE
        frames = np.zeros((len(states), size, size), np.uint8)
        length, width = LINK_LENGTH * scale, LINK_WIDTH * scale
        for start in range(0, len(states), BLOCK):
            block = slice(start, start + BLOCK)
            x, y = size / 2, size / 2
            for angle in leaning(states[block].T):
                draw_lines(frames[block], x, y, angle, length, width)
                x, y = x + length * np.sin(angle), y - length * np.cos(angle)
        return frames[..., None]

    def sample_states(self, n: int, rng: np.random.Generator) -> FloatArray:
        return rng.uniform(self.state_low, self.state_high, size=(n, 6))

    def features(self, states: FloatArray) -> FloatArray:
        """Return cosines and sines of the links' angles from upright, and the rates as fractions of their range."""
        angles, rates = leaning(states.T), states[:, 1::2].T
        return np.concatenate((np.cos(angles), np.sin(angles), rates / MAX_RATE)).T

    def scene(self, state: FloatArray, goal: FloatArray, control: FloatArray) -> Sequence[Shape]:
        joints: list[Point] = [(0.5, 0.5)]
        for angle in leaning(state):
            joints.append(on_circle(joints[-1], float(angle), 0.145))
        upright = float(leaning(goal)[0])
        shapes: list[Shape] = [
            Disc(joints[0], 0.45, STONE, width=0.004),
            sector(joints[0], upright, GOAL_ANGLE, 0.45, GOAL_AREA),
            Path(tuple(joints), 0.05, BODY),
        ]
        shapes += [Disc(joint, 0.014, STONE) for joint in joints[:3]]
        for joint, torque in zip(joints, control, strict=False):
            shapes += torque_arrow(joint, float(torque) / TORQUE_LIMIT, 0.065, 0.009)
        return shapes


def leaning(states: FloatArray) -> FloatArray:
    """Return the links' own angles from upright, rad, ``(3, ...)``, of states ``(6, ...)``; the third within 2 pi."""
    return np.cumsum(states[::2], axis=0)


def stands(states: FloatArray) -> BoolArray:
    """Return which states ``(N, 6)`` have all three links within 30 degrees of upright, at any rates."""
    return np.asarray(np.all(np.abs(leaning(states.T)) <= GOAL_ANGLE, axis=0))
