"""A world: a bar that slides along a line."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2c_control.benchmark import World
from e2c_control.envs import System, Task
from e2c_control.envs.scene import Disc, Shape

Array = NDArray[np.float64]
HEIGHT, WIDTH, STEP, NEAR = 36, 36, 2.0, 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Slider(System):
    """State: the column (pixels) of the bar's middle. Control: its displacement in a step."""

    @property
    def control_limit(self) -> Array:
        return np.full(1, STEP)

    @property
    def state_low(self) -> Array:
        return np.full(1, 2.0)

    @property
    def state_high(self) -> Array:
        return np.full(1, WIDTH - 3.0)

    @property
    def state_names(self) -> tuple[str, ...]:
        return ("column (pixels)",)

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        return HEIGHT, WIDTH, 1

    @property
    def detail(self) -> float:
        return 3

    @property
    def frames_per_second(self) -> int:
        return 10

    def advance(self, states: Array, controls: Array, disturbances: Array | None) -> Array:
        moved = states + np.clip(controls, -STEP, STEP) + (0.0 if disturbances is None else disturbances)
        return np.clip(moved, self.state_low, self.state_high)

    def render(self, states: Array) -> NDArray[np.uint8]:
        distance = np.abs(np.arange(WIDTH) - states)
        bar = np.clip(255 * (2.0 - distance), 0, 255).astype(np.uint8)
        return np.repeat(bar[:, None, :, None], HEIGHT, axis=1)

    def sample_states(self, n: int, rng: np.random.Generator) -> Array:
        return rng.uniform(self.state_low, self.state_high, (n, 1))

    def features(self, states: Array) -> Array:
        return np.array(states, np.float64)

    def scene(self, state: Array, goal: Array, control: Array) -> Sequence[Shape]:
        return [
            Disc((float(goal[0]) / WIDTH, 0.5), 0.1, (0, 160, 0)),
            Disc((float(state[0]) / WIDTH, 0.5), 0.05, (0, 0, 0)),
        ]


def near(states: Array, goals: Array) -> NDArray[np.bool_]:
    """Within two pixels of the goal."""
    return np.asarray(np.abs(states - goals)[:, 0] <= NEAR)


def straight(states: Array, goals: Array, step: int, rng: np.random.Generator) -> Array:
    """Straight to the goal."""
    return np.clip(goals - states, -STEP, STEP)


def slider(noise: float = 0.0) -> Task:
    """My/Slider-v0: slide a bar to the right end.

    ## Start
    Somewhere on the left.

    ## Version history
    v0: the first one.
    """
    return Task(
        id="My/Slider-v0",
        system=Slider(noise=noise),
        start_low=np.full(1, 3.0),
        start_high=np.full(1, 8.0),
        goals=np.array([[20.0]]),
        in_goal=near,
        horizon=10,
        planning_horizon=5,
        q=10.0,
        r=0.1,
        frame_stack=1,
        latent_dim=2,
        references=(straight,),
    )


SLIDING = World("slider", "my_package:My/Slider-v0", ("My/Slider-v0",))
"""For `e2c benchmark`."""
