"""What the scripts share: result files, and the blocks of the pages that are written from them."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from e2c_control.runs.atomic import replace_text

ROOT = Path(__file__).parents[1]
README, PAGE = ROOT / "README.md", ROOT / "experiments" / "RESULTS.md"


def load(name: str) -> dict[str, Any] | None:
    """A result file, `area/name`, if it was written."""
    area, _, stem = name.partition("/")
    path = ROOT / "experiments" / area / "results" / f"{stem}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def write_block(page: Path, name: str, lines: list[str]) -> None:
    """Replace what stands between `<!-- name: ... -->` and `<!-- end of name -->` on a page."""
    block = re.compile(rf"(<!-- {name}: [^>]*-->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    text = "\n".join(lines) + "\n"
    after, found = block.subn(lambda match: match[1] + text + match[2], page.read_text(encoding="utf-8"))
    if found != 1:
        raise SystemExit(f"{page} lacks the markers of the block '{name}'.")
    replace_text(page, after)


def publish(description: str | None, blocks: Sequence[tuple[Path, str, list[str]]]) -> bool:
    """The command line of a script that tells what was measured: prints its blocks and, unless `--quick`, writes them.

    Args:
        description: of the script.
        blocks: page, name and lines of each.

    Returns:
        Whether they were written.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="print what would be written, write nothing")
    quick = parser.parse_args().quick
    for page, name, lines in blocks:
        print("\n".join([*lines, ""]))
        if not quick:
            write_block(page, name, lines)
    return not quick
