"""`e2c evaluate`."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2c_control.cli.console import MOST_PROBLEMS, Unset, check_seed, say, suggest
from e2c_control.cli.planning import Planning, PlanningFlags
from e2c_control.envs.task import PROTOCOL_PROBLEMS, PROTOCOL_SEED
from e2c_control.errors import InputError, quoted, whole
from e2c_control.tables import table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from e2c_control.agents import PlanningOptions
    from e2c_control.envs import Task
    from e2c_control.evaluation.trained import TrainedRun
    from e2c_control.planners.mpc import Replan

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class Evaluation:
    """How one run did on one list of problems.

    Attributes:
        trained: the run.
        task: id of the task that it drove.
        seed: of the list.
        options: how it planned.
        scores: share of the steps in the goal region, for each problem.
        oracle: the same for the hand-made controller that sees the true state.
        replans: what every replan reported.
        unwritten: why it could not be written down, if that is so.
    """

    trained: TrainedRun
    task: str
    seed: int
    options: PlanningOptions
    scores: Array
    oracle: Array
    replans: list[Replan]
    unwritten: InputError | None = None

    @property
    def task_name(self) -> str:
        """Without the namespace."""
        return self.task.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Drive many problems, seeing images alone, and compare the time in goal with the oracle's.

    The oracle is a hand-made controller that sees the true state. The numbers go into each run folder as JSON, too.
      e2c evaluate --run runs/Planar-v0/NAME
      e2c evaluate --run runs/Planar-v0/*               (one line for each, and their mean)
      e2c evaluate --run runs/PendulumSwingUp-v0/NAME --task E2C/PendulumBalance-v0 E2C/PendulumSwingUp-v0
      e2c evaluate --run runs/Planar-v0/NAME --planner lqr --seed 100 101 102

    Attributes:
        run: folders that `e2c train` made.
        task: other tasks of the same system as the one trained on.
        seed: of the lists of problems. 2020 is the published list: choose others, from 100 up, to tune on.
        problems: how many problems in each list.
        out: folder for the numbers and curves instead of the run folder, such as of a run that may only be read.
        planning: how.
    """

    run: tuple[Path, ...]
    task: Unset[tuple[str, ...]] = None
    seed: tuple[int, ...] = (PROTOCOL_SEED,)
    problems: int = PROTOCOL_PROBLEMS
    out: Unset[Path] = None
    planning: PlanningFlags = field(default_factory=Planning)

    def __call__(self) -> None:
        """Drive, print the table, and say what to do next."""
        self.report(self.evaluate())
        suggest(f"e2c plan --run {quoted(self.run[0])}" + (f" --task {quoted(self.task[0])}" if self.task else ""))

    def report(self, results: list[Evaluation]) -> None:
        """The table of scores, and where they are written.

        Raises:
            InputError: some could not be written.
        """
        rows = [_row(result) for result in results]
        tasks = dict.fromkeys(result.task for result in results)
        for task in tasks:
            same = [result for result in results if result.task == task]
            rows += [_mean_row(same)] if len(same) > 1 else []
        heading = ("run", "task", "seed", "time in goal", "worst", "oracle", "ms per plan")
        shown = [name for name in heading if name not in self._same_everywhere(len(tasks))]
        print(table([shown, *([row[name] for name in shown] for row in rows)]), flush=True)
        written = [str(self._result_path(result)) for result in results if result.unwritten is None]
        if written:
            say("Scores", f"\n{'':<10}".join(written))
        for result in results:
            if result.unwritten is not None:
                raise InputError(f"{result.unwritten} With --out FOLDER the files go there.") from result.unwritten

    def _same_everywhere(self, tasks: int) -> list[str]:
        """Columns that would say the same in every line."""
        return ["task"] * (tasks == 1) + ["seed"] * (len(self.seed) == 1)

    def evaluate(self) -> list[Evaluation]:
        """All runs, tasks and lists, each written down as soon as it is done."""
        from e2c_control.evaluation.trained import TrainedRun
        from e2c_control.runs.threads import threads

        if self.problems < 1 or not self.run or not self.seed or self.task == ():
            raise InputError("There is nothing to evaluate: give at least one --run, --task, --seed and of --problems.")
        for seed in self.seed:
            check_seed(seed)
        whole("--problems", self.problems, most=MOST_PROBLEMS)
        self.planning.check()
        runs = [TrainedRun.open(path) for path in self.run]
        drives = [(trained, task) for trained in runs for task in self._tasks(trained)]
        asked = [(*drive, seed) for drive in drives for seed in dict.fromkeys(self.seed)]
        with threads(1):  # an image at a time is too little work to share
            return [self._written(self._drive(*each)) for each in asked]

    def _written(self, result: Evaluation) -> Evaluation:
        """With why it could not be written, if that is so: the table comes first."""
        try:
            self._write(result)
        except InputError as error:
            return replace(result, unwritten=error)
        return result

    def _tasks(self, trained: TrainedRun) -> list[Task]:
        if not trained.native:
            raise InputError(
                f"{trained.card.environment} has no goals to score by: look at single drives with `e2c plan --run "
                f"{quoted(trained.folder.path)}`, or use stable_baselines3's evaluate_policy on its own reward."
            )
        return [trained.task(name) for name in dict.fromkeys(self.task or (None,))]

    def _drive(self, trained: TrainedRun, task: Task, seed: int) -> Evaluation:
        from e2c_control.envs.reference import reference_scores
        from e2c_control.evaluation import drive

        problems = task.evaluation_problems(seed, self.problems)
        agent = self.planning.equip(trained.agent(task), trained)
        driven = drive(agent, task, problems)
        oracle = reference_scores(task, problems)
        return Evaluation(trained, task.id, seed, agent.options, driven.scores, oracle, driven.replans)

    def _result_path(self, result: Evaluation) -> Path:
        """The published protocol has the plain name; another number of problems or way to plan does not replace it."""
        return self._folder(result.trained) / f"evaluation-{self._label(result)}.json"

    def _label(self, result: Evaluation) -> str:
        """Name the drives in files and curves: the task, the list of problems, their number, and the planner."""
        count = "" if self.problems == PROTOCOL_PROBLEMS else f"-{self.problems}-problems"
        how = f"-{self.planning.label}" if self.planning.label else ""
        return f"{result.task_name}-{result.seed}{count}{how}"

    def _folder(self, trained: TrainedRun) -> Path:
        """Where the files of a run go; several runs have folders of their own in --out."""
        path = trained.folder.path
        if self.out is None:
            return path
        return self.out if len(self.run) == 1 else self.out / path.resolve().parent.name / path.resolve().name

    def _write(self, result: Evaluation) -> None:
        from e2c_control.planners.mpc import summarise
        from e2c_control.runs.atomic import replace_text
        from e2c_control.runs.config import to_json
        from e2c_control.runs.folder import RunFolder
        from e2c_control.runs.logger import RunLogger
        from e2c_control.runs.versions import package_versions, source_commit

        planned = summarise(result.replans)
        content: dict[str, Any] = {
            "task": result.task,
            "problem_seed": result.seed,
            "checkpoint_step": result.trained.step,
            "time_in_goal": result.scores.tolist(),
            "oracle": result.oracle.tolist(),
            "mean": float(result.scores.mean()),
            "standard_error": standard_error(result.scores),
            "planning": to_json(result.options),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": source_commit(),
            "versions": package_versions(),
            "machine": f"{platform.system()} {platform.machine()}",
        }
        folder = RunFolder.elsewhere(self._folder(result.trained))
        replace_text(self._result_path(result), json.dumps(content, indent=2) + "\n")
        label, scores = self._label(result), {"time_in_goal": result.scores.mean(), "oracle": result.oracle.mean()}
        table = {**{f"evaluate/{name}": float(mean) for name, mean in scores.items()}, **planned}
        with RunLogger(folder) as logger:
            logger.scalars(result.trained.step, {f"evaluate/{label}": table["evaluate/time_in_goal"]})
            logger.table(result.trained.step, f"drives/evaluation-{label}", table)


