"""The worlds of the benchmark: what is collected, and which tasks the one trained model then drives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
        """Make one of its tasks."""
        arguments: Any = dict(self.arguments)
        module = self.environment.rpartition(":")[0]
        return make_task(f"{module}:{name}" if module else name, **arguments)

    @property
    def known_by(self) -> tuple[str, str, tuple[str, ...]]:
        """What one has in common with a world of the same name and other numbers."""
        return self.name, self.environment, self.tasks


def _world(*tasks: str, **arguments: float) -> Callable[[str], World]:
    """Return what makes a world by its name; its transitions are collected in the last of the tasks."""
    ids = tuple(f"E2C/{task}-v0" for task in tasks)
    return lambda name: World(name, ids[-1], ids, arguments)


WORLDS: Registry[World] = Registry(
    "world",
    {
        name: named(name)
        for name, named in {
            "planar": _world("Planar"),
            "pendulum": _world("PendulumBalance", "PendulumSwingUp"),
            "cart-pole": _world("CartPoleBalance"),
            "three-link": _world("ThreeLink"),
            "pump": _world("PendulumPump"),
            "planar-walls": _world("PlanarWalls"),
            "rooms": _world("Rooms"),
            "u-maze": _world("UMaze"),
            "medium-maze": _world("MediumMaze"),
            "three-link-fine": _world("ThreeLinkFine"),
            "planar-noise-1": _world("Planar", noise=1.0),
            "planar-noise-2": _world("Planar", noise=2.0),
            "planar-noise-5": _world("Planar", noise=5.0),
        }.items()
    },
    World,
)
