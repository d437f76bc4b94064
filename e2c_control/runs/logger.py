"""What a run reports while it goes: TensorBoard events and ``metrics.jsonl``, step by step the same.

`e2c_control.runs.tags` says what each tag means; TensorBoard shows it beside the curve.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from e2c_control.errors import InputError
from e2c_control.runs.atomic import replace_text, sweep, writing
from e2c_control.runs.folder import RunFolder
from e2c_control.runs.tags import describing, hyperparameters
from e2c_control.runs.typed_json import JSON


class RunLogger:
    """Writes the curves of a run.

    Args:
        run: whose.
        resume_step: the step of the checkpoint from which the run goes on: what was logged after it is dropped from
            metrics.jsonl and hidden in TensorBoard, so that the curves continue without overlap.
        part: such as "drives/NAME": log to a run of its own, in a folder of this name below the run's. Only its tables
            go into metrics.jsonl, whose curves are those of the run.
    """

    def __init__(self, run: RunFolder, resume_step: int | None = None, part: str = "") -> None:
        from torch.utils.tensorboard import SummaryWriter  # here, because torch takes seconds to import

        if resume_step is not None:
            truncate_metrics(run.metrics, resume_step)
        sweep(run.path)
        self._path, self._part = run.path, part
        with writing(run.path):
            self._metrics = run.metrics.open("a", encoding="utf-8")
            purge = None if resume_step is None else resume_step + 1
            self._events: Any = describing(SummaryWriter(str(run.path / part), purge_step=purge))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Log numbers by their tag, such as "loss/reconstruction"."""
        plain = {tag: float(value) for tag, value in values.items()}
        with writing(self._path):
            for tag, value in plain.items():
                self._events.add_scalar(tag, value, step)
        if not self._part:
            self._line({"step": step, **plain})

    def _line(self, values: Mapping[str, float | str]) -> None:
        """Return a line of metrics.jsonl; JSON knows no NaN."""
        lost = {name for name, value in values.items() if isinstance(value, float) and not math.isfinite(value)}
        with writing(self._path):
            self._metrics.write(json.dumps({n: None if n in lost else value for n, value in values.items()}) + "\n")
            self._metrics.flush()

    def text(self, step: int, tag: str, text: str) -> None:
        """Log a sentence, or Markdown; TensorBoard only."""
        with writing(self._path):
            self._events.add_text(tag, text, step)

    def table(self, step: int, tag: str, values: Mapping[str, float]) -> None:
        """Log numbers that are no points of a curve, together: as a table in TensorBoard, and as a line "of" this tag.

        A scalar of its own for each would be a chart with a single dot, and those of another drive at the same step
        would stand in the same one.
        """
        rows = "".join(f"| {name} | {value:.6g} |\n" for name, value in values.items())
        self.text(step, tag, f"| | |\n|---|---|\n{rows}")
        self._line({"step": step, "of": tag, **values})

    def hyperparameters(self, values: Mapping[str, str | float], measures: Sequence[tuple[str, str]]) -> None:
        """Log what TensorBoard's HPARAMS tab compares runs by, see `e2c_control.runs.tags.hyperparameters`."""
        with writing(self._path):
            for summary in hyperparameters(values, measures):
                self._events.file_writer.add_summary(summary)

    def image(self, step: int, tag: str, image: NDArray[np.uint8]) -> None:
        """Log a picture (H, W), (H, W, 1) or (H, W, 3) uint8; TensorBoard only."""
        image = image[..., None] if image.ndim == 2 else image
        with writing(self._path):
            self._events.add_image(tag, image, step, dataformats="HWC")

    def flush(self) -> None:
        """Put all on the disk, as before a checkpoint."""
        with writing(self._path):
            self._events.flush()
            self._metrics.flush()

    def close(self) -> None:
        """Flush and close both files."""
        with writing(self._path):
            self._events.close()
            self._metrics.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Read the lines of a ``metrics.jsonl``; skip a last one that a killed process left half written."""
    if not path.exists():
        return []
    with writing(path):  # it is opened to go on with
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        try:
            row: JSON = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number < len(lines):
                raise _damaged(path, number) from error
            continue
        if not isinstance(row, dict) or not _is_row(row):
            raise _damaged(path, number)
        rows.append(row)
    return rows


def last_measured(path: Path, needed: str = "map/step_rank") -> dict[str, float]:
    """Return what was logged in a ``metrics.jsonl`` at the last step that has the tag ``needed``; nothing if none has.

    What is measured at a step may stand in several lines of it.
    """
    rows = read_metrics(path)
    steps = [row["step"] for row in rows if row.get(needed) is not None]
    of_it = [row for row in rows if steps and row["step"] == steps[-1] and "of" not in row]
    return {tag: value for row in of_it for tag, value in row.items() if value is not None}


def _is_row(row: dict[str, JSON]) -> bool:
    """Return whether it is of a step, with numbers or nothing by tag; a table says "of" what it is."""
    numbers = (value for name, value in row.items() if not (name == "of" and type(value) is str))
    return type(row.get("step")) is int and all(value is None or type(value) in (int, float) for value in numbers)


def _damaged(path: Path, number: int) -> InputError:
    return InputError(f"{path} is damaged in line {number}: remove that line.")


def truncate_metrics(path: Path, last_step: int) -> None:
    """Drop the lines of steps after ``last_step``."""
    kept = [json.dumps(row) + "\n" for row in read_metrics(path) if row["step"] <= last_step]
    replace_text(path, "".join(kept))