def standard_error(values: Array) -> float:
    """Of the mean of independent values; 0 of a single one."""
    return float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0


def _row(result: Evaluation) -> dict[str, str]:
    from e2c_control.planners.mpc import summarise

    return {
        "run": str(result.trained.folder.path),
        "task": result.task_name,
        "seed": str(result.seed),
        "ms per plan": f"{summarise(result.replans)['plan/cpu_milliseconds']:.2f}",
        **_scores(result.scores, result.oracle),
    }


def _mean_row(results: list[Evaluation]) -> dict[str, str]:
    """The mean over runs and lists of one task.

    Its error counts runs, not problems, because those of one run are not independent; of a single run it counts lists.
    """
    import numpy as np

    runs = dict.fromkeys(result.trained.folder.path for result in results)
    seeds = dict.fromkeys(result.seed for result in results)
    means = np.array([result.scores.mean() for result in results]).reshape(len(runs), len(seeds))
    of = [f"{len(part)} {name}" for part, name in ((runs, "runs"), (seeds, "lists")) if len(part) > 1]
    oracle = np.array([result.oracle.mean() for result in results])
    independent = means.mean(axis=1) if len(runs) > 1 else means[0]
    row = {"run": f"mean of {' x '.join(of)}", "task": results[0].task_name, "seed": "", "ms per plan": ""}
    return {**row, **_scores(independent, oracle)}


def _scores(values: Array, oracle: Array) -> dict[str, str]:
    return {
        "time in goal": f"{values.mean():.1%} ± {standard_error(values):.1%}",
        "worst": f"{values.min():.1%}",
        "oracle": f"{oracle.mean():.1%}",
    }
