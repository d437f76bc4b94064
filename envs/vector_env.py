"""A task as a native `gymnasium.vector.VectorEnv`: physics and camera run on the whole batch at once."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from e2c_control.envs.face import Face
from e2c_control.envs.options import given_mask
from e2c_control.envs.registry import make_task
from e2c_control.envs.system import BoolArray, FloatArray, Frames
from e2c_control.envs.task import Task
from e2c_control.errors import InputError


class TaskVectorEnv(  # pyright: ignore[reportIncompatibleVariableOverride]
    Face, VectorEnv[Frames, NDArray[np.float32], NDArray[np.generic]]
):
    """N environments of one task, equal to the bit to N single ones (`e2c_control.envs.env.TaskEnv`).

    An episode that was truncated begins anew in the next step, which ignores its action and gives reward 0
    (`AutoresetMode.NEXT_STEP`). It begins as the task says: options of an earlier reset hold for one episode.

    ## Seeds
    ``reset(seed=s)`` seeds environment i with s + i; a sequence gives each its own.

    ## Reset options
    Those of the single environment; states and goals are one for all or one for each, with a leading axis N, and
    ``reset_mask`` (N,), Boolean, selects the environments to reset.

    ## Info
    ``state`` and ``goal`` (N, n), ``is_success`` (N,), each with its mask ``_state``, ``_goal``, ``_is_success``.

    ## Arguments
    Those of the single environment, and ``num_envs``. The only render mode is "rgb_array".
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        "render_modes": ["rgb_array"],
        "render_fps": 50,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        task: str | Task | Callable[..., Task],
        num_envs: int = 1,
        *,
        render_mode: str | None = None,
        frame_stack: int | None = None,
        horizon: int | None = None,
        goal: ArrayLike | None = None,
        **options: float,
    ) -> None:
        made = make_task(task, frame_stack=frame_stack, horizon=horizon, **options)
        self._wear(made, num_envs, render_mode, goal)
        self.num_envs = num_envs
        observation_space, action_space = self._episodes.observation_space, self._episodes.action_space
        self.single_observation_space, self.observation_space = (
            observation_space,
            batch_space(observation_space, num_envs),
        )
        self.single_action_space, self.action_space = action_space, batch_space(action_space, num_envs)
        self._rngs = [seeding.np_random() for _ in range(num_envs)]
        self._done = np.zeros(num_envs, np.bool_)

    @property
    def np_random(self) -> tuple[np.random.Generator, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The random generator of each environment."""
        return tuple(rng for rng, _ in self._rngs)

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The seed of each environment's generator."""
        return tuple(seed for _, seed in self._rngs)

    @property
    def goal_observation(self) -> Frames:
        """Observations of the episodes' goals at rest, ``(N, H, W, frame_stack * C)``."""
        return self._episodes.goal_observations

    @property
    def elapsed_steps(self) -> NDArray[np.intp]:
        """Steps since each episode began, ``(N,)``: 0 where an observation is the first one of its episode."""
        return self._episodes.steps.copy()

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Frames, dict[str, Any]]:
        rows = given_mask((options or {}).get("reset_mask"), self.num_envs)
        self._seed(rows, seed)
        self._episodes.begin(self.np_random, options)
        self._done[rows] = False
        return self._episodes.frames.copy(), self._info()

    def step(self, actions: NDArray[np.float32]) -> tuple[Frames, FloatArray, BoolArray, BoolArray, dict[str, Any]]:
        outcome = self._episodes.step(actions, self.np_random, restart=self._done)
        self._done = outcome.truncations
        terminations = np.zeros(self.num_envs, np.bool_)
        return self._episodes.frames.copy(), outcome.rewards, terminations, self._done.copy(), self._info()

    def render(self) -> tuple[Frames, ...] | None:
        """Return a large picture ``(480, 480, 3)`` of each environment in mode "rgb_array"; None otherwise."""
        if self.render_mode is None:
            return None
        return tuple(self._viewer.picture(self._episodes.scene(row)) for row in range(self.num_envs))

    def close_extras(self, **kwargs: object) -> None:
        self._viewer.close()

    def _seed(self, rows: NDArray[np.intp], seed: int | Sequence[int | None] | None) -> None:
        if seed is None:
            return
        seeds: list[int | None] = []
        seeds += [seed + row for row in range(self.num_envs)] if isinstance(seed, int) else seed
        if len(seeds) != self.num_envs:
            raise InputError(f"There must be a seed for each of the {self.num_envs} environments, not {len(seeds)}.")
        for row in map(int, rows):
            if seeds[row] is not None:
                self._rngs[row] = seeding.np_random(seeds[row])

    def _info(self) -> dict[str, Any]:
        info = self._episodes.info()
        return {**info, **{f"_{name}": np.ones(self.num_envs, np.bool_) for name in info}}
