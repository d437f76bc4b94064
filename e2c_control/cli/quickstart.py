"""`e2c quickstart`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from e2c_control.cli.collect import describe
from e2c_control.cli.console import say, suggest
from e2c_control.cli.evaluate import Evaluate
from e2c_control.cli.plan import Plan
from e2c_control.cli.train import Train
from e2c_control.data.collection import open_or_collect, seeded
from e2c_control.errors import quoted
from e2c_control.fields import ListSeed
from e2c_control.training.presets import StepsScale


@dataclass(frozen=True, kw_only=True)
class Quickstart:
    """The whole way on the planar world: collect images, train, drive to a goal, score ten drives.

    A controller that has only ever seen 40 x 40 pixels drives a square across a field of obstacles to a goal that is an
    image.
      e2c quickstart

    Attributes:
        seed: of the dataset and the training.
        steps_scale: multiplies the number of training steps: 0.01 only shows what happens.
        datasets: folder of datasets.
        runs: folder of runs.
    """

    seed: ListSeed = 0
    steps_scale: StepsScale = 1.0
    datasets: Path = Path("datasets")
    runs: Path = Path("runs")

    def __call__(self) -> None:
        """Take all four steps, each announced as the command that does it alone."""
        from e2c_control.training.distributed import ALONE

        seed = f" --seed {self.seed}" if self.seed else ""
        env, dataset = "E2C/Planar-v0", seeded(self.datasets / "planar", self.seed)
        _headline(1, "Collect random moves as images", f"e2c collect --env {env} --out {quoted(dataset)}{seed}")
        describe(open_or_collect(env, self.datasets / "planar", "choose another folder with --datasets", self.seed))
        _headline(2, "Learn a map in which an image is a place", f"e2c train --dataset {quoted(dataset)}{seed}")
        run = Train(dataset=dataset, seed=self.seed, steps_scale=self.steps_scale, runs=self.runs).train(ALONE)
        _headline(3, "Drive to a goal that is an image", f"e2c plan --run {quoted(run.path)}")
        Plan(run=run.path).drive()
        _headline(4, "Score ten drives", f"e2c evaluate --run {quoted(run.path)}")
        evaluation = Evaluate(run=(run.path,))
        evaluation.report(evaluation.evaluate())
        print()
        say("Look at", f"{run.plots}/*.png and {run.videos}/*.gif")
        suggest(f"tensorboard --logdir {quoted(self.runs)}", "e2c collect --help     for an environment of your own")


def _headline(number: int, title: str, command: str) -> None:
    print(f"\n{number}. {title}\n   $ {command}", flush=True)
