"""The report: numbers that can be checked by hand, a CSV that a reader reads, a page that needs nothing else."""

import csv
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from e2c_control.benchmark.charts import histogram_svg, intervals_svg
from e2c_control.benchmark.paper import paper_lines, paper_table
from e2c_control.benchmark.report import write_report
from e2c_control.benchmark.store import read_cells
from e2c_control.benchmark.table import gather, overall, summarise
from e2c_control.benchmark.text import markdown_table, sparkline, with_interval
from e2c_control.benchmark.worlds import WORLDS

PLANAR = "E2C/Planar-v0"


def rows(scores: dict[int, float], oracle: float = 0.5) -> list[dict[str, object]]:
    """Rows of one task: a seed, and the score of all its problems."""
    return [
        {
            "seed": seed,
            "train_cpu_seconds": 10.0 * seed,
            "tasks": {PLANAR: {"scores": [score] * 10, "oracle": [oracle] * 10}},
        }
        for seed, score in scores.items()
    ]


def test_a_line_says_what_the_rows_hold() -> None:
    default = gather(WORLDS["planar"], "unfold", rows({2: 0.5, 1: 0.4, 3: 0.3}))
    other = gather(WORLDS["planar"], "e2c", rows({1: 0.2, 2: 0.3, 4: 0.0}))
    first, second = summarise([*default, *other])
    assert (first.mean, first.iqm, first.oracle) == pytest.approx((0.4, 0.4, 0.5))
    assert first.worst_seed == (3, pytest.approx(0.3))
    assert first.difference is None
    assert second.worst_seed == (4, 0.0)
    assert second.difference is not None
    assert (second.difference.mean, second.difference.interval) == (
        pytest.approx(-0.2),
        pytest.approx((-0.2, -0.2)),
    )
    assert second.difference.seeds == 2
    assert second.histogram == (10, 0, 10, 10, 0, 0, 0, 0, 0, 0)
    assert second.scores.train_cpu_seconds.max() == 40.0


def test_bimodal_seeds_show_where_means_hide() -> None:
    spread, split = (
        summarise(gather(WORLDS["planar"], "e2c", rows(dict(enumerate(scores)))))[0]
        for scores in ([0.45, 0.5, 0.55, 0.5], [0.95, 0.05, 0.95, 0.05])
    )
    assert spread.mean == pytest.approx(split.mean)
    assert sparkline(spread.histogram) == "····▃█····"
    assert sparkline(split.histogram) == "█········█"
    assert split.iqm_interval is not None
    assert np.ptp(split.iqm_interval) > 0.5


def test_rows_of_before_the_benchmark_can_be_read() -> None:
    """They have no oracle of their own, which the protocol's problems give again."""
    old = [{"seed": 0, "train_cpu_seconds": 1.0, "tasks": {PLANAR: {"scores": [0.75] * 10}}}]
    (line,) = summarise(gather(WORLDS["planar"], "unfold", old))
    assert 100 * line.oracle == pytest.approx(75.5)
    assert line.iqm_interval is None
    assert "| 75.0 | 75.0 |" in markdown_table([line])[2]


def test_the_measures_of_the_paper_are_means_of_the_rows_that_have_them() -> None:
    kept = rows({0: 0.5, 1: 0.5, 2: 0.5})
    for i, row in enumerate(kept[:2]):
        row["measures"] = {"map/state_loss": 10.0 + i, "map/next_state_loss": 12.0 + i}
        costs = {"latent_cost": [100.0, 300.0 + 200 * i], "real_cost": [7.0, 9.0], "success": [True, i == 1]}
        row["tasks"][PLANAR] |= costs  # type: ignore[index]
    (line,) = paper_lines(WORLDS["planar"], "e2c", kept)
    assert line[2:] == pytest.approx((10.5, 12.5, 250.0, 8.0, 0.75, 2))
    assert paper_table([line])[2] == "| Planar | `e2c` | 10.5 | 12.5 | 250 | 8 | 75 | 2 |"
    assert paper_lines(WORLDS["planar"], "e2c", kept[2:]) == []


