"""What is kept of a cell's drives: numbers of every problem, and pictures of the map and of the worst drives."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from e2c_control.data import Transitions
from e2c_control.envs import Problem, Task
from e2c_control.envs.reference import reference_scores
from e2c_control.evaluation import Drive
from e2c_control.figures import Journey, driven_path, latent_map
from e2c_control.measures import HeldOut, encode_means, hold_out
from e2c_control.models.embedding import Embedding

Array = NDArray[np.float64]

COLOURS = 64
"""Of a picture: enough for these drawings, at a third of the bytes."""

PLANS = 5
"""Plans drawn along a drive."""


class Driven(NamedTuple):
    """A task's problems and what the agent did with them."""

    task: Task
    problems: Sequence[Problem]
    done: Drive


class Seen(NamedTuple):
    """Held-out frames to measure with, and their true states (N, n), to colour the map by."""

    held_out: HeldOut
    states: Array | None


def see(transitions: Transitions, episodes: NDArray[np.int64], features: Callable[[Array], Array]) -> Seen:
    """Look at frames of the episodes; `features` turns states into coordinates in which distance makes sense."""
    found = hold_out(transitions, episodes)
    states = found.features
    return Seen(found if states is None else replace(found, features=features(states)), states)


def scored(task: Task, problems: Sequence[Problem], done: Drive) -> dict[str, Any]:
    """Return the protocol's scores, and the measures of the E2C paper, of each problem.

    Costs are sums of q |s - s_goal|^2 + r |u|^2 over the episode with the task's weights: latent with the codes of what
    was seen, real with the features of the true states. Success is to be in the goal region at the end, and thus to
    have come to stay.
    """
    goals = np.stack([problem.goal for problem in problems])
    features, goal_features = task.system.features, task.system.features(goals)
    real = np.stack([features(states) for states in done.states])
    control = (task.action_weight * done.actions.astype(np.float64) ** 2).sum((0, 2))
    return {
        "scores": done.scores.tolist(),
        "oracle": reference_scores(task, problems).tolist(),
        "latent_cost": (task.q * ((done.latents - done.goals) ** 2).sum((0, 2)) + control).tolist(),
        "real_cost": (task.q * ((real - goal_features) ** 2).sum((0, 2)) + control).tolist(),
        "success": done.in_goal[-1].tolist(),
    }


def portraits(name: str, embedding: Embedding, seen: Seen, drives: Sequence[Driven]) -> dict[str, bytes]:
    """PNG files: the "map" of held-out frames, and for each task, by its id, the worst of its drives."""
    latents = encode_means(embedding, seen.held_out.observations)
    names = drives[0].task.system.state_names
    pictures = {"map": latent_map(latents, seen.states, names=names, title=f"{name}: held-out frames")}
    for driven in drives:
        pictures[driven.task.id] = _worst_drive(name, latents, seen.states, driven)
    return {label: _png(image) for label, image in pictures.items()}


def _worst_drive(name: str, latents: Array, states: Array | None, driven: Driven) -> NDArray[np.uint8]:
    task, problems, done = driven
    worst = int(done.scores.argmin())
    chosen: list[int] = np.linspace(0, len(done.plans) - 1, PLANS).round().astype(np.int64).tolist()
    varying = task.system.varying
    journey = Journey(
        done.latents[:, worst],
        [done.plans[i][worst] for i in chosen],
        done.goals[worst],
        varying(done.states[:, worst]),
        varying(problems[worst].goal),
        done.in_goal[:, worst],
    )
    return driven_path(
        journey,
        latents,
        None if states is None else varying(states),
        background=task.system.background(problems[worst].start),
        goal_radius=task.goal_radius,
        names=task.system.state_names,
        title=f"{name}, {task.id.rpartition('/')[2]}: the worst of {len(problems)} drives",
    )


def _png(image: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(image).quantize(COLOURS).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
