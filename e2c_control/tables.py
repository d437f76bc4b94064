"""Tables of plain text."""

from __future__ import annotations

from collections.abc import Sequence


def table(rows: Sequence[Sequence[str]], words: int = 0) -> str:
    """Return rows of equal length as text, the first one a heading.

    The first column and the last `words` columns stand to the left, numbers to the right.
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    left = [i == 0 or i >= len(widths) - words for i in range(len(widths))]
    lines = ["  ".join(_pad(row, widths, left)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * (sum(widths) + 2 * len(widths) - 2), *lines[1:]])


def _pad(row: Sequence[str], widths: Sequence[int], left: Sequence[bool]) -> list[str]:
    aligned = zip(row, widths, left, strict=True)
    return [cell.ljust(width) if to_left else cell.rjust(width) for cell, width, to_left in aligned]
