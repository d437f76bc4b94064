"""What the two Gymnasium faces of a task have in common."""

from collections.abc import Mapping
from typing import Any

from gymnasium.envs.registration import EnvSpec

from e2c_control.envs.episodes import Episodes
from e2c_control.envs.registry import check_spec, make_task
from e2c_control.envs.task import Task
from e2c_control.envs.viewer import Viewer, check_render_mode


class Face:
    """A task, its episodes, how they are shown, and the note of what made it."""

    metadata: dict[str, Any]
    _spec: EnvSpec | None = None

    def _wear(
        self,
        task: str | Task,
        num_envs: int,
        render_mode: str | None,
        frame_stack: int | None,
        horizon: int | None,
        goal: Any,
        options: Mapping[str, float],
    ) -> None:
        """Set up the attributes; for the arguments see `e2c_control.envs.env.TaskEnv`."""
        check_render_mode(render_mode, self.metadata["render_modes"])
        self.task = make_task(task, frame_stack=frame_stack, horizon=horizon, **options)
        self.render_mode = render_mode
        self.metadata = {**self.metadata, "render_fps": self.task.system.frames_per_second}
        self._episodes = Episodes(self.task, num_envs, goal)
        self._viewer = Viewer()

    @property
    def spec(self) -> EnvSpec | None:
        """What `gymnasium.make` and `gymnasium.make_vec` note about what they made."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        check_spec(spec)
        self._spec = spec
