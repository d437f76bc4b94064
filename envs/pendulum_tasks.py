"""Three tasks of the pendulum: hold it up, swing it up, and pump it up with a motor too weak to lift it."""

import math
from dataclasses import dataclass

import numpy as np

from e2c_control.envs.angles import wrap
from e2c_control.envs.pendulum import GOAL_ANGLE, GRAVITY_TORQUE, INERTIA, Pendulum
from e2c_control.envs.system import BoolArray, FloatArray
from e2c_control.envs.task import Controller, Task


def upright(states: FloatArray, goals: FloatArray) -> BoolArray:
    """Return which states are within 30 degrees of the goal's angle, at any rate."""
    return np.asarray(np.abs(wrap(states[:, 0] - goals[:, 0])) <= GOAL_ANGLE)


def hold(states: FloatArray) -> FloatArray:
    """Return torques ``(N,)`` that cancel gravity and pull the rod upright, critically damped at 10 rad/s."""
    angle, rate = states[:, 0], states[:, 1]
    return GRAVITY_TORQUE * np.sin(angle) + INERTIA * (100 * angle + 20 * rate)


@dataclass(frozen=True)
class LiftAndHold:
    """Full torque towards upright for the first steps, then `hold`."""

    system: Pendulum
    switch: int

    def __call__(self, states: FloatArray, goals: FloatArray, step: int, rng: np.random.Generator) -> FloatArray:
        full = np.copysign(self.system.torque_limit, states[:, 0])
        torque = full if step < self.switch else hold(states)
        return np.clip(torque, -self.system.torque_limit, self.system.torque_limit)[:, None]


@dataclass(frozen=True)
class PumpAndHold:
    """Energy shaping (Åström and Furuta, 2000): full torque with the motion until the rod has the energy to stand.

    A surplus makes it arrive with some speed; `hold` takes over once it is nearly upright.
    """

    system: Pendulum
    surplus: float  # J
    catch_angle: float  # rad

    def __call__(self, states: FloatArray, goals: FloatArray, step: int, rng: np.random.Generator) -> FloatArray:
        angle, rate = states[:, 0], states[:, 1]
        energy = INERTIA * rate**2 / 2 + GRAVITY_TORQUE * (np.cos(angle) - 1)  # J, 0 at rest upright
        # The torque takes power torque * rate out of the rod.
        pump = np.copysign(self.system.torque_limit, (energy - self.surplus) * np.copysign(1.0, rate))
        torque = np.where(np.abs(angle) < self.catch_angle, hold(states), pump)
        return np.clip(torque, -self.system.torque_limit, self.system.torque_limit)[:, None]


def _task(
    task_id: str,
    system: Pendulum,
    start_degrees: tuple[float, float],
    horizon: int,
    planning_horizon: int,
    references: tuple[Controller, ...],
) -> Task:
    """Make one of the three, which start at rest and end upright."""
    low, high = start_degrees
    return Task(
        id=task_id,
        system=system,
        start_low=np.array([math.radians(low), 0.0]),
        start_high=np.array([math.radians(high), 0.0]),
        goals=np.zeros((1, 2)),
        in_goal=upright,
        horizon=horizon,
        planning_horizon=planning_horizon,
        q=50.0,
        r=1.0,
        frame_stack=2,
        latent_dim=3,
        references=references,
    )


def balance(*, noise: float = 0.0) -> Task:
    """E2C/PendulumBalance-v0: keep the pendulum up.

    The inverted pendulum of PCC (Levine et al., ICLR 2020) and PC3 (Shu et al., ICML 2020), with their constants.

    ## Action space
    ``Box(-1, 1, (1,), float32)``: the torque, as a fraction of 0.65 N m, counter-clockwise. Gravity needs at most
    0.49 N m.

    ## Observation space
    ``Box(0, 255, (48, 48, 2), uint8)``: the two latest frames, the older one first; a white rod on black.

    ## State
    ``info["state"]``: (angle, rate): the angle from upright, rad, clockwise, in [-pi, pi); its rate, rad/s, within
    +-3 pi. A step takes 0.02 s.

    ## Reward
    1 when the rod is within 30 degrees of upright after the step, otherwise 0. The return divided by 100 is the
    protocol's score.

    ## Start
    Upright and at rest.

    ## End
    Truncated after 100 steps, never terminated.

    ## Arguments
    ``noise``: standard deviation of the process noise on angle and rate, rad and rad/s.
    All tasks take ``frame_stack``, ``horizon``, ``goal`` and ``render_mode``: see `e2c_control.envs.env.TaskEnv`.

    ## Version history
    v0: first version.
    """
    system = Pendulum(noise=noise)
    return _task("E2C/PendulumBalance-v0", system, (0.0, 0.0), 100, 10, (LiftAndHold(system, 0),))


def swing_up(*, noise: float = 0.0) -> Task:
    """E2C/PendulumSwingUp-v0: lift the pendulum from near the bottom, and keep it up.

    The swing-up of PCC (Levine et al., ICLR 2020) and PC3 (Shu et al., ICML 2020), with their constants. The motor is
    stronger than gravity, so that it needs no run-up: see E2C/PendulumPump-v0 for that. Actions, observations,
    state, reward, end and arguments are those of `balance`, E2C/PendulumBalance-v0.

    Plans look 20 steps ahead, where the protocol's look 10: that is less than the way up takes, and some learned models
    then start the long way round, or never come up.

    ## Start
    At rest, the angle uniform in [162, 171] degrees.

    ## Version history
    v0: first version.
    """
    system = Pendulum(noise=noise)
    references = tuple(LiftAndHold(system, switch) for switch in range(10, 24))
    return _task("E2C/PendulumSwingUp-v0", system, (162.0, 171.0), 100, 20, references)


def pump(*, noise: float = 0.0) -> Task:
    """E2C/PendulumPump-v0: swing the pendulum up with a motor that cannot lift it.

    The torque is limited to 0.2 N m where gravity needs 0.49 N m: it takes about three swings to gather the energy.
    The rate may reach 5 pi rad/s, because the protocol's 3 pi would take away what the last swing needs.
    Actions (as a fraction of 0.2 N m), observations, state, reward and arguments are those of `balance`,
    E2C/PendulumBalance-v0; the task is this project's own.

    ## Start
    At the bottom and at rest, the angle uniform in [171, 180] degrees.

    ## End
    Truncated after 200 steps, never terminated.

    ## Version history
    v0: first version.
    """
    system = Pendulum(noise=noise, torque_limit=0.2, max_rate=5 * math.pi)
    tuning = ((surplus, catch) for surplus in (0.02, 0.05, 0.1) for catch in (0.3, 0.45, 0.6))
    references = tuple(PumpAndHold(system, surplus, catch) for surplus, catch in tuning)
    return _task("E2C/PendulumPump-v0", system, (171.0, 180.0), 200, 90, references)
