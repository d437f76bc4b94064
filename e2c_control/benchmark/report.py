"""The report of a folder of finished cells: `table.md`, `table.csv`, `drives.csv` and `report.html`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from e2c_control.benchmark.page import html_page
from e2c_control.benchmark.paper import EXPLANATION as PAPER_EXPLANATION
from e2c_control.benchmark.paper import paper_lines, paper_table
from e2c_control.benchmark.store import Stored
from e2c_control.benchmark.table import Line, gather, overall, summarise
from e2c_control.benchmark.text import BINS, EXPLANATION, drives_csv, markdown_table, overall_sentences, table_csv
from e2c_control.benchmark.worlds import WORLDS
from e2c_control.errors import InputError
from e2c_control.runs.atomic import replace_text
from e2c_control.training.presets import RECIPE


class Report(NamedTuple):
    """Its files, and the lines of the table."""

    lines: list[Line]
    markdown: Path
    page: Path


def write_report(folder: Path, cells: Sequence[Stored]) -> Report:
    """Write all four files; the old ones give way.

    Raises:
        InputError: there are no cells, or they drove different lists of problems.
    """
    if len({stored.cell.problems for stored in cells}) != 1:
        raise InputError(f"{folder} has no finished cells, or cells of several lists of problems: run the benchmark.")
    groups: dict[tuple[str, str], list[Stored]] = {}
    for stored in sorted(cells, key=_order):
        groups.setdefault((stored.cell.world.name, stored.cell.recipe.name), []).append(stored)
    found = [
        scores
        for (_, recipe), group in groups.items()
        for scores in gather(group[0].cell.world, recipe, [one.row for one in group], group[0].cell.problems)
    ]
    papers = [
        line
        for (_, recipe), group in groups.items()
        for line in paper_lines(group[0].cell.world, recipe, [one.row for one in group])
    ]
    tasks = list(dict.fromkeys(one.label for one in found))
    found.sort(key=lambda one: tasks.index(one.label))
    lines, records, notes = summarise(found), overall(found), _notes(cells)
    text = [
        "# Benchmark",
        "",
        f"{EXPLANATION} {BINS}",
        "",
        *markdown_table(lines),
        "",
        *overall_sentences(records),
        "",
        PAPER_EXPLANATION,
        "",
        *paper_table(sorted(papers, key=lambda line: tasks.index(line.label))),
        "",
        *notes,
    ]
    pictures = {key: [(one.cell.seed, list(one.pictures.values())) for one in group] for key, group in groups.items()}
    report = Report(lines, folder / "table.md", folder / "report.html")
    replace_text(report.markdown, "\n".join(text) + "\n")
    replace_text(folder / "table.csv", table_csv(lines))
    replace_text(folder / "drives.csv", drives_csv(found))
    replace_text(report.page, html_page(lines, records, pictures, notes))
    return report


def _order(stored: Stored) -> tuple[int, bool, str, int]:
    """Return the sorting key: worlds in their own order, in each the default recipe first."""
    cell = stored.cell
    return (
        [world.name for world in WORLDS.known()].index(cell.world.name),
        cell.recipe.name != RECIPE,
        cell.recipe.name,
        cell.seed,
    )


def _notes(cells: Sequence[Stored]) -> list[str]:
    """Return what made the numbers."""
    (problems,) = {stored.cell.problems for stored in cells}
    told = {name: sorted({_told(stored, name) for stored in cells}) for name in ("commit", "machine")}
    packages = sorted({f"{name} {version}" for stored in cells for name, version in stored.row["versions"].items()})
    return [
        f"Problems of seed {problems}. Commit {', '.join(told['commit'])}; machine {', '.join(told['machine'])}; "
        f"{', '.join(packages)}."
    ]


def _told(stored: Stored, name: str) -> str:
    return str(stored.row[name] or "unknown")
