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
    """Return which states are within 30 degrees of the goal in all three links, at any rates."""
    return np.asarray(np.all(np.abs(wrap(leaning(states.T) - leaning(goals.T))) <= GOAL_ANGLE, axis=0))


@dataclass(frozen=True)
class Phase:
    """A posture to pull the joints to, while the first link is still above an angle, going down.

    Attributes:
        until: angle of the first link, rad.
        posture: angles of the joints, rad.
        pull: rate to ask for, for each rad that is missing, 1/s.
        push: share of the missing rate to gain, 1/s.
    """

    until: float
    posture: tuple[float, float, float]
    pull: float
    push: float


@dataclass(frozen=True)
class FoldAndRise:
    """Computed torque: the accelerations that pull the joints to a posture, as far as the motors go.

    The first postures are out of reach, so that the motors work at their limits. The outer links are folded back, so
    that the first motor can lift them, and thrown to and fro, which hurries the first link: what they swing back is
    lost where the rates are clipped after a step. The last posture is the one to hold.

    Attributes:
        phases: one after another; the last one has no end.
        fastest: rate to ask for at most, rad/s; more than the arm keeps after a step, which it passes within a step.
    """

    phases: tuple[Phase, ...]
    fastest: float

    def __call__(self, states: FloatArray, goals: FloatArray, step: int, rng: np.random.Generator) -> FloatArray:
        angles, rates = states[:, ::2].T, states[:, 1::2].T
        until = np.array([phase.until for phase in self.phases[:-1]])
        now = np.sum(angles[0] < until[:, None], axis=0)
        posture = np.array([phase.posture for phase in self.phases]).T[:, now]
        pull, push = np.array([(phase.pull, phase.push) for phase in self.phases]).T[:, now]
        wanted = np.clip(pull * (posture - angles), -self.fastest, self.fastest)
        links = np.stack((angles, rates, push * (wanted - rates))).cumsum(axis=1)
        torques = in_joints(torques_for(*links))
        return np.clip(torques, -TORQUE_LIMIT, TORQUE_LIMIT).T


@dataclass(frozen=True, eq=False)
class Rehearsed:
    """Torques that were found beforehand, since the start is always the same, and then another controller.

    `experiments/control/three_link_race.py` searches for them.

    Attributes:
        torques: of the three joints, N m, ``(3, T)``.
        after: what to do when they have run out.
    """

    torques: FloatArray
    after: FoldAndRise

    def __call__(self, states: FloatArray, goals: FloatArray, step: int, rng: np.random.Generator) -> FloatArray:
        if step < self.torques.shape[1]:
            return np.tile(self.torques[:, step], (len(states), 1))
        return self.after(states, goals, step, rng)


RACE = np.array(
    [
        [1.0, 1.0, 0.9, 0.8, 0.8, 0.8, 0.6, 0.9, 0.9, 0.9, 0.7, 1.0, 0.9, 1.0, 0.8, 1.0, 1.0, 0.8, 1.0],
        [0.6, -0.6, -0.3, -0.2, 0.2, 0.2, 0.6, -0.9, -0.5, -0.9, -0.4, -1.0, 0.2, -0.6, 0.7, -1.0, 0.4, -0.8, -1.0],
        [0.6, 1.0, 0.5, -0.8, -0.4, -0.6, -1.0, 1.0, -1.0, -1.0, 0.7, 1.0, -1.0, 1.0, -1.0, 1.0, -0.7, -0.4, 1.0],
    ]
)
HOLD = FoldAndRise((Phase(-math.inf, (0.0, 0.0, 0.0), 5.0, 10.0),), fastest=6.0)
REFERENCES = (
    Rehearsed(RACE, HOLD),
    FoldAndRise(
        (
            Phase(2.054, (-0.699, 0.361, 1.295), 77.138, 33.472),
            Phase(1.657, (-3.101, 0.584, 0.073), 5.916, 84.146),
            Phase(-math.inf, (0.0, 0.0, 0.0), 3.763, 13.273),
        ),
        fastest=15.075,
    ),
    FoldAndRise(
        (Phase(1.43, (-1.72, 0.56, -0.13), 40.0, 49.0), Phase(-math.inf, (0.0, 0.0, 0.0), 2.9, 10.8)), fastest=6.0
    ),
)


def _task(task_id: str, system: ThreeLink) -> Task:
    """Make one of the two, which differ in their picture alone."""
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
