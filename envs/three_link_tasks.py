"""The task of the three-link arm, in two sizes of picture: raise it, and keep it up."""

import math
from dataclasses import dataclass

import numpy as np

from e2c_control.envs.angles import wrap
from e2c_control.envs.system import BoolArray, FloatArray
from e2c_control.envs.task import Task
from e2c_control.envs.three_link import GOAL_ANGLE, TORQUE_LIMIT, ThreeLink, leaning
from e2c_control.envs.three_link_motion import in_joints, torques_for

START = np.array([math.radians(171), 0.0, math.radians(117), 0.0, math.radians(59.4), 0.0])


def upright(states: FloatArray, goals: FloatArray) -> BoolArray:
    """All three links within 30 degrees of the goal's, at any rates."""
    return np.asarray(np.all(np.abs(wrap(leaning(states.T) - leaning(goals.T))) <= GOAL_ANGLE, axis=0))


@dataclass(frozen=True)
class FoldAndRise:
    """Computed torque: the accelerations that pull the joints to a posture, as far as the motors go.

    The first posture is beyond the goal, so that the first link hurries, with the second one folded back, so that its
    motor can lift it; once the first link is past ``switch`` the posture is upright.

    Attributes:
        posture: angles of the joints to pull to at first, rad.
        switch: angle of the first link from which on upright is pulled to, rad.
        hurry: (rate for each rad that is missing, 1/s; share of the missing rate to gain, 1/s) at first.
        settle: the same for upright.
        fastest: rate to ask for at most, rad/s; above what the arm keeps after a step, which it passes within a step.
    """

    posture: tuple[float, float, float]
    switch: float
    hurry: tuple[float, float]
    settle: tuple[float, float]
    fastest: float

    def __call__(self, states: FloatArray, goals: FloatArray, step: int, rng: np.random.Generator) -> FloatArray:
        angles, rates = states[:, ::2].T, states[:, 1::2].T
        risen = angles[0] < self.switch
        missing = np.where(risen, 0.0, np.array(self.posture)[:, None]) - angles
        pull = np.where(risen, self.settle[0], self.hurry[0]) * missing
        wanted = np.clip(pull, -self.fastest, self.fastest)
        gains = np.where(risen, self.settle[1], self.hurry[1])
        links = np.stack((angles, rates, gains * (wanted - rates))).cumsum(axis=1)
        torques = in_joints(torques_for(*links))
        return np.clip(torques, -TORQUE_LIMIT, TORQUE_LIMIT).T


REFERENCES = (FoldAndRise((-1.72, 0.56, -0.13), 1.43, (40.0, 49.0), (2.9, 10.8), 6.0),)


def _task(task_id: str, system: ThreeLink) -> Task:
    """What the two have in common: all but the picture."""
    return Task(
        id=task_id,
        system=system,
        start_low=START.copy(),
        start_high=START.copy(),
        goals=np.zeros((1, 6)),
        in_goal=upright,
        horizon=200,
        planning_horizon=20,
        q=50.0,
        r=1.0,
        frame_stack=2,
        latent_dim=8,
        references=REFERENCES,
    )


def three_link(*, noise: float = 0.0) -> Task:
    """E2C/ThreeLink-v0: raise an arm of three links, each with a motor, and keep it up.

    The three-link arm of PCC (Levine et al., ICLR 2020) and PC3 (Shu et al., ICML 2020), with their constants. The
    motors are too weak to lift the stretched arm: it has to fold.

    ## Action space
    ``Box(-1, 1, (3,), float32)``: the torques of the joints, as fractions of 1 N m, counter-clockwise.

    ## Observation space
    ``Box(0, 255, (80, 80, 2), uint8)``: the two latest frames, the older one first; three white links on black.

    ## State
    ``info["state"]``: (angle, rate) of each joint, from the fixed one to the last. The first angle is that of the first
    link from upright, rad, clockwise, in [-pi, pi); the second one that of the second link from the first, in
    [-2 pi / 3, 2 pi / 3); the third one that of the third link from the second, in [-pi / 3, pi / 3). An angle that
    leaves its range at one end comes back at the other. The rates, rad/s, are within +-pi / 2.
    A step takes 0.02 s where all three links are within 30 degrees of upright, and 0.05 s elsewhere.

    ## Reward
    1 when all three links are within 30 degrees of upright after the step, otherwise 0. The return divided by 200 is
    the protocol's score.

    ## Start
    At rest at (171, 117, 59.4) degrees, always: near the ends of the angles' ranges.

    ## End
    Truncated after 200 steps, never terminated.

    ## Arguments
    ``noise``: standard deviation of the process noise on angles and rates, rad and rad/s.
    All tasks take ``frame_stack``, ``horizon``, ``goal`` and ``render_mode``: see `e2c_control.envs.env.TaskEnv`.

    ## Version history
    v0: first version.
    """
    return _task("E2C/ThreeLink-v0", ThreeLink(noise=noise))


def three_link_fine(*, noise: float = 0.0) -> Task:
    """E2C/ThreeLinkFine-v0: the arm of `three_link`, E2C/ThreeLink-v0, in a larger picture.

    128 x 128 pixels, as in E2C's own paper (Watter et al., 2015). All else, the start included, is that of the other.

    ## Observation space
    ``Box(0, 255, (128, 128, 2), uint8)``: the two latest frames, the older one first; three white links on black.

    ## Start
    At rest at (171, 117, 59.4) degrees, always.

    ## Version history
    v0: first version.
    """
    return _task("E2C/ThreeLinkFine-v0", ThreeLink(noise=noise, frame_size=128))
