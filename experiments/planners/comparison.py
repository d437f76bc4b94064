"""Every planner on the same frozen maps: how well it drives, and what a step costs it.

The question: where do second-order plans beat CEM, at what share of its cost, and what must the map have for it? A map
is trained once a world and seed from 20,000 random transitions, by the world's default recipe without its decoder, and
once more with a weight of 0 for the term `curvature`. Each planner drives it by its defaults for replanning, seeing
images alone: time in goal as a share of the oracle's on the same problems (which sees the true state), and whether the
goal was reached at all. The roadmap drives where the map has reachability; without curvature there are the methods in
question, and CEM beside them. CPU milliseconds are those of one problem driven alone on one thread, encoding and
planning, the median over steps.

Nothing was tuned here. The list of 10 problems is drawn from the word "comparison", and the seeds begin at 0.

    python -m experiments.planners.comparison          # 5 seeds: hours, a row at a time; maps stay in build/comparison
    python -m experiments.planners.comparison --quick  # half a minute, to see it work; writes nothing
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

import numpy as np
import torch

from e2c_control import E2CAgent, Embedding, PlanningOptions, Trainer, drive
from e2c_control.benchmark.cell import Cell, gather, make_cell
from e2c_control.envs.reference import reference_scores
from e2c_control.figures.canvas import BLUE, FAINT, GREEN, INK, ORANGE, PURPLE, dress, new_figure, to_image
from e2c_control.planners import PLANNERS
from e2c_control.tables import table
from experiments.pages import ROOT
from experiments.runner import Experiment, Row

WORLDS = {"planar": "unfold", "planar-walls": "unfold-roadmap", "pendulum": "unfold"}
"""Of the benchmark, and their default recipes; driven is the last of a world's tasks, which for the pendulum is the
swing-up."""
LIST = int(np.random.default_rng(list(b"comparison")).integers(1_000, 1_000_000))
PROBLEMS, TIMED = 10, 1
"""How many problems are driven together for the score, and how many of these once more, each alone, for the time."""
CONTROLS = ("ilqr", "lqr", "cem")
"""Planners that drive maps without curvature, too."""
SECOND, FIRST, SAMPLING = ("ilqr", "lqr", "aico"), ("adam", "grasp"), ("cem", "icem", "mppi")
KINDS = {"second order": (BLUE, SECOND), "first order": (GREEN, FIRST), "sampling": (ORANGE, SAMPLING)}
AXES = {"seed": range(5), "world": list(WORLDS), "curvature": ("on", "off"), "planner": list(PLANNERS)}
Array = np.ndarray


class Timed(E2CAgent):
    """Notes the CPU seconds of each step, encoding and planning."""

    def predict(self, *given: Any, **named: Any) -> Any:
        begun = time.process_time()
        done = super().predict(*given, **named)
        self.seconds = [*getattr(self, "seconds", []), time.process_time() - begun]
        return done


def exists(seed: int, world: str, curvature: str, planner: str) -> bool:
    if curvature == "off":
        return planner in CONTROLS
    return planner != "roadmap" or "roadmap" in WORLDS[world]


def map_of(cell: Cell, curvature: str, folder: Path) -> Embedding:
    """Return the map of a cell, trained now and kept in the folder, unless it is there already."""
    kept = folder / f"{cell.name}-curvature-{curvature}"
    if not kept.exists():
        recipe = cell.recipe
        phases = [phase for phase in recipe.phases if phase.name != "display"]  # no plan looks through the decoder
        if curvature == "off":  # drives by the map alone, which is the first phase
            terms = [replace(term, weight=0.0) if term.name == "curvature" else term for term in phases[0].terms]
            phases = [replace(phases[0], terms=tuple(terms))]
        with TemporaryDirectory() as scratch:
            data = gather(cell, Path(scratch) / "data")
            episodes, _ = data.split(0.05, seed=0)
            recipe = replace(recipe, phases=tuple(phases))
            trainer = Trainer(recipe, data, episodes, seed=cell.seed, device=torch.device("cpu"))
            while not trainer.finished:
                trainer.advance()
        folder.mkdir(parents=True, exist_ok=True)
        E2CAgent.from_embedding(trainer.embedding.eval()).save(kept)
    return E2CAgent.load(kept).embedding.eval()


def measure(
    seed: int,
    world: str,
    curvature: str,
    planner: str,
    folder: Path,
    transitions: int | None = None,
    steps_scale: float = 1.0,
    problems: int = PROBLEMS,
    steps: int | None = None,
) -> Row:
    """Drive one map by one planner: all problems together, and some of them alone."""
    cell = make_cell(world, WORLDS[world], seed, transitions=transitions, steps_scale=steps_scale)
    embedding, task = map_of(cell, curvature, folder), cell.tasks[-1]
    task = task if steps is None else replace(task, horizon=steps)
    options, listed = PlanningOptions.suiting(embedding, task, planner), task.evaluation_problems(LIST, problems)
    driven = drive(E2CAgent.from_embedding(embedding, options, seed), task, listed)
    seconds = list[float]()
    for problem in listed[:TIMED]:
        agent = Timed.from_embedding(embedding, options, seed)
        drive(agent, task, [problem])
        seconds += agent.seconds
    oracle = float(reference_scores(task, listed).mean())
    return {
        "seed": seed,
        "world": world,
        "curvature": curvature,
        "planner": planner,
        "problems": len(listed),
        "oracle": oracle,
        "share": float(driven.scores.mean()) / oracle if oracle else 0.0,
        "reached": float((driven.scores > 0).mean()),
        "milliseconds": 1e3 * float(np.median(seconds)),
        "milliseconds_95_percent": 1e3 * float(np.quantile(seconds, 0.95)),
    }


def summary(rows: list[Row]) -> list[Row]:
    """A line for each world, map and planner, over seeds."""
    lines = list[Row]()
    for world in WORLDS:
        own = [row for row in rows if row["world"] == world]
        for curvature in AXES["curvature"]:
            for planner in AXES["planner"]:
                found = [row for row in own if (row["curvature"], row["planner"]) == (curvature, planner)]
                if found:
                    shares, reached, spent = ([row[key] for row in found] for key in MEASURED)
                    lines.append(
                        {
                            "world": world,
                            "curvature": curvature,
                            "planner": planner,
                            "seeds": len(found),
                            "share": float(np.mean(shares)),
                            "worst_seed": min(shares),
                            "reached": float(np.mean(reached)),
                            "milliseconds": float(np.median(spent)),
                        }
                    )
    cem = {line["world"]: line["milliseconds"] for line in lines if (line["planner"], line["curvature"]) == CEM}
    return [line | {"of_cem": line["milliseconds"] / cem.get(line["world"], np.inf)} for line in lines]


MEASURED, CEM = ("share", "reached", "milliseconds"), ("cem", "on")


def cells(found: list[Row]) -> list[tuple[str, ...]]:
    """The cells of a table of the summary, the heading first; what CEM was not measured for has no share of it."""
    heading = ("world", "planner", "curvature", "of oracle", "worst seed", "reached", "CPU-ms", "of CEM's", "seeds")
    return [
        heading,
        *(
            (
                line["world"],
                line["planner"],
                line["curvature"],
                f"{line['share']:.3f}",
                f"{line['worst_seed']:.3f}",
                f"{line['reached']:.0%}",
                f"{line['milliseconds']:.2f}",
                f"{line['of_cem']:.1%}" if line["of_cem"] else "-",
                str(line["seeds"]),
            )
            for line in found
        ),
    ]


def report(rows: list[Row]) -> None:
    print(table(cells(summary(rows))))


def picture(rows: list[Row]) -> Array:
    """Success against CPU milliseconds, a panel for each world: the mean, and a line down to the worst seed."""
    found = summary(rows)
    worlds = [world for world in WORLDS if any(line["world"] == world for line in found)]
    figure = new_figure(520 * len(worlds), 420)
    colours = {planner: colour for colour, planners in KINDS.values() for planner in planners}
    for world, axes in zip(worlds, figure.subplots(1, len(worlds), squeeze=False)[0], strict=True):
        axes.set_xscale("log")
        axes.set_xlim(1, 200)
        axes.set_xticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
        axes.xaxis.set_minor_formatter("")
        for line in (line for line in found if line["world"] == world):
            x, y, colour = line["milliseconds"], line["share"], colours.get(line["planner"], PURPLE)
            filled = colour if line["curvature"] == "on" else "white"
            axes.plot([x, x], [line["worst_seed"], y], color=FAINT, linewidth=1, zorder=1)
            axes.plot(x, y, "o", color=colour, markerfacecolor=filled, markersize=6)
            axes.annotate(
                line["planner"], (x, y), (0, 6), textcoords="offset points", fontsize=8, color=INK, rotation=60
            )
        dress(axes, world, "CPU-ms a step, encoding and planning", "time in goal, share of the oracle's")
        axes.set_ylim(-0.03, 1.2)
        for name, (colour, _) in {**KINDS, "roadmap": (PURPLE, ())}.items():
            axes.plot([], [], "o", color=colour, label=name)
        axes.plot([], [], "o", color=INK, markerfacecolor="white", label="map without curvature")
    figure.axes[0].legend(fontsize=8, frameon=False, loc="lower left")
    return to_image(figure)


def quick() -> None:
    with TemporaryDirectory() as folder:
        rows = [
            measure(0, "planar-walls", curvature, planner, Path(folder), 600, 0.02, 2, 5)
            for curvature in AXES["curvature"]
            for planner in AXES["planner"]
            if exists(0, "planar-walls", curvature, planner)
        ]
    report(rows)
    picture(rows)


@dataclass(frozen=True)
class Options:
    folder: Path = ROOT / "build" / "comparison"
    """where maps are kept; remove it, and the result file, to train them anew"""


TOLD = (
    "seed {seed}, {world}, curvature {curvature}, {planner}: {share:.3f} of the oracle's, reached {reached:.0%}, "
    "{milliseconds:.2f} CPU-ms a step"
)
EXPERIMENT = Experiment(
    __file__,
    AXES,
    measure,
    TOLD,
    quick,
    summary,
    report,
    picture,
    about=lambda rows: {"list": LIST},
    exists=exists,
    options=Options,
)

if __name__ == "__main__":
    EXPERIMENT.main()
