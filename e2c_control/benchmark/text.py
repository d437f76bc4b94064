"""The table as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from e2c_control.benchmark.table import Interval, Line, Overall, Scores

BARS = "▁▂▃▄▅▆▇█"

HEADING = (
    "task",
    "recipe",
    "mean [95 %]",
    "IQM [95 %]",
    "worst seed",
    "oracle",
    "mean, IQM / oracle",
    "paired difference to the default",
    "drives by score, 0 to 100",
    "seeds",
    "CPU-s to train, worst",
)

EXPLANATION = (
    "Percent of the steps in the goal region. IQM: mean of the middle half of all drives. Intervals: bootstrap over "
    "seeds, each drawn with all its problems, which share a model. Differences: seed by seed and problem by problem. "
    "The oracle is a hand-made controller that sees the true state."
)

BINS = "Drives by score: how many in each of ten bins, relative to the fullest; a dot is an empty bin."


def with_interval(value: float, interval: Interval, sign: str = "") -> str:
    """Return a share as percent: "75.5 [75.2, 75.8]"."""
    text, *ends = (f"{round(100 * share, 1) + 0.0:{sign}.1f}" for share in (value, *(interval or ())))  # no "-0.0"
    return f"{text} [{', '.join(ends)}]" if ends else text


def sparkline(counts: Sequence[int]) -> str:
    """Return a histogram in one line of text; a dot for an empty bin."""
    most = max(counts)
    return "".join(BARS[-(-len(BARS) * count // most) - 1] if count else "·" for count in counts)


def difference_text(line: Line) -> str:
    """Return the paired difference, and how many seeds it is of if not the line's number; empty if there is none."""
    found = line.difference
    if found is None:
        return ""
    some = "" if found.seeds == len(line.scores.seeds) else f" ({found.seeds} seeds)"
    return with_interval(found.mean, found.interval, "+") + some


def _cells(line: Line) -> tuple[str, ...]:
    scores, (seed, worst) = line.scores, line.worst_seed
    return (
        scores.label,
        f"`{scores.recipe}`",
        with_interval(line.mean, line.mean_interval),
        with_interval(line.iqm, line.iqm_interval),
        f"{100 * worst:.1f} ({seed})",
        f"{100 * line.oracle:.1f}",
        f"{line.mean / line.oracle:.2f}, {line.iqm / line.oracle:.2f}",
        difference_text(line),
        sparkline(line.histogram),
        str(len(scores.seeds)),
        f"{scores.train_cpu_seconds.max():.0f}",
    )


def markdown_table(lines: Sequence[Line]) -> list[str]:
    """Return lines of a Markdown table, without the words around it."""
    rows = [HEADING, ("---",) * len(HEADING), *(_cells(line) for line in lines)]
    return [f"| {' | '.join(row)} |" for row in rows]


def overall_sentences(records: Sequence[Overall]) -> list[str]:
    """Say what a recipe reaches over all worlds, one item of a list each."""
    return [
        f"- `{one.recipe}`, all drives in {one.worlds} worlds, percent of the oracle: mean "
        f"{with_interval(one.mean, one.mean_interval)}, IQM {with_interval(one.iqm, one.iqm_interval)}."
        for one in records
    ]


def table_csv(lines: Sequence[Line]) -> str:
    """Return the table with full precision; an end of an interval that there is not is empty."""
    rows: list[dict[str, object]] = []
    for line in lines:
        ends = {
            "mean": line.mean_interval,
            "iqm": line.iqm_interval,
            "difference": None if line.difference is None else line.difference.interval,
        }
        row: dict[str, object] = {
            "world": line.scores.world,
            "task": line.scores.task,
            "recipe": line.scores.recipe,
            "seeds": len(line.scores.seeds),
            "mean": line.mean,
            "iqm": line.iqm,
            "worst_seed": line.worst_seed[0],
            "worst_seed_mean": line.worst_seed[1],
            "oracle": line.oracle,
            "mean_over_oracle": line.mean / line.oracle,
            "iqm_over_oracle": line.iqm / line.oracle,
            "difference": None if line.difference is None else line.difference.mean,
            "difference_seeds": None if line.difference is None else line.difference.seeds,
            "train_cpu_seconds_worst": float(line.scores.train_cpu_seconds.max()),
        }
        for name, interval in ends.items():
            low, high = (None, None) if interval is None else interval
            row |= {f"{name}_low": low, f"{name}_high": high}
        row |= {f"drives_from_{10 * i}": count for i, count in enumerate(line.histogram)}
        rows.append(row)
    return _csv(rows)


def drives_csv(scores: Sequence[Scores]) -> str:
    """Return every drive: world, task, recipe, seed, number of the problem, score, oracle."""
    return _csv(
        [
            {
                "world": one.world,
                "task": one.task,
                "recipe": one.recipe,
                "seed": seed,
                "problem": problem,
                "score": float(one.values[i, problem]),
                "oracle": float(one.oracle[problem]),
            }
            for one in scores
            for i, seed in enumerate(one.seeds)
            for problem in range(one.values.shape[1])
        ]
    )


def _csv(rows: Sequence[dict[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
