"""Plot a comparison of estimators. Importing this loads matplotlib."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from e2c_control.figures.canvas import BLUE, ORANGE, Image, dress, new_figure, to_image
from e2c_control.gradients.statistics import GradientStats


def comparison(rows: Sequence[GradientStats], title: str) -> Image:
    """Plot variance, bias, and variance times evaluations of f, a bar for each estimator; biased ones are orange.

    A value of exactly 0 has no bar, because the axis is logarithmic.
    """
    figure = new_figure(1100, 130 + 26 * len(rows))
    panels = figure.subplots(1, 3, sharey=True)
    bias = [np.nan if row.bias is None else row.bias for row in rows]
    measures = (
        ("variance", [row.variance for row in rows]),
        ("|mean - exact|", bias),
        ("variance x evaluations", [row.variance_times_evaluations for row in rows]),
    )
    places = np.arange(len(rows))[::-1]
    colours = [BLUE if row.claims_unbiased else ORANGE for row in rows]
    for axes, (name, values) in zip(panels, measures, strict=True):
        shown = np.array([value if value > 0 else np.nan for value in values])
        axes.barh(places, shown, color=colours, height=0.7)
        if np.isfinite(shown).any():
            axes.set_xscale("log")
        dress(axes, name)
    panels[0].set_yticks(places, [row.name for row in rows])
    figure.suptitle(f"{title}   (orange: biased)", fontsize=12)
    return to_image(figure)
