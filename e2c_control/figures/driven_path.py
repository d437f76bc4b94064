"""Where a plan wanted to go and where the system went, on the latent map and in the world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.patches import Circle
from numpy.typing import NDArray

from e2c_control.figures.canvas import (
    BLUE,
    DPI,
    FAINT,
    GREEN,
    INK,
    LARGE,
    MIDDLE,
    ORANGE,
    Array,
    Image,
    dress,
    new_figure,
    show_pixels,
    to_image,
)
from e2c_control.figures.colours import state_names
from e2c_control.figures.latent_map import is_plane, map_colours
from e2c_control.figures.projection import Projection, project

MOST_LABELLED = 3
"""State variables whose panels are high enough for a name beside them."""


@dataclass(frozen=True, eq=False)
class Journey:
    """One episode of H steps, as planned and as driven.

    Attributes:
        latents: encoded observations, (H + 1, k).
        plans: planned latents of some of the steps, each (T + 1, k).
        goal_latent: the encoded goal, (k,), or several (G, k).
        states: true states (H + 1, n).
        goal: the goal state, (n,), or several (G, n).
        in_goal: membership after each step, (H,); none where nobody can tell.
    """

    latents: Array
    plans: Sequence[Array]
    goal_latent: Array
    states: Array
    goal: Array
    in_goal: NDArray[np.bool_] | None

    @property
    def title(self) -> str:
        """Of the picture of the world."""
        return "World" if self.in_goal is None else f"World: {self.in_goal.mean():.0%} in the goal"


def driven_path(
    journey: Journey,
    map_latents: Array,
    map_states: Array | None = None,
    *,
    background: Image | None = None,
    goal_radius: float | None = None,
    names: Sequence[str] | None = None,
    title: str = "",
    projection: Projection | None = None,
) -> Image:
    """Draw a journey over the latent map and beside it the world, 1000 x 500 pixels.

    The world is its camera image with the true path where the state is a place, (row, column) in pixels; otherwise
    the state variables over time, with the steps in the goal region shaded.

    Args:
        journey: what to draw.
        map_latents: points of the map, (N, k).
        map_states: their true states (N, n), for their colours.
        background: camera image (H, W, C) of the world without what moves; only where the state is a place.
        goal_radius: of the goal region in pixels, to draw it over the background.
        names: of the state variables, with their units.
        title: over all.
        projection: of the run that drove; without it one of the points of the map.
    """
    in_the_world = background is not None and is_plane(journey.states)
    over_time = MIDDLE if journey.states.shape[1] < MOST_LABELLED else DPI  # many panels leave words little room
    figure = new_figure(1000, 500, dpi=LARGE if in_the_world else over_time)
    if title:
        figure.suptitle(title, fontsize=13)
    left, right = figure.add_gridspec(1, 2)
    _on_the_map(figure.add_subplot(left), journey, map_latents, map_states, projection or project(map_latents))
    labels = state_names(names, journey.states.shape[1])
    if background is not None and in_the_world:
        _in_the_world(figure.add_subplot(right), journey, background, goal_radius, labels)
    else:
        _over_time(figure, right, journey, labels)
    return to_image(figure)


def _on_the_map(
    axes: Axes, journey: Journey, map_latents: Array, map_states: Array | None, projection: Projection
) -> None:
    points = projection(map_latents)
    axes.scatter(points[:, 0], points[:, 1], c=map_colours(map_states, len(points)), s=14, linewidths=0, alpha=0.5)
    for i, plan in enumerate(journey.plans):
        x, y = projection(plan)[:, :2].T
        axes.plot(x, y, color=ORANGE, linewidth=1.6, linestyle=(0, (3, 1.5)), label=None if i else "planned")
    _path(axes, projection(journey.latents)[:, :2], projection(np.atleast_2d(journey.goal_latent))[:, :2])
    axes.set_aspect("equal", adjustable="datalim")
    dress(axes, "Latent space", *projection.names[:2])
    axes.legend(fontsize=9.5, framealpha=0.85, edgecolor="none")


def _path(axes: Axes, path: Array, goals: Array, colour: str = INK) -> None:
    """Path (H + 1, 2) with its start, and the goals (G, 2)."""
    axes.plot(path[:, 0], path[:, 1], color=colour, linewidth=1.8, marker=".", markersize=5, label="driven")
    axes.scatter(path[:1, 0], path[:1, 1], marker="o", s=90, color=BLUE, edgecolors="white", label="start", zorder=3)
    axes.scatter(goals[:, 0], goals[:, 1], marker="*", s=260, color=GREEN, edgecolors="white", label="goal", zorder=3)


def _in_the_world(
    axes: Axes, journey: Journey, background: Image, goal_radius: float | None, names: Sequence[str]
) -> None:
    show_pixels(axes, background)
    # States put the corner of the first pixel at 0, pictures its centre.
    path, goals = journey.states[:, ::-1] - 0.5, np.atleast_2d(journey.goal)[:, ::-1] - 0.5
    if goal_radius is not None:
        for x, y in goals:
            axes.add_patch(Circle((x, y), goal_radius, color=GREEN, alpha=0.45, linewidth=0))
    _path(axes, path, goals, colour=ORANGE)
    dress(axes, journey.title, names[1], names[0])
    axes.legend(fontsize=9.5, framealpha=0.85, edgecolor="none")


def _over_time(figure: Figure, place: SubplotSpec, journey: Journey, names: Sequence[str]) -> None:
    n = journey.states.shape[1]
    rows = place.subgridspec(n, 1)
    crowded = n > MOST_LABELLED
    for i in range(n):
        axes = figure.add_subplot(rows[i])
        goals = np.atleast_2d(journey.goal)[:, i]
        values = _unbroken(journey.states[:, i], float(goals[-1]))
        if journey.in_goal is not None:
            _shade(axes, journey.in_goal)
        for number, goal in enumerate(goals):
            axes.axhline(goal, color=GREEN, linewidth=1.4, label=None if number else "goal")
        axes.plot(values, color=INK, linewidth=1.8, label="driven")
        dress(axes, "" if i else journey.title, "" if i < n - 1 else "step", "" if crowded else names[i])
        axes.grid(color=FAINT, linewidth=0.4, alpha=0.6)
        axes.set_xlim(0, len(values) - 1)
        axes.tick_params(labelbottom=i == n - 1)
        if crowded:  # a label as high as its panel would run into the next one
            box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.5}
            axes.text(0.01, 0.94, names[i], transform=axes.transAxes, fontsize=9, color=INK, va="top", bbox=box)
        if i == 0:
            narrow: dict[str, Any] = {"loc": "upper right", "handlelength": 1.0, "columnspacing": 0.9}
            axes.legend(fontsize=8.5, framealpha=0.85, edgecolor="none", ncols=3, **narrow)


def _shade(axes: Axes, in_goal: NDArray[np.bool_]) -> None:
    """Draw a band over every run of steps in the goal region; step t + 1 follows action t."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], in_goal.astype(np.int8), [0]))))
    for i, (begin, end) in enumerate(edges.reshape(-1, 2)):
        label = None if i else "in the goal"
        axes.axvspan(begin + 0.5, end + 0.5, color=GREEN, alpha=0.18, linewidth=0, label=label)


def _unbroken(values: Array, goal: float) -> Array:
    """Return values (H + 1,); an angle does not jump from pi to -pi but goes on beyond pi, and ends near the goal."""
    # By nearly a whole turn: an angle that comes back elsewhere, as at a joint's end, is broken in truth.
    jumps = np.abs(np.diff(values)) > 1.5 * np.pi
    if not jumps.any() or np.abs(values).max() > np.pi + 1e-6:
        return values
    unwrapped = np.asarray(np.unwrap(values), np.float64)
    return unwrapped - 2 * np.pi * round(float(unwrapped[-1] - goal) / (2 * np.pi))
