"""Rows of a result file, measured one after another: what is there is not measured again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from e2c_control.runs.atomic import replace_text

Row = dict[str, Any]


def stored(path: Path) -> list[Row]:
    """Rows that were measured before."""
    return json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []


def stored_rows(path: Path, problems: int) -> list[Row]:
    """Rows that were measured before; scores on other problems do not go into the same file."""
    if not path.exists():
        return []
    result = json.loads(path.read_text(encoding="utf-8"))
    if result["problems"] != problems:
        raise SystemExit(f"{path} holds scores on the problems of seed {result['problems']}: choose another --out.")
    return result["rows"]


def measure_missing(
    path: Path,
    wanted: Iterable[Row],
    measure: Callable[..., Row],
    result: Callable[[list[Row]], dict[str, Any]],
    told: Callable[[Row], str],
    read: Callable[[Path], list[Row]] = stored,
) -> list[Row]:
    """Measure each row that is not in the file yet, and write it at once: a killed script goes on where it was.

    Remove the file to measure all again.

    Args:
        path: of the file.
        wanted: what each row is known by, which are parts of it, in the order of measuring.
        measure: makes a row; gets what it is known by as arguments.
        result: what the file holds when it has such rows.
        told: a line about a new row.
        read: gives the file's rows.

    Returns:
        All rows that the file holds in the end.
    """
    for known_by in wanted:
        if any(all(row[name] == value for name, value in known_by.items()) for row in read(path)):
            continue
        row = measure(**known_by)
        rows = [*read(path), row]  # read again: another process may have added its own meanwhile
        replace_text(path, json.dumps(result(rows)) + "\n")
        print(told(row), flush=True)
    return read(path)
