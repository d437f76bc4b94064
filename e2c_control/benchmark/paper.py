"""The E2C paper's own measures (Watter et al. 2015, tables 1 and 2), beside the time in goal of later papers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from e2c_control.benchmark.table import Scores, gather
from e2c_control.benchmark.worlds import World

HEADING = (
    "task",
    "recipe",
    "state loss",
    "next-state loss",
    "latent cost",
    "real cost",
    "success, %",
    "seeds",
)

EXPLANATION = (
    "The E2C paper's measures, means over seeds: nats to explain a held-out image from its code, and the next one from "
    "the predicted code; the task's quadratic cost of the drives, summed over an episode, in the latent space (whose "
    "scale each map chooses for itself) and in the true one; and the share of drives that end in the goal region."
)


class PaperLine(NamedTuple):
    """One recipe on one task, by the paper's measures."""

    label: str
    recipe: str
    state_loss: float
    next_state_loss: float
    latent_cost: float
    real_cost: float
    success: float
    seeds: int


def paper_lines(world: World, recipe: str, rows: Iterable[Mapping[str, Any]]) -> list[PaperLine]:
    """Return a line for each task of a world, from rows of its cells; older rows, without measures, are left out."""
    told = [row for row in rows if "measures" in row and all("success" in row["tasks"][task] for task in world.tasks)]
    return [_line(scores, told) for scores in (gather(world, recipe, told) if told else ())]


def _line(scores: Scores, rows: Sequence[Mapping[str, Any]]) -> PaperLine:
    def of_map(name: str) -> float:
        return float(np.mean([row["measures"][f"map/{name}"] for row in rows]))

    def of_drives(name: str) -> float:
        drives: list[list[float]] = [row["tasks"][scores.task][name] for row in rows]
        return float(np.mean(drives))

    return PaperLine(
        scores.label,
        scores.recipe,
        of_map("state_loss"),
        of_map("next_state_loss"),
        of_drives("latent_cost"),
        of_drives("real_cost"),
        of_drives("success"),
        len(rows),
    )


def paper_table(lines: Sequence[PaperLine]) -> list[str]:
    """Return lines of a Markdown table, without the words around it."""
    rows = [HEADING, ("---",) * len(HEADING), *(_cells(line) for line in lines)]
    return [f"| {' | '.join(row)} |" for row in rows]


def _cells(line: PaperLine) -> tuple[str, ...]:
    return (
        line.label,
        f"`{line.recipe}`",
        f"{line.state_loss:.1f}",
        f"{line.next_state_loss:.1f}",
        f"{line.latent_cost:,.0f}",
        f"{line.real_cost:,.0f}",
        f"{100 * line.success:.0f}",
        str(line.seeds),
    )
