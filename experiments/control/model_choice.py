"""Can a good model be told from a bad one by images alone, and how well?

For every run that `suites` left in its work folder: the score of practice drives (`e2c choose`: other problems than
the protocol's, and nothing but how much the camera shows of the goal's image), beside the protocol's score, and the
measures of the map that need no true state either, which `suites` stored. Then for each world, over all its runs:
the rank correlation of each with the protocol's score, and the score that one may expect of the best of three runs by
it, over all threes, between a choice at random and a choice by the protocol's score itself. (The three-link arm has one
start only: its practice is the drive of the protocol, judged by the camera.)

    python -m experiments.control.model_choice --work runs/experiments  # goes on where it was; writes .json and .png
    python -m experiments.control.model_choice --quick                  # seconds, writes nothing
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e2c_control.benchmark.cell import make_cell, run_cell
from e2c_control.benchmark.worlds import WORLDS
from e2c_control.envs.task import PROTOCOL_SEED
from e2c_control.evaluation.choosing import choose
from e2c_control.figures.canvas import BLUE, INK, dress, new_figure, to_image
from e2c_control.measures.ranks import spearman
from e2c_control.tables import table
from experiments.control.suites import SUITES
from experiments.runner import Experiment, Row, content

RESULTS = Path(__file__).parent / "results"
TASKS = tuple(dict.fromkeys(task for world, _ in SUITES.values() for task in WORLDS[world].tasks))
BY = {
    "practice drives, by images": ("practice", 1),
    "steps between frames against distance": ("map/step_rank", 1),
    "prediction error, 1 step": ("map/prediction_error_1", -1),
    "prediction error, 10 steps": ("map/prediction_error_10", -1),
    "next-image loss": ("map/next_state_loss", -1),
}
"""What one might choose by: the name in a row, and which sign is better."""

Array = NDArray[np.float64]


@cache
def known_scores(suite: str) -> dict[int, Mapping[str, Any]]:
    """Rows of `suites` by seed, on the protocol's problems; those of before the measures were kept do not count."""
    path = RESULTS / f"suites_{suite}.json"
    known = content(path)
    told = {row["seed"]: row for row in known.get("rows", []) if "measures" in row}
    return told if known.get("problems") == PROTOCOL_SEED else {}


def is_known(suite: str, seed: int, task: str) -> bool:
    """Return whether `suites` has measured it."""
    return task in WORLDS[SUITES[suite][0]].tasks and seed in known_scores(suite)


def measure(suite: str, seed: int, task: str, work: tuple[Path, ...]) -> Row | list[Row]:
    """Drive for practice, if the run is in one of the work folders."""
    world, recipe = SUITES[suite]
    places = (folder / Path(WORLDS[world].environment).name / f"{world}-{recipe}-{seed}" for folder in work)
    run = next((place for place in places if (place / "checkpoints").is_dir()), None)
    if run is None:
        return []
    known = known_scores(suite)[seed]
    (tried,) = choose([run], task=task, problems=10)
    numbers = {name: known["measures"][name] for name, _ in BY.values() if name.startswith("map/")}
    score = 100 * float(np.mean(known["tasks"][task]["scores"]))
    about = {"world": world, "suite": suite, "recipe": recipe, "task": task, "seed": seed}
    return {**about, "score": score, "practice": float(tried.alike.mean()), **numbers}


def best_of_three(scores: Array, by: Array) -> float:
    """Score of the run chosen by `by` out of three, mean over all threes; ties share."""
    values = [
        scores[list(three)][by[list(three)] == by[list(three)].max()].mean()
        for three in combinations(range(len(scores)), 3)
    ]
    return float(np.mean(values))


def judge(rows: list[Row]) -> dict[str, Any]:
    """For each task: how each number ranks its runs."""
    found: dict[str, Any] = {}
    for task in dict.fromkeys(row["task"] for row in rows):
        own = [row for row in rows if row["task"] == task]
        scores = np.array([row["score"] for row in own])
        if len(own) < 4 or np.ptp(scores) == 0:
            continue
        by = {label: sign * np.array([row[name] for row in own]) for label, (name, sign) in BY.items()}
        found[task] = {
            "runs": len(own),
            "recipes": len({row["recipe"] for row in own}),
            "chosen at random": float(scores.mean()),
            "chosen by the score": best_of_three(scores, scores),
            "by": {
                label: {
                    "rank_correlation": spearman(values, scores),
                    "best_of_three": best_of_three(scores, values),
                }
                for label, values in by.items()
            },
        }
    return found


def picture(rows: list[Row]) -> Any:
    """Practice against the protocol's score, a panel a task."""
    tasks = list(judge(rows))
    figure = new_figure(330 * max(len(tasks), 1), 330)
    for i, task in enumerate(tasks):
        axes = figure.add_subplot(1, len(tasks), i + 1)
        for default in (False, True):
            own = [row for row in rows if row["task"] == task and (row["recipe"] == "unfold") == default]
            pairs = np.array([(100 * row["practice"], row["score"]) for row in own]).reshape(-1, 2)
            label = "the default" if default else "other recipes"
            axes.scatter(pairs[:, 0], pairs[:, 1], s=22, color=BLUE if default else INK, label=label, alpha=0.8)
        name = task.removeprefix("E2C/").removesuffix("-v0")
        dress(axes, name, "practice: like the goal, %", "" if i else "protocol: time in goal, %")
        axes.set_xlim(0, 100)
        axes.set_ylim(-3, 103)
    if tasks:
        figure.axes[0].legend(frameon=False, fontsize=8)
    return to_image(figure)


def report(rows: list[Row]) -> None:
    """A table for each task."""
    for task, found in judge(rows).items():
        lines = [
            (label, f"{one['rank_correlation']:.2f}", f"{one['best_of_three']:.1f}")
            for label, one in found["by"].items()
        ]
        print(f"\n{task}, {found['runs']} runs of {found['recipes']} recipes")
        ends = [("at random", "", f"{found['chosen at random']:.1f}")]
        ends.append(("by the score itself", "", f"{found['chosen by the score']:.1f}"))
        print(table([("chosen by", "rank correlation", "best of three, %"), *lines, *ends]))


def quick() -> None:
    """One run that was hardly trained, driven for practice."""
    with TemporaryDirectory() as folder:
        cell = make_cell("planar", "unfold", 100, 100, transitions=2_000, steps_scale=0.02)
        run_cell(cell, Path(folder))
        (tried,) = choose([Path(folder) / "Planar-v0" / cell.name], problems=2)
        print(f"{cell.name}: {tried.alike.mean():.1%} like the goal")


@dataclass(frozen=True, kw_only=True)
class Options:
    work: tuple[Path, ...] = (Path("runs/experiments"),)
    """folders of `suites`"""


EXPERIMENT = Experiment(
    __file__,
    {"suite": list(SUITES), "seed": range(10), "task": TASKS},
    measure,
    "{suite} {task} {seed}: {score:.1f} % in the goal, {practice:.1%} like it",
    quick,
    judge,
    report,
    picture,
    exists=is_known,
    options=Options,
    threads=None,
)

if __name__ == "__main__":
    EXPERIMENT.main()
