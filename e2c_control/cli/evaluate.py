"""`e2c evaluate`."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2c_control.cli.console import MOST_PROBLEMS, Unset, check_seed, say, suggest, table
from e2c_control.errors import InputError, whole

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from e2c_control.cli.trained import TrainedRun
    from e2c_control.planners.mpc import Replan

    Array = NDArray[np.float64]

PROBLEMS = 10


@dataclass(frozen=True)
class Evaluation:
    """How one run did.

    Attributes:
        trained: the run.
        task: id of the task that it drove.
        scores: share of the steps in the goal region, for each problem.
        oracle: the same for the hand-made controller that sees the true state.
        replans: what every replan reported.
    """

    trained: TrainedRun
    task: str
    scores: Array
    oracle: Array
    replans: list[Replan]


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Drive many problems, seeing images alone, and compare the time in goal with the oracle's.

    The oracle is a hand-made controller that sees the true state. The numbers go into each run folder as JSON, too.
      e2c evaluate --run runs/Planar-v0/NAME
      e2c evaluate --run runs/Planar-v0/*               (one line for each, and their mean)
      e2c evaluate --run runs/PendulumSwingUp-v0/NAME --task E2C/PendulumBalance-v0

    Attributes:
        run: folders that `e2c train` made.
        task: another task of the same system as the one trained on.
        seed: of the list of problems. 2020 is the published list: choose others, from 100 up, to tune on.
        problems: how many problems.
    """

    run: tuple[Path, ...]
    task: Unset[str] = None
    seed: int = 2020
    problems: int = PROBLEMS

    def __call__(self) -> None:
        """Drive, print the table, and say what to do next."""
        self.report(self.evaluate())
        suggest(f"e2c plan --run {self.run[0]}" + (f" --task {self.task}" if self.task else ""))

    def report(self, results: list[Evaluation]) -> None:
        """The table of scores, and where they are written."""
        rows = [("run", "time in goal", "worst", "oracle", "ms per plan"), *(_row(result) for result in results)]
        if len(results) > 1:
            rows.append(_mean_row(results))
        print(table(rows), flush=True)
        say("Scores", ", ".join(str(self._result_path(result)) for result in results))

    def evaluate(self) -> list[Evaluation]:
        """All runs, each written down as soon as it is done."""
        from e2c_control.cli.trained import TrainedRun

        if self.problems < 1 or not self.run:
            raise InputError("There is nothing to evaluate: give at least one --run and one of --problems.")
        check_seed(self.seed)
        whole("--problems", self.problems, most=MOST_PROBLEMS)
        runs = [TrainedRun.open(path) for path in self.run]
        results: list[Evaluation] = []
        for trained in runs:
            results.append(self._drive(trained))
            self._write(results[-1])
        return results

    def _drive(self, trained: TrainedRun) -> Evaluation:
        from e2c_control.agents import drive
        from e2c_control.envs.reference import reference_scores

        if not trained.native:
            raise InputError(
                f"{trained.card.environment} has no goals to score by: look at single drives with `e2c plan --run "
                f"{trained.folder.path}`, or use stable_baselines3's evaluate_policy on its own reward."
            )
        task = trained.task(self.task)
        problems = task.evaluation_problems(self.seed, self.problems)
        driven = drive(trained.agent(task), task, problems)
        return Evaluation(trained, task.id, driven.scores, reference_scores(task, problems), driven.replans)

    def _result_path(self, result: Evaluation) -> Path:
        """The published number of problems has the plain name; another one does not replace its scores."""
        count = "" if self.problems == PROBLEMS else f"-{self.problems}-problems"
        return result.trained.folder.path / f"evaluation-{result.task.rpartition('/')[2]}-{self.seed}{count}.json"

    def _write(self, result: Evaluation) -> None:
        from e2c_control.cli.episode import mean_scalars
        from e2c_control.runs.atomic import replace_text
        from e2c_control.runs.logger import RunLogger
        from e2c_control.runs.versions import package_versions, source_commit

        content: dict[str, Any] = {
            "task": result.task,
            "problem_seed": self.seed,
            "checkpoint_step": result.trained.step,
            "time_in_goal": result.scores.tolist(),
            "oracle": result.oracle.tolist(),
            "mean": float(result.scores.mean()),
            "standard_error": standard_error(result.scores),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": source_commit(),
            "versions": package_versions(),
            "machine": f"{platform.system()} {platform.machine()}",
        }
        replace_text(self._result_path(result), json.dumps(content, indent=2) + "\n")
        name = result.task.rpartition("/")[2]
        scores = {
            f"evaluate/{name}": float(result.scores.mean()),
            f"evaluate/{name}_oracle": float(result.oracle.mean()),
        }
        with RunLogger(result.trained.folder) as logger:
            logger.scalars(result.trained.step, {**scores, **mean_scalars(result.replans)})


def standard_error(values: Array) -> float:
    """Of the mean of independent values; 0 of a single one."""
    return float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0


def _row(result: Evaluation) -> tuple[str, ...]:
    problems = len(result.scores)
    milliseconds = 1e3 * sum(replan.cpu_seconds for replan in result.replans) / (problems * len(result.replans))
    return (
        str(result.trained.folder.path),
        f"{result.scores.mean():.1%} ± {standard_error(result.scores):.1%}",
        f"{result.scores.min():.1%}",
        f"{result.oracle.mean():.1%}",
        f"{milliseconds:.2f}",
    )


def _mean_row(results: list[Evaluation]) -> tuple[str, ...]:
    """The mean over runs; its error counts runs, not problems, because those of one run are not independent."""
    import numpy as np

    means = np.array([result.scores.mean() for result in results])
    oracle = float(np.mean([result.oracle.mean() for result in results]))
    spread = f"{means.mean():.1%} ± {standard_error(means):.1%}"
    return f"mean of {len(results)} runs", spread, f"{means.min():.1%}", f"{oracle:.1%}", ""
