"""Scores of runs on lists of problems, beside the oracle's: driven, written into the run folders, and as a table."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from e2c_control.agents import PlanningOptions
from e2c_control.data.arguments import as_option
from e2c_control.envs import Task
from e2c_control.envs.reference import reference_scores
from e2c_control.envs.task import PROTOCOL_PROBLEMS
from e2c_control.errors import InputError
from e2c_control.evaluation.driving import drive
from e2c_control.evaluation.trained import TrainedRun
from e2c_control.planners.mpc import Replan, summarise
from e2c_control.runs.atomic import replace_text
from e2c_control.runs.config import to_json
from e2c_control.runs.folder import RunFolder
from e2c_control.runs.logger import RunLogger
from e2c_control.runs.threads import threads
from e2c_control.runs.versions import package_versions, source_commit

Array = NDArray[np.float64]

HEADING = ("run", "task", "seed", "time in goal", "worst", "oracle", "ms per plan")


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
        path: the file of its numbers.
        unwritten: why they could not be written, if that is so.
    """

    trained: TrainedRun
    task: str
    seed: int
    options: PlanningOptions
    scores: Array
    oracle: Array
    replans: list[Replan]
    path: Path
    unwritten: InputError | None = None

    @property
    def task_name(self) -> str:
        """The id without the namespace."""
        return self.task.rpartition("/")[2]


def evaluate(
    folders: Sequence[Path],
    tasks: Sequence[str | None],
    seeds: Sequence[int],
    problems: int = PROTOCOL_PROBLEMS,
    *,
    out: Path | None = None,
    env: str | None = None,
    planning: Mapping[str, object] | None = None,
    label: str = "",
) -> list[Evaluation]:
    """Drive all runs, tasks and lists, each written down as soon as it is done.

    Args:
        folders: of the runs.
        tasks: ids of tasks; None for the one trained on.
        seeds: of the lists of problems.
        problems: in each list.
        out: folder of the files instead of the run's own; several runs have folders of their own in it.
        env: see `TrainedRun.open`.
        planning: see `TrainedRun.agent`.
        label: of that way to plan, in names of files and curves.

    Raises:
        InputError: nothing is asked for, or a run has no such task; nothing is driven then.
    """
    if problems < 1 or not (folders and tasks and seeds):
        raise InputError("There is nothing to evaluate: give at least one --run, --task, --seed and of --problems.")
    runs = [TrainedRun.open(path, env) for path in folders]
    drives = [(trained, task) for trained in runs for task in _tasks(trained, tasks)]
    # The published protocol has the plain name; another number of problems or way to plan does not replace it.
    count = "" if problems == PROTOCOL_PROBLEMS else f"-{problems}-problems"
    ending = f"{count}-{label}" if label else count
    results: list[Evaluation] = []
    with threads(1):  # an image at a time is too little work to share
        for trained, task in drives:
            folder = _folder(trained.folder.path, out, len(folders) == 1)
            for seed in dict.fromkeys(seeds):
                listed = task.evaluation_problems(seed, problems)
                agent = trained.agent(task, planning=planning)
                driven, oracle = drive(agent, task, listed), reference_scores(task, listed)
                path = folder / f"evaluation-{task.id.rpartition('/')[2]}-{seed}{ending}.json"
                done = Evaluation(trained, task.id, seed, agent.options, driven.scores, oracle, driven.replans, path)
                results.append(_written(done))
    return results


def _tasks(trained: TrainedRun, names: Sequence[str | None]) -> list[Task]:
    if not trained.native:
        _ = trained.environment  # refused where none is known
        run = as_option(trained.folder.path, trained.card.environment)
        given = [repr(trained.environment), str(trained.frame_stack)]
        given += [f"{name}={value!r}" for name, value in trained.card.environment_kwargs.items()]
        raise InputError(
            f"{trained.card.environment} has no goals to score by: look at single drives with `e2c plan --run {run}`, "
            f"or score its own reward in Python: agent = E2CAgent.load({str(trained.folder.path)!r}, "
            f"env=make_image_env({', '.join(given)})), agent.set_goal(image), and stable_baselines3's "
            "evaluate_policy(agent, agent.get_env())."
        )
    return [trained.task(name) for name in dict.fromkeys(names)]


def _folder(run: Path, out: Path | None, alone: bool) -> Path:
    if out is None:
        return run
    return out if alone else out / run.resolve().parent.name / run.resolve().name


def _written(result: Evaluation) -> Evaluation:
    """Return it with why it could not be written, if that is so: the table comes first."""
    try:
        _write(result)
    except InputError as error:
        return replace(result, unwritten=error)
    return result


def _write(result: Evaluation) -> None:
    content: dict[str, object] = {
        "task": result.task,
        "problem_seed": result.seed,
        "checkpoint_step": result.trained.step,
        "time_in_goal": result.scores.tolist(),
        "oracle": result.oracle.tolist(),
        "mean": float(result.scores.mean()),
        "standard_error": _standard_error(result.scores),
        "planning": to_json(result.options),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": source_commit(),
        "versions": package_versions(),
        "machine": f"{platform.system()} {platform.machine()}",
    }
    folder = RunFolder.elsewhere(result.path.parent)
    replace_text(result.path, json.dumps(content, indent=2) + "\n")
    name = result.path.stem
    means = {"time_in_goal": result.scores.mean(), "oracle": result.oracle.mean()}
    scores = {f"evaluate/{measure}": float(mean) for measure, mean in means.items()}
    with RunLogger(folder, part=f"evaluations/{name.removeprefix('evaluation-')}") as logger:
        logger.scalars(result.trained.step, scores)
        logger.table(result.trained.step, f"drives/{name}", {**scores, **summarise(result.replans)})


def score_table(results: Sequence[Evaluation]) -> list[list[str]]:
    """Return scores below a heading, with the mean of each task, without columns that always say the same."""
    rows = [_row(result) for result in results]
    tasks = list(dict.fromkeys(result.task for result in results))
    for task in tasks:
        same = [result for result in results if result.task == task]
        rows += [_mean_row(same)] if len(same) > 1 else []
    seeds = {result.seed for result in results}
    differs = {"task": len(tasks) > 1, "seed": len(seeds) > 1}
    shown = [name for name in HEADING if differs.get(name, True)]
    return [shown, *([row[name] for name in shown] for row in rows)]


def _standard_error(values: Array) -> float:
    """Return that of the mean of independent values; 0 of a single one."""
    return float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0


def _row(result: Evaluation) -> dict[str, str]:
    return {
        "run": str(result.trained.folder.path),
        "task": result.task_name,
        "seed": str(result.seed),
        "ms per plan": f"{summarise(result.replans)['plan/cpu_milliseconds']:.2f}",
        **_scores(result.scores, result.oracle),
    }


def _mean_row(results: list[Evaluation]) -> dict[str, str]:
    """Return the mean over runs and lists of one task.

    Its error counts runs, not problems, because those of one run are not independent; of a single run it counts lists.
    """
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
        "time in goal": f"{values.mean():.1%} ± {_standard_error(values):.1%}",
        "worst": f"{values.min():.1%}",
        "oracle": f"{oracle.mean():.1%}",
    }
