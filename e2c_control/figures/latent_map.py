"""The latent map coloured by what is really there: a fold shows as colours that overlap, a tear as a gap."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from e2c_control.figures.canvas import BLUE, LARGE, Array, Image, dress, new_figure, to_image
from e2c_control.figures.colours import is_angle, plane_colours, state_names, value_colours, value_range
from e2c_control.figures.projection import Projection, project

DOT = 7.0


def latent_map(
    latents: Array,
    states: Array | None = None,
    *,
    names: Sequence[str] | None = None,
    title: str = "",
    projection: Projection | None = None,
    true: bool = True,
) -> Image:
    """Draw encoded frames, 1000 x 500 pixels.

    Two latents of a place in a plane: the true places, and the map in the same colours; the first state is drawn
    downwards, as the row of an image. Anything else: one panel for each of the first two state variables, over the
    principal components; a variable that goes round in radians gets colours that go round.

    Args:
        latents: (N, k).
        states: true states (N, n), or what else there is to colour by; without them all points have one colour.
        names: of the state variables, with their units.
        true: whether they are true states.
        title: over all.
        projection: of the run that the map belongs to; without it one of these latents.
    """
    figure, projection = new_figure(1000, 500, dpi=LARGE), projection or project(latents)
    if title:
        figure.suptitle(title, fontsize=13)
    if states is None:
        _plain(figure, projection, latents)
    elif true and latents.shape[1] == 2 and is_plane(states):
        _plane(figure, latents, states, state_names(names, 2))
    else:
        _variables(figure, projection, latents, states, state_names(names, states.shape[1]))
    return to_image(figure)


def seen_places(frames: Array) -> Array:
    """Return where in each picture lies what differs from the mean picture, (N, 2) as row and column in pixels.

    It is what can be coloured by where no true state is known: what moves, moves there.

    Args:
        frames: (N, H, W, C).
    """
    # Squared, lest what differs a little all over counts as much as what moves.
    weights: Array = ((frames - frames.mean(0)) ** 2).sum(-1) + np.finfo(np.float64).tiny
    along: list[Array] = [np.arange(side, dtype=np.float64) for side in frames.shape[1:3]]
    total: Array = weights.sum((1, 2))
    return np.stack((weights.sum(2) @ along[0] / total, weights.sum(1) @ along[1] / total), axis=1)


def is_plane(states: Array) -> bool:
    """Return whether states (N, n) are places in a plane."""
    return states.shape[1] == 2 and not any(is_angle(values) for values in states.T)


def map_colours(states: Array | None, count: int) -> Array | str:
    """Return the colours of `count` points by their states: by place, or by the first variable."""
    if states is None:
        return np.broadcast_to(np.array([0.7, 0.7, 0.7]), (count, 3)).copy()
    if is_plane(states):
        return plane_colours(states)
    return value_colours(states[:, 0], is_angle(states[:, 0]))[0]


def _points(axes: Axes, points: Array, colours: Array | str) -> None:
    axes.scatter(points[:, 0], points[:, 1], c=colours, s=DOT, linewidths=0)


def _plain(figure: Figure, projection: Projection, latents: Array) -> None:
    points = projection(latents)
    pairs = list(pairwise(range(points.shape[1])))
    for i, (a, b) in enumerate(pairs):
        axes = figure.add_subplot(1, len(pairs), i + 1)
        _points(axes, points[:, [a, b]], BLUE)
        axes.set_aspect("equal", adjustable="datalim")
        dress(axes, "Latent map", projection.names[a], projection.names[b])


def _plane(figure: Figure, latents: Array, states: Array, names: Sequence[str]) -> None:
    colours = plane_colours(states)
    true, found = figure.subplots(1, 2)
    _points(true, states[:, ::-1], colours)
    true.invert_yaxis()
    true.set_aspect("equal")
    dress(true, "True position", names[1], names[0])
    _points(found, latents, colours)
    found.set_aspect("equal", adjustable="datalim")
    dress(found, "Latent map, same colours", "latent 1", "latent 2")


def _variables(figure: Figure, projection: Projection, latents: Array, states: Array, names: Sequence[str]) -> None:
    points = projection(latents)
    shown = min(states.shape[1], 2)
    for i in range(shown):
        axes = figure.add_subplot(1, shown, i + 1)
        # The second panel looks at the map from the side, if there is a side.
        vertical = min(i + 1, points.shape[1] - 1)
        values, cyclic = states[:, i], is_angle(states[:, i])
        colours, name = value_colours(values, cyclic)
        _points(axes, points[:, [0, vertical]], colours)
        axes.set_aspect("equal", adjustable="datalim")
        dress(axes, f"Latent map by {names[i]}", projection.names[0], projection.names[vertical])
        scale = ScalarMappable(Normalize(*value_range(values, cyclic)), name)
        bar = figure.colorbar(scale, ax=axes, shrink=0.8, aspect=30)
        bar.set_label(names[i], fontsize=10.5)
        bar.outline.set_visible(False)
