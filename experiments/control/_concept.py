"""The README's picture of the idea: an image, its place on the latent map, the plan there, and the first action."""

from __future__ import annotations

from pathlib import Path

import gymnasium
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch
from numpy.typing import NDArray

from e2c_control import TrainedRun
from e2c_control.agents.e2c_agent import PlanState
from e2c_control.figures.canvas import BLUE, GREEN, INK, ORANGE, new_figure, show_pixels, to_image
from e2c_control.measures import encode_means

PAPER = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}


def frame(figure: Figure, place: tuple[float, float, float, float], image: NDArray[np.uint8], title: str) -> Axes:
    axes = figure.add_axes(place)
    show_pixels(axes, image)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, fontsize=12, color=INK)
    return axes


def arrow(figure: Figure, start: tuple[Axes, tuple[float, float]], end: tuple[Axes, tuple[float, float]]) -> None:
    """Draw an arrow between points in units of the axes."""
    line = ConnectionPatch(start[1], end[1], "axes fraction", "axes fraction", axesA=start[0], axesB=end[0])
    line.set(arrowstyle="-|>", mutation_scale=16, color=INK, linewidth=1.3)
    figure.add_artist(line)


def concept(path: Path) -> NDArray[np.uint8]:
    """Draw the second step of a drive, 1000 x 400 pixels."""
    run = TrainedRun.open(path)
    task, env = run.task(), gymnasium.make(run.card.environment)
    agent, problem = run.agent(task, 0), task.evaluation_problems(100, 4)[3]
    observation, told = env.reset(options={"state": problem.start, "goal": problem.goal})
    agent.set_goal(goal_image := env.get_wrapper_attr("goal_observation"))
    action, memory = agent.predict(observation)
    seen, _, _, _, told = env.step(action)
    action, memory = agent.predict(seen, memory)
    after = env.step(action)[-1]
    assert isinstance(memory, PlanState)
    plan = memory.plan.states[0]
    views = task.system.render(states := task.system.sample_states(2000, np.random.default_rng(0)))
    points = encode_means(run.embedding, views)
    here, there = encode_means(run.embedding, np.stack([seen, goal_image]))
    row, column = (states / states.max(0)).T  # each place has a colour of its own
    colours = np.stack((column, np.full_like(row, 0.5), 1 - row), 1)
    figure = new_figure(1000, 400, arrange=False)
    image = frame(figure, (0.01, 0.52, 0.17, 0.38), seen, "camera image")
    goal = frame(figure, (0.01, 0.04, 0.17, 0.38), goal_image, "goal image")
    chart = figure.add_axes((0.27, 0.06, 0.37, 0.84))
    chart.scatter(points[:, 0], points[:, 1], c=colours, s=7, linewidths=0, alpha=0.45)
    chart.plot(plan[:, 0], plan[:, 1], color=ORANGE, linewidth=2.2, marker=".", markersize=8)
    chart.scatter(*here[:2], s=110, color=BLUE, edgecolors="white", zorder=3)
    chart.scatter(*there[:2], s=300, color=GREEN, marker="*", edgecolors="white", zorder=3)
    middle = plan[len(plan) // 3]
    for word, at, colour in (("z", here, BLUE), ("plan", middle, ORANGE), ("goal", there, GREEN)):
        chart.annotate(word, at[:2], (12, 4), textcoords="offset points", fontsize=13, color=colour, bbox=PAPER)
    chart.set_title("latent map:  z' = A(z) z + B(z) u + o(z)", fontsize=12, color=INK)
    chart.set_xticks([])
    chart.set_yticks([])
    chart.set_aspect("equal", adjustable="datalim")
    with torch.no_grad():
        expected = torch.sigmoid(run.embedding.decode(torch.from_numpy(plan[-1]).float()))
    newest = (255 * expected[..., -run.card.frame_shape[2] :]).round().byte().numpy()
    ends = frame(figure, (0.73, 0.04, 0.17, 0.38), newest, "the plan's end, decoded")
    act = frame(figure, (0.73, 0.52, 0.17, 0.38), seen, "its first action (5 x)")
    row, column = told["state"] - 0.5
    move = 5 * (after["state"] - told["state"])
    act.annotate(
        "", (column + move[1], row + move[0]), (column, row), arrowprops={"arrowstyle": "-|>", "color": ORANGE, "lw": 2}
    )
    arrow(figure, (image, (1, 0.5)), (chart, (0, 0.75)))
    arrow(figure, (goal, (1, 0.5)), (chart, (0, 0.25)))
    arrow(figure, (chart, (1, 0.75)), (act, (0, 0.5)))
    arrow(figure, (chart, (1, 0.25)), (ends, (0, 0.5)))
    for axes, word in ((image, "encoder"), (goal, "encoder"), (act, "planner"), (ends, "decoder")):
        left, low, width, height = axes.get_position().bounds
        x = left + width + 0.035 if axes in (image, goal) else left - 0.045
        figure.text(x, low + height / 2 + 0.05, word, fontsize=11, color=INK, ha="center")
    return to_image(figure)
