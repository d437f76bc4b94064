"""A task of the cart-pole: keep the pole up."""

import math
from dataclasses import dataclass

import numpy as np

from e2c_control.envs.angles import wrap
from e2c_control.envs.cart_pole import GOAL_ANGLE, CartPole
from e2c_control.envs.system import BoolArray, FloatArray
from e2c_control.envs.task import Task


def upright(states: FloatArray, goals: FloatArray) -> BoolArray:
    """Return which states are within 18 degrees of the goal's angle, wherever the cart is."""
    return np.asarray(np.abs(wrap(states[:, 0] - goals[:, 0])) <= GOAL_ANGLE)


@dataclass(frozen=True)
class Feedback:
    """Force in proportion to angle and rate, as far as it goes.

    The cart is left to run: its place is not part of the goal, and an episode is too short for it to matter.
    """

    angle_gain: float  # N/rad
    rate_gain: float  # N s/rad

    def __call__(self, states: FloatArray, goals: FloatArray, step: int, rng: np.random.Generator) -> FloatArray:
        return (self.angle_gain * states[:, 0] + self.rate_gain * states[:, 1])[:, None]


def balance(*, noise: float = 0.0) -> Task:
    """E2C/CartPoleBalance-v0: push a cart so that the pole on it stays up.

    The cart-pole of PCC (Levine et al., ICLR 2020) and PC3 (Shu et al., ICML 2020), with PCC's constants. Starts
    beyond 18 degrees lie outside the goal region and cost a few steps whatever the force: the ceiling is below 100.

    ## Action space
    ``Box(-1, 1, (1,), float32)``: the force on the cart, as a fraction of 10 N, to the right.

    ## Observation space
    ``Box(0, 255, (80, 80, 2), uint8)``: the two latest frames, the older one first; a white cart and pole on black.

    ## State
    ``info["state"]``: (angle, rate, place, speed): the pole's angle from upright, rad, clockwise, in [-pi, pi); its
    rate, rad/s, within +-2 pi; the cart's place, m, to the right of the image's middle, without end (the camera sees
    3 m on each side); its speed, m/s, within +-6. A step takes 0.02 s.

    ## Planning
    15 steps ahead. PCC and PC3 plan 5: a tenth of a second, in which moving the cart under the pole costs more than the
    angle that it saves.

    ## Reward
    1 when the pole is within 18 degrees of upright after the step, otherwise 0; the cart may be anywhere. The return
    divided by 50 is the protocol's score.

    ## Start
    The cart in the middle, everything at rest, the angle uniform in [-22.5, 22.5] degrees.

    ## End
    Truncated after 50 steps, never terminated.

    ## Arguments
    ``noise``: standard deviation of the process noise on all four state variables, in their own units.
    All tasks take ``frame_stack``, ``horizon``, ``goal`` and ``render_mode``: see `e2c_control.envs.env.TaskEnv`.

    ## Version history
    v0: first version.
    """
    widest = np.array([math.radians(22.5), 0.0, 0.0, 0.0])
    return Task(
        id="E2C/CartPoleBalance-v0",
        system=CartPole(noise=noise),
        start_low=-widest,
        start_high=widest,
        goals=np.zeros((1, 4)),
        in_goal=upright,
        horizon=50,
        planning_horizon=15,
        q=100.0,
        r=1.0,
        frame_stack=2,
        latent_dim=4,
        references=(Feedback(120.0, 15.0),),
    )
