"""Small charts as SVG, in the colours of the page that they stand on."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from e2c_control.benchmark.table import Line

BAR, BARS_HIGH = 22, 64
LEFT, WIDE, ROW = 170, 420, 30


def histogram_svg(counts: Sequence[int]) -> str:
    """Draw drives by score: a bar for each bin from 0 to 100 percent."""
    most = max(max(counts), 1)
    bars: list[str] = []
    for i, count in enumerate(counts):
        low, high = 100 * i // len(counts), 100 * (i + 1) // len(counts)
        height = max(round(BARS_HIGH * count / most), 1 if count == 0 else 2)
        kind = "bar" if count else "none"
        bars.append(
            f'<rect class="{kind}" x="{i * BAR + 1}" y="{BARS_HIGH + 14 - height}" width="{BAR - 2}" '
            f'height="{height}"><title>{count} drives from {low} to {high} %</title></rect>'
        )
        if count:
            bars.append(f'<text x="{i * BAR + BAR / 2}" y="{BARS_HIGH + 11 - height}" class="count">{count}</text>')
    ends = "".join(
        f'<text x="{x}" y="{BARS_HIGH + 28}" text-anchor="{anchor}">{value}</text>'
        for x, anchor, value in (
            (0, "start", 0),
            (BAR * len(counts) / 2, "middle", 50),
            (BAR * len(counts), "end", 100),
        )
    )
    return _svg(BAR * len(counts), BARS_HIGH + 32, "".join(bars) + ends, "histogram of drives by score")


def intervals_svg(lines: Sequence[Line]) -> str:
    """Interquartile means (dots) with their intervals, the worst seed (a cross) and the oracle (a dashed line)."""
    height = ROW * len(lines) + 26
    grid = "".join(
        f'<line class="grid" x1="{_x(share)}" x2="{_x(share)}" y1="0" y2="{height - 20}"/>'
        f'<text x="{_x(share)}" y="{height - 5}" text-anchor="middle">{share:.0%}</text>'
        for share in (0, 0.25, 0.5, 0.75, 1)
    )
    oracle = lines[0].oracle
    dashed = f'<line class="oracle" x1="{_x(oracle)}" x2="{_x(oracle)}" y1="0" y2="{height - 20}"/>'
    marks = "".join(_mark(line, ROW * i + ROW / 2) for i, line in enumerate(lines))
    return _svg(LEFT + WIDE + 24, height, grid + dashed + marks, "interquartile means with intervals")


def _mark(line: Line, y: float) -> str:
    low, high = line.iqm_interval or (line.iqm, line.iqm)
    x, (seed, worst) = _x(line.worst_seed[1]), line.worst_seed
    return (
        f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end" class="name">{escape(line.scores.recipe)}</text>'
        f'<path class="worst" d="M{x - 6} {y - 6}l12 12m0 -12l-12 12"><title>worst seed {seed}: {100 * worst:.1f}'
        "</title></path>"
        f'<line class="interval" x1="{_x(low)}" x2="{_x(high)}" y1="{y}" y2="{y}"/>'
        f'<circle class="dot" cx="{_x(line.iqm)}" cy="{y}" r="4"><title>IQM {100 * line.iqm:.1f}, '
        f"[{100 * low:.1f}, {100 * high:.1f}]</title></circle>"
    )


def _x(share: float) -> float:
    return round(LEFT + WIDE * share, 1)


def _svg(width: float, height: float, content: str, label: str) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" role="img" '
        f'aria-label="{label}">{content}</svg>'
    )
