"""`e2c evaluate`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from e2c_control import InputError
from e2c_control.cli.console import Problems, say, suggest, tell_map
from e2c_control.cli.planning import Planning
from e2c_control.data.arguments import as_given
from e2c_control.envs.task import PROTOCOL_PROBLEMS, PROTOCOL_SEED
from e2c_control.errors import quoted
from e2c_control.fields import ListSeed, Several
from e2c_control.tables import table

if TYPE_CHECKING:
    from e2c_control.evaluation.scoring import Evaluation


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
        env: the environment, as `module:Id`, to import another package's module, which a run alone never does. Of runs
            that were trained on recordings: the environment to drive, `Id` or `module:Id`.
        planning: how.
    """

    run: Several[Path]
    task: Several[str] | None = None
    seed: Several[ListSeed] = (PROTOCOL_SEED,)
    problems: Problems = PROTOCOL_PROBLEMS
    out: Path | None = None
    env: str | None = None
    planning: Planning = field(default_factory=Planning)

    def __call__(self) -> None:
        """Drive, print the table, and say what to do next."""
        self.report(self.evaluate())
        other = f" --task {quoted(self.task[0])}" if self.task else ""
        suggest(f"e2c plan --run {as_given(self.run[0], self.env)}{other}")

    def report(self, results: list[Evaluation]) -> None:
        """Print the table of scores, and say where they are written.

        Raises:
            InputError: some could not be written.
        """
        from e2c_control.evaluation.scoring import score_table

        print(table(score_table(results)), flush=True)
        for run in self.run:
            tell_map(run)
        written = [str(result.path) for result in results if result.unwritten is None]
        if written:
            say("Scores", f"\n{'':<10}".join(written))
        for result in results:
            if result.unwritten is not None:
                raise InputError(f"{result.unwritten} With --out FOLDER the files go there.") from result.unwritten

    def evaluate(self) -> list[Evaluation]:
        """Drive all runs, tasks and lists, each written down as soon as it is done."""
        from e2c_control.evaluation.scoring import evaluate

        tasks = (None,) if self.task is None else self.task
        planning = self.planning.changes()
        return evaluate(
            self.run,
            tasks,
            self.seed,
            self.problems,
            out=self.out,
            env=self.env,
            planning=planning,
            label=self.planning.label,
        )
