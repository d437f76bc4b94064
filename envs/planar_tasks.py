"""Two tasks of the planar world: among the obstacles of the E2C comparisons, and around walls."""

import math
from dataclasses import dataclass

import numpy as np

from e2c_control.envs.navigator import Navigator
from e2c_control.envs.planar import GOAL_RADIUS, PROTOCOL_OBSTACLES, SIZE, Planar, near
from e2c_control.envs.scene import Point
from e2c_control.envs.system import FloatArray
from e2c_control.envs.task import Controller, Task
from e2c_control.fields import NotNegative, Seed, checked

WALLS = ((0, 13, 25, 17), (15, 25, 40, 29))
OBSTACLES_AMONG_WALLS = ((14.5, 6.5), (31.5, 7.5), (33.5, 20.5), (11.5, 20.5), (8.5, 33.5), (24.5, 34.5))


@dataclass(frozen=True)
class Greedy:
    """Drives straight to the goal; where that is blocked, takes the best of a few random side-steps."""

    system: Planar

    def __call__(self, states: FloatArray, goals: FloatArray, step: int, rng: np.random.Generator) -> FloatArray:
        limit = self.system.max_step
        controls = np.clip(goals - states, -limit, limit)
        for row in np.flatnonzero(self.system.blocked(states + controls)):
            tries = rng.uniform(-limit, limit, size=(32, 2))
            landing = self.system.advance(np.repeat(states[row : row + 1], 32, axis=0), tries, None)
            distance = np.linalg.norm(landing - goals[row], axis=1)
            distance[np.all(landing == states[row], axis=1)] = math.inf
            controls[row] = tries[np.argmin(distance)]
        return controls


def _task(
    task_id: str,
    system: Planar,
    start: tuple[float, float],
    goals: tuple[Point, ...],
    horizon: int,
    planning_horizon: int,
    reference: Controller,
) -> Task:
    """Make one of the two, which start in a square and end near a goal."""
    low, high = start
    return Task(
        id=task_id,
        system=system,
        start_low=np.full(2, low),
        start_high=np.full(2, high),
        goals=np.array(goals),
        in_goal=near,
        horizon=horizon,
        planning_horizon=planning_horizon,
        q=10.0,
        r=1.0,
        frame_stack=1,
        latent_dim=2,
        references=(reference,),
        goal_radius=GOAL_RADIUS,
        roundabout=bool(system.walls),
    )


def drawn_obstacles(seed: int, kept_free: FloatArray) -> tuple[Point, ...]:
    """Draw as many obstacles as the protocol has, apart from each other and from places ``(P, 2)`` that are kept free.

    Eight pixels leave a way for the agent between any two of them, and around each.
    """
    rng, found = np.random.default_rng(seed), list[Point]()
    while len(found) < len(PROTOCOL_OBSTACLES):
        drawn = rng.integers(5, SIZE - 5, 2) + 0.5
        others = np.array([*kept_free.tolist(), *found])
        if np.linalg.norm(others - drawn, axis=1).min() >= 8:
            found.append((float(drawn[0]), float(drawn[1])))
    return tuple(found)


@checked
def planar(*, noise: NotNegative = 0.0, max_step: float = 3.0, layout_seed: Seed | None = None) -> Task:
    """E2C/Planar-v0: drive a small square past six obstacles to a corner.

    The planar world of Embed to Control (Watter et al., NIPS 2015), with the constants of the later comparisons (PCC,
    Levine et al., ICLR 2020; PC3, Shu et al., ICML 2020), quirks included.

    ## Action space
    ``Box(-1, 1, (2,), float32)``: the displacement (row, column), as a fraction of ``max_step`` pixels.

    ## Observation space
    ``Box(0, 255, (40, 40, 1), uint8)``: obstacles and agent in white, on black, from above. The agent is a square of
    2 x 2 pixels at the rounded centre.

    ## State
    ``info["state"]``: (row, column) of the agent's centre, pixels, each in [1.5, 38.5].

    ## Reward
    1 when the agent is within 2 pixels of the goal after the step, otherwise 0. The return divided by 40 is the
    protocol's score. The obstacles have no cost: a move that would land on one has no effect. An obstacle is drawn 5
    pixels wide, but blocks only where its centre (the dark dot in large pictures) lies in the agent's box of 3 x 3
    pixels: its rim can be driven over. Only the landing point is tested, so that a long move jumps it.

    ## Start
    Row and column uniform in [3, 7]. The goal is one of (37, 37), (37, 3) and (3, 37), with equal chance.

    ## End
    Truncated after 40 steps, never terminated.

    ## Arguments
    ``noise``: standard deviation of the process noise, pixels. ``max_step``: largest displacement per axis, pixels.
    ``layout_seed``: of six other places for the obstacles.
    All tasks take ``frame_stack``, ``horizon``, ``goal`` and ``render_mode``: see `e2c_control.envs.env.TaskEnv`.

    ## Version history
    v0: first version.
    """
    goals = ((37.0, 37.0), (37.0, 3.0), (3.0, 37.0))
    obstacles = PROTOCOL_OBSTACLES
    if layout_seed is not None:
        obstacles = drawn_obstacles(layout_seed, np.array(((5.0, 5.0), *goals)))
    system = Planar(noise=noise, max_step=max_step, obstacles=obstacles)
    return _task("E2C/Planar-v0", system, (3.0, 7.0), goals, 40, 10, Greedy(system))


def planar_walls(*, noise: float = 0.0, max_step: float = 3.0) -> Task:
    """E2C/PlanarWalls-v0: drive around two walls that reach in from opposite sides.

    Straight to the goal is never the way: a controller has to drive away from it first, below the first wall and, for
    two of the goals, above the second one. The task is this project's own.

    Actions, observations, state, reward and arguments are those of `planar`, E2C/Planar-v0. The
    walls are 4 pixels thick, and the agent's box of 3 x 3 pixels must not overlap them, so that no step can jump them;
    ``max_step`` is limited accordingly. A move that would end in a wall has no effect: walls block as they are drawn.

    ## Start
    Row and column uniform in [3, 9]. The goal is one of (5, 21), (35, 35) and (5, 35), with equal chance.

    ## End
    Truncated after 60 steps, never terminated.

    ## Version history
    v0: first version.
    """
    system = Planar(noise=noise, max_step=max_step, obstacles=OBSTACLES_AMONG_WALLS, walls=WALLS)
    goals = ((5.0, 21.0), (35.0, 35.0), (5.0, 35.0))
    return _task("E2C/PlanarWalls-v0", system, (3.0, 9.0), goals, 60, 25, Navigator(system))
