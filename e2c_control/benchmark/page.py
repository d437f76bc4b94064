"""The table as one HTML page that needs nothing else: charts, latent maps and driven paths are inside."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby
from pathlib import Path

from e2c_control.benchmark.charts import histogram_svg, intervals_svg
from e2c_control.benchmark.table import Line, Overall
from e2c_control.benchmark.text import EXPLANATION, difference_text, with_interval
from e2c_control.training.presets import RECIPE

STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --faint: #6b7480; --rule: #dde1e6; --paper: #ffffff;
  --panel: #f5f7f9; --blue: #0072b2; --orange: #c8500a; --green: #00805e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --faint: #98a2ad; --rule: #353c44; --paper: #15181c;
  --panel: #1e2328; --blue: #5cb8ee; --orange: #f08c4a; --green: #35c79d; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1120px; padding: 24px 20px 80px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 26px; margin: 8px 0; } h2 { font-size: 20px; margin: 44px 0 8px; } p { max-width: 76ch; }
.faint, figcaption, footer { color: var(--faint); font-size: 13.5px; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 12px 0; }
th, td { padding: 5px 14px 5px 0; border-bottom: 1px solid var(--rule); text-align: right; white-space: nowrap; }
th { font-weight: 600; color: var(--faint); font-size: 13px; white-space: normal; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
code { font-size: 14px; } .default { font-weight: 650; }
figure { margin: 0; } .charts { display: flex; flex-wrap: wrap; gap: 18px 34px; margin: 14px 0; }
svg { font: 11px system-ui, sans-serif; overflow: visible; max-width: 100%; height: auto; }
svg text { fill: var(--faint); } svg .name { fill: var(--ink); font-size: 13px; } svg .count { text-anchor: middle; }
.bar { fill: var(--blue); } .none { fill: var(--rule); } .grid { stroke: var(--rule); }
.oracle { stroke: var(--green); stroke-width: 2; stroke-dasharray: 5 4; } .dot { fill: var(--blue); }
.interval { stroke: var(--blue); stroke-width: 3; stroke-linecap: round; }
.worst { stroke: var(--orange); stroke-width: 2; fill: none; }
details { background: var(--panel); border-radius: 8px; padding: 8px 14px; margin: 10px 0; }
summary { cursor: pointer; } .pictures { display: grid; gap: 12px; margin: 12px 0;
  grid-template-columns: repeat(auto-fit, minmax(min(480px, 100%), 1fr)); }
.pictures img { width: 100%; border-radius: 6px; display: block; } b.good { color: var(--green); }
"""

COLUMNS = (
    "recipe",
    "mean [95 %]",
    "IQM [95 %]",
    "worst seed",
    "mean, IQM / oracle",
    "paired difference to the default",
    "seeds",
    "CPU-s to train, worst",
)

Pictures = Mapping[tuple[str, str], Sequence[tuple[int, Sequence[Path]]]]
"""PNG files by world and recipe: seeds, each with its map and the worst drive of each task."""


def html_page(lines: Sequence[Line], records: Sequence[Overall], pictures: Pictures, notes: Sequence[str]) -> str:
    """Return the page as HTML.

    Args:
        lines: of the table; those of one task stand together.
        records: of recipes over all worlds.
        pictures: to show.
        notes: what made the numbers, a sentence each.
    """
    tasks = groupby(lines, lambda line: line.scores.label)
    shown: set[tuple[str, str]] = set()
    parts = [_task(label, list(group), pictures, shown) for label, group in tasks]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Control from pixels: benchmark</title><style>{STYLE}</style></head><body>"
        f"<h1>Control from pixels: benchmark</h1><p>{escape(EXPLANATION)}</p>{_overall(records)}"
        f"{''.join(parts)}<footer>{''.join(f'<p>{escape(note)}</p>' for note in notes)}</footer></body></html>\n"
    )


def _overall(records: Sequence[Overall]) -> str:
    if not records:
        return ""
    rows = [
        (_name(one.recipe), with_interval(one.mean, one.mean_interval), with_interval(one.iqm, one.iqm_interval))
        for one in records
    ]
    heading = ("recipe", "mean, % of the oracle [95 %]", "IQM, % of the oracle [95 %]")
    return f"<h2>All {records[0].worlds} worlds</h2>{_table(heading, rows)}"


def _task(label: str, lines: Sequence[Line], pictures: Pictures, shown: set[tuple[str, str]]) -> str:
    """Return the part about a task: table, charts, and its cells' pictures, unless a task of that model had them."""
    histograms = "".join(
        f"<figure>{histogram_svg(line.histogram)}<figcaption>{_name(line.scores.recipe)}, drives by score"
        "</figcaption></figure>"
        for line in lines
    )
    keys = [(line.scores.world, line.scores.recipe) for line in lines]
    fresh = [
        (line, pictures[key]) for line, key in zip(lines, keys, strict=True) if key in pictures and key not in shown
    ]
    albums = "".join(_album(line, cells) for line, cells in fresh)
    shown |= set(keys)
    return (
        f"<h2>{escape(label)}</h2>"
        f'<p class="faint">The oracle has {100 * lines[0].oracle:.1f} %.</p>'
        f'{_table(COLUMNS, [_row(line) for line in lines])}<div class="charts"><figure>{intervals_svg(lines)}'
        "<figcaption>Dot and bar: IQM and its interval. Cross: mean of the worst seed. Dashed: the oracle.</figcaption>"
        f'</figure></div><div class="charts">{histograms}</div>{albums}'
    )


def _row(line: Line) -> tuple[str, ...]:
    scores, (seed, worst) = line.scores, line.worst_seed
    return (
        _name(scores.recipe),
        with_interval(line.mean, line.mean_interval),
        with_interval(line.iqm, line.iqm_interval),
        f"{100 * worst:.1f} (seed {seed})",
        f"{line.mean / line.oracle:.2f}, {line.iqm / line.oracle:.2f}",
        difference_text(line),
        str(len(scores.seeds)),
        f"{scores.train_cpu_seconds.max():.0f}",
    )


def _album(line: Line, cells: Sequence[tuple[int, Sequence[Path]]]) -> str:
    """Return a recipe's pictures, folded up, but those of the default's worst seed can be seen at once."""
    recipe, (worst, _) = line.scores.recipe, line.worst_seed
    seeds = ", ".join(str(seed) for seed, _ in cells)
    first = _figures(dict(cells)[worst]) if recipe == RECIPE else ""
    return (
        f"{first}<details><summary>Latent maps and worst drives of {_name(recipe)}, seeds {seeds}</summary>"
        f"{''.join(_figures(paths) for _, paths in cells)}</details>"
    )


def _figures(paths: Sequence[Path]) -> str:
    figures = "".join(f'<img loading="lazy" alt="{escape(path.stem)}" src="{_data_uri(path)}">' for path in paths)
    return f'<div class="pictures">{figures}</div>'


def _name(recipe: str) -> str:
    return f"<code>{escape(recipe)}</code>"


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose cells are HTML."""
    head = "".join(f"<th>{escape(title)}</th>" for title in heading)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _data_uri(path: Path) -> str:
    return f"data:image/png;base64,{b64encode(path.read_bytes()).decode()}"
