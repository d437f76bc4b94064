"""The common part of a task's two Gymnasium faces."""

from typing import Any

from gymnasium.envs.registration import EnvSpec
from numpy.typing import ArrayLike

from e2c_control.envs.episodes import Episodes
from e2c_control.envs.page import task_page
from e2c_control.envs.registry import check_spec
from e2c_control.envs.task import Task
from e2c_control.envs.viewer import Viewer, check_render_mode
from e2c_control.errors import InputError


class Face:
    """A task, its episodes, how they are shown, and the note of what made it."""

    metadata: dict[str, Any]
    _spec: EnvSpec | None = None

    def _wear(self, task: Task, num_envs: int, render_mode: str | None, goal: ArrayLike | None) -> None:
        """Set up the attributes; for the arguments see `e2c_control.envs.env.TaskEnv`."""
        check_render_mode(render_mode, self.metadata["render_modes"])
        self.__doc__ = task_page(task)  # what help(env.unwrapped) shows
        self.render_mode = render_mode
        self.metadata = {**self.metadata, "render_fps": task.system.frames_per_second}
        self._episodes = Episodes(task, num_envs, goal)
        self._viewer = Viewer()

    @property
    def task(self) -> Task:
        """What is asked here; fixed when the environment is made."""
        return self._episodes.task

    @task.setter
    def task(self, task: Task) -> None:
        raise InputError("The task of an environment is fixed when it is made: make another one, TaskEnv(task).")

    @property
    def spec(self) -> EnvSpec | None:
        """The note of `gymnasium.make` or `gymnasium.make_vec` about how they made this."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        check_spec(spec)
        self._spec = spec
