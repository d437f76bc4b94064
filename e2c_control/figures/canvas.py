"""Figures drawn off screen and turned into arrays; nothing here touches matplotlib's global state."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

DPI, MIDDLE, LARGE = 100, 125, 160
"""Dots per inch. TensorBoard shows pictures at a third of their size, where larger words can be read."""
INK, FAINT = "#222222", "#bbbbbb"
# From the palette of Okabe and Ito, which people with any colour vision tell apart.
BLUE, ORANGE, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"


def new_figure(width: int, height: int, arrange: bool = True, dpi: int = DPI) -> Figure:
    """Make an empty figure of so many pixels, which arranges its axes by itself unless they come with their place."""
    layout = "constrained" if arrange else None
    figure = Figure(figsize=(width / dpi, height / dpi), dpi=dpi, layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def to_image(figure: Figure) -> Image:
    """Return the figure as it looks, (H, W, 3) uint8."""
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()
    return np.array(canvas.buffer_rgba(), np.uint8)[..., :3].copy()


def dress(axes: Axes, title: str, x: str = "", y: str = "") -> None:
    """Title, labels and quiet spines."""
    axes.set_title(title, fontsize=12, color=INK)
    axes.set_xlabel(x, fontsize=10.5, color=INK)
    axes.set_ylabel(y, fontsize=10.5, color=INK)
    axes.tick_params(labelsize=9, color=FAINT, labelcolor=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)


def show_pixels(axes: Axes, image: Image) -> None:
    """Show a frame (H, W, C) with the centre of pixel (row, column) at x = column, y = row."""
    pixels = image[..., 0] if image.shape[-1] == 1 else image[..., :3]
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
