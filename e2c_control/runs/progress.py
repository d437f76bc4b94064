"""Progress with time left: a live bar on a terminal, a line now and then in a log file or a pipe."""

from __future__ import annotations

import sys
from typing import NoReturn

from tqdm import tqdm

LOG_SECONDS = 30.0
"""Between two lines in a log; what takes less time has none, so that an error stands alone there."""


def progress_bar(total: int, *, done: int = 0, unit: str, enabled: bool) -> tqdm[NoReturn]:
    """Make a bar over `total` units of which `done` are done already; silent unless `enabled`."""
    live = sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=done,
        unit=unit,
        disable=not enabled,
        dynamic_ncols=live,
        delay=0.0 if live else LOG_SECONDS,
        mininterval=0.1 if live else LOG_SECONDS,
        maxinterval=10.0 if live else LOG_SECONDS,
    )
