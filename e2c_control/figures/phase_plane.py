"""Plans of a system with an angle and its speed: where they lead, how they were found, what they ask of the motor."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.ticker import MultipleLocator
from numpy.typing import NDArray

from e2c_control.figures.canvas import BLUE, FAINT, GREEN, INK, ORANGE, Array, Image, dress, new_figure, to_image
from e2c_control.planners import Limits, Plan

HALO = 4.5
"""Width of the white line that lifts the heavy path off the others."""


def phase_plane(plan: Plan, limits: Limits, *, seconds: float, shown: int = 0, title: str = "") -> Image:
    """Draw plans of N problems with two states and one control, 1000 x 520 pixels.

    Left: the plans in the plane of angle and speed, with the upright rest as the goal; where the control is at a limit
    the path is orange. Right: the cost of each problem over the iterations, and the controls of one of the plans.

    Args:
        plan: states (N, T + 1, 2), angle in rad (upright is 0) and speed in rad/s, and controls (N, T, 1).
        limits: that the controls obey.
        seconds: of a step.
        shown: the plan whose controls are drawn, and whose path and cost are heavier.
        title: over all.
    """
    figure = new_figure(1000, 520)
    if title:
        figure.suptitle(title, fontsize=13, color=INK)
    grid = figure.add_gridspec(2, 2, width_ratios=(1.35, 1))
    at_limit = (plan.controls <= limits.low) | (plan.controls >= limits.high)
    _paths(figure.add_subplot(grid[:, 0]), plan, at_limit[..., 0], shown)
    _costs(figure.add_subplot(grid[0, 1]), plan, shown)
    _controls(figure.add_subplot(grid[1, 1]), plan.controls[shown, :, 0], at_limit[shown, :, 0], limits, seconds)
    return to_image(figure)


def _paths(axes: Axes, plan: Plan, at_limit: NDArray[np.bool_], shown: int) -> None:
    order = [i for i in range(len(plan)) if i != shown] + [shown]
    for i in order:
        path = plan.states[i]
        segments = np.stack((path[:-1], path[1:]), axis=1)
        heavy = i == shown
        if heavy:
            axes.plot(path[:, 0], path[:, 1], color="white", linewidth=HALO, solid_capstyle="round", zorder=2)
        colours = [ORANGE if limited else BLUE for limited in at_limit[i]]
        width, alpha, ends = (2.4, 1.0, "round") if heavy else (1.3, 0.65, "butt")
        lines = LineCollection(list(segments), colors=colours, linewidths=width, alpha=alpha, capstyle=ends, zorder=2)
        axes.add_collection(lines)
    starts = plan.states[:, 0]
    axes.scatter(starts[:, 0], starts[:, 1], s=34, color=INK, edgecolors="white", linewidths=0.8, zorder=3)
    axes.scatter([0], [0], marker="*", s=280, color=GREEN, edgecolors="white", zorder=4)
    axes.autoscale_view()
    axes.xaxis.set_major_locator(MultipleLocator(np.pi / 2))
    axes.xaxis.set_major_formatter(lambda value, _: _in_pi(value))
    axes.grid(color=FAINT, linewidth=0.4, alpha=0.6)
    dress(axes, "Plans in the phase plane", "angle from upright / rad", "speed / (rad/s)")
    handles = [
        Line2D([], [], color=BLUE, linewidth=2.2, label="control free"),
        Line2D([], [], color=ORANGE, linewidth=2.2, label="control at a limit"),
        Line2D([], [], color=INK, marker="o", markersize=6, linestyle="", markeredgecolor="white", label="start"),
        Line2D([], [], color=GREEN, marker="*", markersize=14, linestyle="", markeredgecolor="white", label="upright"),
    ]
    axes.legend(
        handles=handles,
        fontsize=9.5,
        frameon=False,
        handletextpad=0.5,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.12),
        ncols=4,
        columnspacing=1.4,
    )


def _costs(axes: Axes, plan: Plan, shown: int) -> None:
    """Draw the costs: each line ends, with a dot, where the work on its problem did."""
    for i in range(len(plan)):
        end = int(plan.iterations[i])
        heavy = i == shown
        colour, width = (INK, 2.0) if heavy else (FAINT, 1.3)
        history = plan.cost_history[i, : end + 1]
        axes.plot(history, color=colour, linewidth=width, zorder=3 if heavy else 2)
        axes.plot([end], [history[-1]], marker="o", markersize=4, color=colour, zorder=3 if heavy else 2)
    axes.set_yscale("log")
    axes.grid(color=FAINT, linewidth=0.4, alpha=0.6)
    axes.set_xlim(left=0)
    dress(axes, "Cost while planning", "iteration", "cost")


def _controls(axes: Axes, controls: Array, at_limit: NDArray[np.bool_], limits: Limits, seconds: float) -> None:
    low, high = float(limits.low[0]), float(limits.high[0])
    edges = seconds * np.arange(len(controls) + 1)
    for value in (low, high):
        axes.axhline(value, color=FAINT, linewidth=1.2, linestyle=(0, (4, 2)), zorder=1)
    axes.axhline(0, color=FAINT, linewidth=0.6, zorder=1)
    axes.stairs(controls, edges, color=BLUE, linewidth=1.8, baseline=None, zorder=2)
    axes.stairs(np.where(at_limit, controls, np.nan), edges, color=ORANGE, linewidth=2.6, baseline=None, zorder=3)
    axes.set_xlim(0, edges[-1])
    axes.set_ylim(low - 0.15 * (high - low), high + 0.15 * (high - low))
    dress(axes, f"Controls of the heavy plan: {at_limit.mean():.0%} at a limit", "time / s", "control")


def _in_pi(value: float) -> str:
    """Return an angle as a multiple of pi / 2."""
    halves = round(2 * value / np.pi)
    if halves == 0:
        return "0"
    sign, size = ("\N{MINUS SIGN}" if halves < 0 else ""), abs(halves)
    number, half = (size // 2, "") if size % 2 == 0 else (size, "/2")
    return f"{sign}{'' if number == 1 else number}π{half}"
