"""What stable-baselines3 logs, in the curves and pictures of a run folder."""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.logger import Image, KVWriter

from e2c_control.figures import save_png
from e2c_control.runs.folder import RunFolder
from e2c_control.runs.logger import RunLogger


class Curves(KVWriter):
    """Writes numbers and pictures to TensorBoard and `metrics.jsonl`, and keeps the newest of each picture as PNG.

    Args:
        run: whose.
        logger: of the run; whoever made it closes it.
    """

    def __init__(self, run: RunFolder, logger: RunLogger) -> None:
        self._run, self._logger = run, logger

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        numbers: dict[str, float] = {}
        for tag, value in key_values.items():
            if isinstance(value, Image):
                picture: Any = value.image
                self._logger.image(step, tag, picture)
                save_png(picture, self._run.plots / f"{tag.rpartition('/')[2]}.png")
            elif "tensorboard" not in key_excluded.get(tag, ()):
                numbers[tag] = float(value)
        if numbers:
            self._logger.scalars(step, numbers)
        self._logger.flush()  # before a checkpoint, whose curves must not be lost by a kill

    def close(self) -> None:
        pass
