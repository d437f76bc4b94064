"""The worlds of the benchmark: what is collected, and which tasks the one trained model then drives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from e2c_control.data.defaults import EPISODE_LENGTH, TRANSITIONS, default_starts
from e2c_control.envs import Task, make_task
from e2c_control.registry import Registry


@dataclass(frozen=True)
class World:
    """One system, seen by one camera.

    Attributes:
        name: as in `e2c benchmark --worlds`.
        environment: id of the environment in which transitions are collected; of one of your own, "module:Id".
        tasks: ids of those that are driven with the one model; all of the same system, and registered by that module.
        arguments: of all these environments.
        transitions: how many are collected.
        episode_length: steps of random actions from a sampled state.
    """

    name: str
    environment: str
    tasks: tuple[str, ...]
    arguments: Mapping[str, float] = field(default_factory=dict[str, float])
    transitions: int = TRANSITIONS
    episode_length: int = EPISODE_LENGTH[default_starts(native=True)]

    def task(self, name: str) -> Task:
        """One of its tasks."""
        arguments: Any = dict(self.arguments)
        module = self.environment.rpartition(":")[0]
        return make_task(f"{module}:{name}" if module else name, **arguments)

    @property
    def known_by(self) -> tuple[str, str, tuple[str, ...]]:
        """What one has in common with a world of the same name and other numbers."""
        return self.name, self.environment, self.tasks


def _world(name: str, *tasks: str, **arguments: float) -> World:
    """Transitions are collected in the last of the tasks."""
    ids = tuple(f"E2C/{task}-v0" for task in tasks)
    return World(name, ids[-1], ids, arguments)


WORLDS: Registry[World] = Registry(
    "world",
    {
        world.name: world
        for world in (
            _world("planar", "Planar"),
            _world("pendulum", "PendulumBalance", "PendulumSwingUp"),
            _world("cart-pole", "CartPoleBalance"),
            _world("three-link", "ThreeLink"),
            _world("pump", "PendulumPump"),
            _world("planar-walls", "PlanarWalls"),
            _world("three-link-fine", "ThreeLinkFine"),
            *(_world(f"planar-noise-{pixels}", "Planar", noise=float(pixels)) for pixels in (1, 2, 5)),
        )
    },
    World,
)
