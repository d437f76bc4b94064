"""A task as a `gymnasium.Env`."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import ArrayLike, NDArray

from e2c_control.envs.face import Face
from e2c_control.envs.registry import make_task
from e2c_control.envs.system import Frames
from e2c_control.envs.task import Task

NO_RESTART = np.zeros(1, np.bool_)


class TaskEnv(Face, gymnasium.Env[Frames, NDArray[np.float32]]):  # pyright: ignore[reportIncompatibleVariableOverride]
    """One task from pixels. The page of each environment is the docstring of the function that makes its task.

    ## Action space
    ``Box(-1, 1, (m,), float32)``: controls as a fraction of the task's limits. Values outside are clipped.

    ## Observation space
    ``Box(0, 255, (H, W, frame_stack * C), uint8)``: the latest camera images, the oldest first. The first observation
    of an episode repeats its first image.

    ## Reward and end
    1 when the state after the step is in the goal region, otherwise 0. Never terminated, truncated at the horizon.

    ## Info
    ``state`` and ``goal`` (n,) in physical units, float64; ``is_success``: whether the state is in the goal region.

    ## Reset options
    ``{"state": s}`` starts at s; ``{"start": "sampled"}`` starts anywhere, at a state drawn from the system;
    ``{"goal": g}`` sets the goal of this episode, by its index in the task's list or as a state. Where a task draws the
    goal of each start, a given goal gets a start drawn for it; walls that are drawn anew are those of what is given.

    ## Arguments
    Args:
        task: id of the task, or a `Task` of your own, or what makes one, see `e2c_control.envs.make_task`.
        render_mode: "human" for a window, "rgb_array" for large pictures; neither changes the observations.
        frame_stack: frames in an observation, instead of the task's own number.
        horizon: steps in an episode, instead of the task's own number.
        goal: index or state of a goal for all episodes; without it every episode draws one of the task's.
        options: what the maker of the task takes, such as ``noise``: see `e2c_control.envs.make_task`.
    """

    metadata: dict[str, Any] = {"render_modes": ["human", "rgb_array"], "render_fps": 50}  # noqa: RUF012

    def __init__(
        self,
        task: str | Task | Callable[..., Task],
        *,
        render_mode: str | None = None,
        frame_stack: int | None = None,
        horizon: int | None = None,
        goal: ArrayLike | None = None,
        **options: float,
    ) -> None:
        made = make_task(task, frame_stack=frame_stack, horizon=horizon, **options)
        self._wear(made, 1, render_mode, goal)
        self.observation_space = self._episodes.observation_space
        self.action_space = self._episodes.action_space

    @property
    def goal_observation(self) -> Frames:
        """Observation of this episode's goal at rest, ``(H, W, frame_stack * C)``."""
        return self._episodes.goal_observations[0]

    @property
    def elapsed_steps(self) -> int:
        """Steps since the episode began."""
        return int(self._episodes.steps[0])

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Frames, dict[str, Any]]:
        super().reset(seed=seed)
        self._episodes.begin([self.np_random], options)
        self._show()
        return self._observation(), self._info()

    def step(self, action: NDArray[np.float32]) -> tuple[Frames, float, bool, bool, dict[str, Any]]:
        outcome = self._episodes.step([action], [self.np_random], NO_RESTART)
        self._show()
        return self._observation(), float(outcome.rewards[0]), False, bool(outcome.truncations[0]), self._info()

    def render(self) -> Frames | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return a large picture ``(480, 480, 3)`` of the true state in mode "rgb_array"; None otherwise."""
        if self.render_mode == "rgb_array":
            return self._viewer.picture(self._episodes.scene(0))
        self._show()
        return None

    def close(self) -> None:
        self._viewer.close()

    def _observation(self) -> Frames:
        return self._episodes.frames[0].copy()

    def _info(self) -> dict[str, Any]:
        info = {name: value[0] for name, value in self._episodes.info().items()}
        return {**info, "is_success": bool(info["is_success"])}

    def _show(self) -> None:
        if self.render_mode == "human":
            self._viewer.show(self._episodes.scene(0), self.metadata["render_fps"])
