"""A task: a system together with everything that is asked of it."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from e2c_control.envs.system import BoolArray, FloatArray, Frames, System
from e2c_control.fields import Count, FrameStack, check

PROTOCOL_SEED, PROTOCOL_PROBLEMS = 2020, 10
"""The published list of problems: what it is drawn with, and how many they are."""


class Problem(NamedTuple):
    """Start and goal of an evaluation episode, each ``(n,)``."""

    start: FloatArray
    goal: FloatArray


class Controller(Protocol):
    """A hand-made controller that sees the true state."""

    def __call__(self, states: FloatArray, goals: FloatArray, step: int, rng: np.random.Generator) -> FloatArray:
        """Return controls ``(N, m)`` for states and goals ``(N, n)`` after ``step`` steps of an episode."""
        ...


class GoalTest(Protocol):
    """Membership in the goal region."""

    def __call__(self, states: FloatArray, goals: FloatArray) -> BoolArray:
        """Return which states ``(N, n)`` are in the region of their goals ``(N, n)``: ``(N,)``."""
        ...


class Counterpart(Protocol):
    """The other end of a problem, where start and goal depend on each other."""

    def __call__(self, states: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Draw a goal for each start ``(N, n)``, which is a start for each goal, too."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """A system plus start distribution, goals, goal test, horizons and costs. Every environment id is one.

    The cost of a plan is the sum over its steps of ``q |z - z_goal|^2 + r |u|^2``, with the control u in physical
    units and z the latent state (or `System.features`); the last state has weight q as well.

    Attributes:
        id: name of the environment.
        system: physics and camera.
        start_low: lower end of the uniform start distribution, ``(n,)``.
        start_high: its upper end, ``(n,)``.
        goals: the goal states, ``(G, n)``, which have numbers.
        counterpart: draws the goal of each start, where it is none of the list, but depends on the start. Starts are
            then all that `System.sample_states` draws, and a start for a given goal is drawn by it, too.
        in_goal: which states are in the region of their goals.
        horizon: steps in an episode.
        planning_horizon: steps in a plan.
        q: weight of the squared distance to the goal.
        r: weight of the squared control in physical units.
        frame_stack: frames in an observation.
        latent_dim: dimensions of a latent space that has room for the world, curled up as little as can be: a place in
            the plane takes two, an angle and its rate three.
        references: hand-made controllers; the task's reference score takes the best of them for each problem.
        goal_radius: of the goal region in pixels, where it is a disc around a place (see `System.background`): drawn
            into plots, while `in_goal` decides.
        roundabout: whether walls block the straight way, so that plans have to know ways around them.
        about: the page of the world in words, see `e2c_control.envs.page`; `make_task` takes its maker's docstring.
    """

    id: str
    system: System
    start_low: FloatArray
    start_high: FloatArray
    goals: FloatArray
    in_goal: GoalTest
    horizon: Count
    planning_horizon: Count
    q: float
    r: float
    frame_stack: FrameStack
    latent_dim: Count
    references: tuple[Controller, ...]
    goal_radius: float | None = None
    counterpart: Counterpart | None = None
    roundabout: bool = False
    about: str = ""

    def __post_init__(self) -> None:
        check(self)

    @property
    def observation_shape(self) -> tuple[int, int, int]:
        """``(H, W, frame_stack * C)``."""
        height, width, channels = self.system.frame_shape
        return height, width, channels * self.frame_stack

    @property
    def action_weight(self) -> FloatArray:
        """The weight r converted to actions in [-1, 1], ``(m,)``: ``r |u|^2 = sum(action_weight * action^2)``."""
        return self.r * self.system.control_limit**2

    def sample_starts(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw start states ``(n, state_size)``."""
        if self.counterpart is not None:
            return self.system.sample_states(n, rng)
        return rng.uniform(self.start_low, self.start_high, size=(n, self.system.state_size))

    def sample_problem(
        self,
        rng: np.random.Generator,
        start: FloatArray | None = None,
        goal: FloatArray | None = None,
        *,
        anywhere: bool = False,
    ) -> Problem:
        """Draw start and goal of an episode, or what is not given of them, each ``(n,)``; the start ``anywhere``."""
        if start is None:
            start = self._drawn_start(rng, goal, anywhere)
        if goal is not None:
            return Problem(start, goal)
        if self.counterpart is not None:
            return Problem(start, self.counterpart(start[None], rng)[0])
        return Problem(start, self.goals[rng.integers(len(self.goals))].copy())

    def _drawn_start(self, rng: np.random.Generator, goal: FloatArray | None, anywhere: bool) -> FloatArray:
        if goal is not None and anywhere:
            return self.system.sample_alongside(goal[None], rng)[0]
        if goal is not None and self.counterpart is not None:
            return self.counterpart(goal[None], rng)[0]
        return (self.system.sample_states if anywhere else self.sample_starts)(1, rng)[0]

    def observe_at_rest(self, states: FloatArray) -> Frames:
        """Return observations ``(N, H, W, frame_stack * C)`` of a system that stands still: one frame, repeated."""
        return np.tile(self.system.render(states), (1, 1, 1, self.frame_stack))

    def evaluation_problems(self, seed: int = PROTOCOL_SEED, n: int = PROTOCOL_PROBLEMS) -> tuple[Problem, ...]:
        """Return the protocol's list of problems, the same for every model; tune on other seeds, from 100 up.

        The published evaluations of PCC and PC3 draw it from NumPy's global generator, seeded with 2020: a start, then
        the index of a goal. The legacy generator is therefore part of the protocol. Where goals depend on starts there
        is no published list, and it is a `sample_problem` after another.
        """
        if self.counterpart is not None:
            rng = np.random.default_rng(seed)
            return tuple(self.sample_problem(rng) for _ in range(n))
        draw = np.random.RandomState(seed)
        problems: list[Problem] = []
        for _ in range(n):
            start = draw.uniform(self.start_low, self.start_high)
            problems.append(Problem(start, self.goals[draw.choice(len(self.goals))].copy()))
        return tuple(problems)
