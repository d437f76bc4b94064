"""Defaults of a collection, which the command line, the agents and the benchmark share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the command line's help shows these numbers, and must not wait for torch
    from e2c_control.data.stepper import Starts

TRANSITIONS = 20_000
"""Collected to train on."""

_AT_ONCE = {True: 256, False: 8}
"""Environments that a collection runs at the same time: this project's are one batch, others one after another."""

EPISODE_LENGTH: Mapping[Starts, int] = {"sampled": 12, "reset": 40}
"""Steps after which a collection of random actions starts anew: short where episodes begin all over the world, and
longer where each begins at a reset, since what is farther from there than an episode is never seen."""


def default_starts(native: bool) -> Starts:
    """Return where episodes of random actions begin: all over the world, in the environments that can do that."""
    return "sampled" if native else "reset"


def default_environments(native: bool, transitions: int, episode_length: int) -> int:
    """Return how many environments a collection runs at the same time; another number gives other transitions.

    No more than there are episodes to come: steps that nobody keeps would be taken for nothing.

    Args:
        native: whether they are this project's.
        transitions: to collect.
        episode_length: the most steps in an episode.
    """
    return min(_AT_ONCE[native], -(-transitions // episode_length))