def test_recipes_are_compared_over_all_worlds_only_where_they_were_run_in_all() -> None:
    one = gather(WORLDS["planar"], "unfold", rows({0: 0.5, 1: 0.5}))
    noisy = gather(WORLDS["planar-noise-2"], "unfold", rows({0: 0.1, 1: 0.1}, oracle=0.2))
    alone = gather(WORLDS["planar"], "e2c", rows({0: 0.5, 1: 0.5}))
    assert noisy[0].label == "Planar, noise 2 px"
    (found,) = overall([*one, *noisy, *alone])
    assert (found.recipe, found.worlds) == ("unfold", 2)
    assert found.mean == pytest.approx(0.75)  # half of the drives at the oracle, half at half of it
    assert found.mean_interval == pytest.approx((0.75, 0.75))
    assert overall(one) == []


def test_small_numbers_keep_no_minus_of_their_own() -> None:
    assert with_interval(-0.0001, (-0.001, 0.0), "+") == "+0.0 [-0.1, +0.0]"


def test_tables_hold_every_cell(stored: Path) -> None:
    report = write_report(stored, read_cells(stored / "cells"))
    with (stored / "table.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [(line["task"][4:-3], line["recipe"], line["seeds"]) for line in lines] == [
        ("PendulumBalance", "unfold", "3"),
        ("PendulumBalance", "e2c", "3"),
        ("PendulumSwingUp", "unfold", "3"),
        ("PendulumSwingUp", "e2c", "3"),
    ]
    assert float(lines[1]["difference"]) == pytest.approx(-float(lines[0]["mean"]) / 2)
    assert sum(int(lines[0][f"drives_from_{score}"]) for score in range(0, 100, 10)) == 30
    with (stored / "drives.csv").open() as file:
        drives = list(csv.DictReader(file))
    assert len(drives) == 2 * 2 * 3 * 10
    text = report.markdown.read_text()
    assert text.count("\n| Pendulum") == 2 * 4  # and by the measures of the E2C paper
    assert "Problems of seed 100." in text


class Page(HTMLParser):
    """What a page is made of, and what it asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.pictures: list[str] = []
        self.asked: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img", "line", "rect", "circle", "path"):
            self.open.append(tag)
        found = {name: value or "" for name, value in attrs}
        self.pictures += [found["src"]] if tag == "img" else []
        self.asked += [found[name] for name in ("src", "href") if name in found]

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("meta", "img", "line", "rect", "circle", "path"):
            assert self.open.pop() == tag


def test_the_page_needs_nothing_else(stored: Path) -> None:
    page = Page()
    text = write_report(stored, read_cells(stored / "cells")).page.read_text()
    page.feed(text)
    assert page.open == []
    assert len(page.pictures) == 2 * 3 * 3 + 3  # a map and two drives a cell, and the default's worst seed once more
    assert all(source.startswith("data:image/png;base64,") for source in page.asked)
    assert not re.search(r"https?://|url\(|<script|@import", text)
    assert "prefers-color-scheme: dark" in text


def test_charts_are_well_formed_and_to_scale(stored: Path) -> None:
    lines = write_report(stored, read_cells(stored / "cells")).lines
    bars = ElementTree.fromstring(histogram_svg((0, 4, 0, 2))).findall("rect")
    heights = [float(bar.attrib["height"]) for bar in bars]
    assert heights[1] == 2 * heights[3] > 10 * heights[0]
    chart = ElementTree.fromstring(intervals_svg(lines[2:]))
    ends = [float(line.attrib["x1"]) for line in chart.findall("line") if line.attrib["class"] == "grid"]
    dots = [float(dot.attrib["cx"]) for dot in chart.findall("circle")]
    assert dots == pytest.approx([ends[0] + line.iqm * (ends[-1] - ends[0]) for line in lines[2:]], abs=0.1)
