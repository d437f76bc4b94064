"""What comes of a job that gave no result."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Failed:
    """A job without a result.

    Attributes:
        reason: a sentence, where the user can do something about it, or a traceback.
    """

    reason: str
