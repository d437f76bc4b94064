"""`e2c estimators`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from e2c_control.cli.console import say
from e2c_control.fields import Bounds, Count, CountOrZero, ListSeed
from e2c_control.tables import table


@dataclass(frozen=True, kw_only=True)
class Estimators:
    """Compare gradient estimators on a small problem: bias, variance, cost.

    Estimators with parameters of their own are trained on the problem first; TensorBoard shows how. The table is
    printed, and written with its plot. Biased estimators are marked.
      e2c estimators
      e2c estimators --toy interacting --samples 4
      e2c estimators --toy bit --method rloo relax rebar disarm --train-steps 4000

    Attributes:
        toy: bit (the toy of REBAR and RELAX), bits, interacting, choice, gaussian (the example of the talk) or gamma.
        method: estimators to compare, by name; all that estimate the toy's gradient, unless given.
        samples: in an estimate, where the method can do with as many; its least, unless given.
        draws: estimates of which bias and variance are measured.
        train_steps: optimiser steps for estimators that learn.
        seed: of all noise.
        out: folder of results.
    """

    toy: str = "bit"
    method: tuple[str, ...] | None = None
    samples: Count | None = None
    draws: Annotated[int, Bounds(2, 10_000_000)] = 50_000
    train_steps: CountOrZero = 1500
    seed: ListSeed = 0
    out: Path = Path("runs/estimators")

    def __call__(self) -> None:
        """Train what learns, measure all, print and write the table."""
        from e2c_control.gradients import stats_table
        from e2c_control.gradients.comparing import Comparison

        folder = self.out / self.toy
        toy, rows = Comparison(**{name: value for name, value in vars(self).items() if name != "out"}).run(folder)
        say("Toy", toy.text)
        print(table(stats_table(rows)), flush=True)
        say("Table", folder / "comparison.json")
        say("Plot", folder / "comparison.png")
        say("Curves", f"tensorboard --logdir {folder / 'tensorboard'}")
