"""The stepping core that the single and the vector environment share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Space
from numpy.typing import ArrayLike, NDArray

from e2c_control.envs.options import check_alike, check_options, given_goals, given_mask, given_states
from e2c_control.envs.scene import Shape
from e2c_control.envs.system import BoolArray, FloatArray, Frames
from e2c_control.envs.task import Task
from e2c_control.errors import InputError

IntArray: TypeAlias = NDArray[np.intp]
Generators: TypeAlias = Sequence[np.random.Generator]


@dataclass(frozen=True)
class Outcome:
    """Result of a step of N environments, each ``(N,)``."""

    rewards: FloatArray
    truncations: BoolArray


class Episodes:
    """N episodes of one task, each with a random generator of its own, so that no episode depends on another.

    Args:
        task: the task.
        num_envs: number of episodes N.
        goal: index or state of a goal for all episodes; without it every episode draws one of the task's.
    """

    def __init__(self, task: Task, num_envs: int, goal: ArrayLike | None = None) -> None:
        if num_envs < 1:
            raise InputError(f"num_envs must be at least 1, but it is {num_envs}.")
        system = task.system
        self.task = task
        self.num_envs = num_envs
        self._fixed_goals = None if goal is None else given_goals(task, goal, num_envs)
        self.states: FloatArray = np.zeros((num_envs, system.state_size))
        self.goals: FloatArray = np.zeros_like(self.states)
        self.controls: FloatArray = np.zeros((num_envs, system.control_size))
        self.frames: Frames = np.zeros((num_envs, *task.observation_shape), np.uint8)
        self.steps: IntArray = np.zeros(num_envs, np.intp)
        self._begun = np.zeros(num_envs, np.bool_)

    def begin(self, rngs: Generators, options: Mapping[str, object] | None = None) -> None:
        """Begin new episodes, all of them or those that the option ``reset_mask`` selects."""
        options = {} if options is None else options
        check_options(options)
        rows = given_mask(options.get("reset_mask"), self.num_envs)
        starts, goals = None, self._fixed_goals
        if options.get("state") is not None:
            starts = given_states(self.task, options["state"], self.num_envs, "state")
        if options.get("goal") is not None:
            goals = given_goals(self.task, options["goal"], self.num_envs)
        if starts is not None and goals is not None:
            check_alike(self.task, starts[rows], goals[rows])
        self._begin_rows(rows, rngs, starts, goals, options.get("start") == "sampled")

    def step(self, actions: ArrayLike, rngs: Generators, restart: BoolArray) -> Outcome:
        """Take one step, or, where ``restart`` (N,) says so, begin a new episode instead and ignore the action."""
        if not self._begun.all():
            raise ResetNeeded("Call reset before step.")
        controls = self._checked(actions) * self.task.system.control_limit
        live = np.flatnonzero(~restart)
        if live.size:
            self._step_rows(live, controls[live], [rngs[int(row)] for row in live])
        if live.size < self.num_envs:
            self._begin_rows(np.flatnonzero(restart), rngs, None, self._fixed_goals, False)
        rewards = (self.is_success & ~restart).astype(np.float64)
        return Outcome(rewards, truncations=self.steps >= self.task.horizon)

    @property
    def observation_space(self) -> Space[Frames]:
        """Space of one environment's observations."""
        return Box(0, 255, self.task.observation_shape, np.uint8)

    @property
    def action_space(self) -> Space[NDArray[np.float32]]:
        """Space of one environment's actions."""
        return Box(-1, 1, (self.task.system.control_size,), np.float32)

    @property
    def is_success(self) -> BoolArray:
        """Which episodes are in their goal region now, ``(N,)``."""
        return self.task.in_goal(self.states, self.goals)

    def info(self) -> dict[str, FloatArray | BoolArray]:
        """Return what comes beside the observations: ``state`` and ``goal`` (N, n), ``is_success`` (N,)."""
        return {"state": self.states.copy(), "goal": self.goals.copy(), "is_success": self.is_success}

    def scene(self, row: int) -> Sequence[Shape]:
        """Return shapes that show one episode to a human."""
        return self.task.system.scene(self.states[row], self.goals[row], self.controls[row])

    @property
    def goal_observations(self) -> Frames:
        """Observations of the goals at rest, ``(N, H, W, frame_stack * C)``."""
        if not self._begun.all() and self._fixed_goals is None:
            raise ResetNeeded("The goal is drawn by reset: call it first.")
        return self.task.observe_at_rest(self.goals if self._begun.all() else np.asarray(self._fixed_goals))

    def _checked(self, actions: ArrayLike) -> FloatArray:
        shape = (self.num_envs, self.task.system.control_size)
        try:
            values = np.asarray(actions, np.float64)
        except (TypeError, ValueError):
            raise InputError(f"An action must be an array of numbers, but it is {actions!r}.") from None
        if values.shape != shape:
            expected, found = (shape[1:], values.shape[1:]) if self.num_envs == 1 else (shape, values.shape)
            raise InputError(f"An action must have shape {expected}, but it has {found}.")
        if not np.isfinite(values).all():
            raise InputError("An action must be finite, but it holds NaN or infinity.")
        return values

    def _begin_rows(
        self, rows: IntArray, rngs: Generators, starts: FloatArray | None, goals: FloatArray | None, sampled: bool
    ) -> None:
        for row in rows:
            start, goal = (None if given is None else given[row] for given in (starts, goals))
            self.states[row], self.goals[row] = self.task.sample_problem(rngs[int(row)], start, goal, anywhere=sampled)
        self.frames[rows] = self.task.observe_at_rest(self.states[rows])
        self.controls[rows] = 0
        self.steps[rows] = 0
        self._begun[rows] = True

    def _step_rows(self, rows: IntArray, controls: FloatArray, rngs: Generators) -> None:
        system = self.task.system
        self.states[rows] = system.advance(self.states[rows], controls, system.disturbances(rngs))
        self.controls[rows] = np.clip(controls, -system.control_limit, system.control_limit)
        self.steps[rows] += 1
        channels = system.frame_shape[2]
        # A slice is much faster than an index array, and all rows are the usual case.
        place = slice(None) if len(rows) == self.num_envs else rows
        self.frames[place, ..., :-channels] = self.frames[place, ..., channels:]
        self.frames[place, ..., -channels:] = system.render(self.states[place])
