"""Images of samples and of codes. Importing this loads matplotlib."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from e2c_control.figures.canvas import BLUE, FAINT, ORANGE, Image, dress, new_figure, to_image
from e2c_control.figures.projection import project

Array = NDArray[np.float64]


def sample_sheet(samples: Tensor, title: str, columns: int = 6, most: int = 18) -> Image:
    """Draw samples side by side: vectors (N, L) and signals (N, C, L) as curves, or images (N, H, W, C) in [0, 1]."""
    shown = np.asarray(samples[:most].detach().cpu().double())
    rows = -(-len(shown) // columns)
    figure = new_figure(170 * columns, 110 * rows + 40)
    panels = np.atleast_1d(np.asarray(figure.subplots(rows, columns, sharey=shown.ndim < 4), object)).ravel()
    low, high = float(shown.min()), float(shown.max())
    margin = 0.05 * max(high - low, 1e-9)
    for axes in panels:
        axes.set_xticks([])
        axes.set_yticks([])
    for axes, sample in zip(panels, shown, strict=False):
        _draw(axes, sample)
        if shown.ndim < 4:
            axes.set_ylim(low - margin, high + margin)
    for axes in panels[len(shown) :]:
        axes.axis("off")
    figure.suptitle(title, fontsize=11)
    return to_image(figure)


def _draw(axes: Any, sample: Array) -> None:
    if sample.ndim == 3:
        pixels = sample[..., 0] if sample.shape[-1] in (1, 2) else sample[..., :3]
        axes.imshow(np.clip(pixels, 0.0, 1.0), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        return
    for channel in np.atleast_2d(sample):
        axes.plot(channel, color=BLUE, linewidth=1.1)


def code_map(codes: Tensor, born: Tensor, newest: int, title: str) -> Image:
    """Draw codes (N, ...) on the first two principal axes of the original data's codes.

    Codes of original data are grey, those of found samples blue, those of the newest orange.

    Args:
        codes: of the current data.
        born: cycle in which each was found, 0 for an original one, (N,).
        newest: the latest cycle.
        title: of the figure.
    """
    flat, made = np.asarray(codes.detach().cpu().double().flatten(1)), np.asarray(born.cpu())
    original = flat[made == 0] if (made == 0).sum() > 2 else flat
    projection = project(original, 2)
    places = projection(flat)
    figure = new_figure(640, 560)
    axes = figure.subplots()
    groups = (
        (made == 0, FAINT, 8, "original"),
        ((made > 0) & (made < newest), BLUE, 10, "found"),
        ((made > 0) & (made == newest), ORANGE, 16, "newest"),
    )
    for chosen, colour, size, name in groups:
        x, y = places[chosen, 0], places[chosen, 1] if places.shape[1] > 1 else np.zeros(int(chosen.sum()))
        axes.scatter(x, y, s=size, color=colour, linewidths=0, label=f"{name} ({int(chosen.sum())})")
    names = (*projection.names, "")
    dress(axes, title, names[0], names[1])
    axes.legend(fontsize=9, frameon=False)
    return to_image(figure)
