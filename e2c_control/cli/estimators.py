"""`e2c estimators`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2c_control.cli.console import Unset, check_seed, say
from e2c_control.errors import InputError, whole
from e2c_control.tables import table

if TYPE_CHECKING:
    import torch

    from e2c_control.gradients import Estimator, GradientStats, Toy

MOST_DRAWS = 10_000_000


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
    method: Unset[tuple[str, ...]] = None
    samples: Unset[int] = None
    draws: int = 50_000
    train_steps: int = 1500
    seed: int = 0
    out: Path = Path("runs/estimators")

    def __call__(self) -> None:
        """Train what learns, measure all, print and write the table."""
        check_seed(self.seed)
        whole("--draws", self.draws, least=2, most=MOST_DRAWS)
        whole("--train-steps", self.train_steps, least=0)
        if self.samples is not None:
            whole("--samples", self.samples)
        import torch

        from e2c_control.gradients import gradient_stats, make_toy, stats_table

        toy = make_toy(self.toy)
        generator = torch.Generator().manual_seed(self.seed)
        estimators = self._chosen(toy, generator)
        folder = self.out / self.toy
        self._train(toy, estimators, generator, folder)
        counts = {name: self._samples(estimator) for name, estimator in estimators.items()}
        rows = gradient_stats(estimators, toy.f, toy.distribution, counts, draws=self.draws, generator=generator)
        say("Toy", toy.text)
        print(table(stats_table(rows)), flush=True)
        self._write(toy, rows, folder)

    def _chosen(self, toy: Toy, generator: torch.Generator) -> dict[str, Estimator]:
        from e2c_control.gradients import estimators_for, make_estimator

        if self.method is None:
            found = estimators_for(toy.distribution, generator)
            return {name: estimator for name, estimator in found.items() if not estimator.many_samples}
        return {name: make_estimator(name, toy.distribution, generator) for name in self.method}

    def _samples(self, estimator: Estimator) -> int:
        wanted = estimator.least if self.samples is None else self.samples
        if wanted < estimator.least or wanted % estimator.multiple:
            name, least = type(estimator).__name__, estimator.least
            groups = f", in groups of {estimator.multiple}" if estimator.multiple > 1 else ""
            raise InputError(f"--samples is {wanted}, but {name} needs at least {least}{groups}: give more.")
        return wanted

    def _train(self, toy: Toy, estimators: dict[str, Estimator], generator: torch.Generator, folder: Path) -> None:
        """Every estimator that learns or keeps statistics, each with its curves."""
        from torch.utils.tensorboard import SummaryWriter

        from e2c_control.gradients import train_estimator
        from e2c_control.runs.atomic import writing

        for estimator in estimators.values():
            self._samples(estimator)  # refused before any work
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        for name, estimator in estimators.items():
            if not estimator.state_dict() or self.train_steps == 0:
                continue
            with writing(folder):
                events: Any = SummaryWriter(str(folder / "tensorboard" / name))

            def watch(step: int, variance: float, loss: float, events: Any = events) -> None:
                if step % 10 == 0:
                    events.add_scalar("gradient/variance", variance, step)
                    events.add_scalar("surrogate/loss", loss, step)

            train_estimator(estimator, toy.f, toy.distribution, self.train_steps, generator=generator, watch=watch)
            events.close()

    def _write(self, toy: Toy, rows: list[GradientStats], folder: Path) -> None:
        from e2c_control.figures import save_png
        from e2c_control.gradients.figure import comparison
        from e2c_control.runs.atomic import replace_text
        from e2c_control.runs.versions import package_versions, source_commit

        content = {
            "toy": toy.text,
            "seed": self.seed,
            "draws": self.draws,
            "train_steps": self.train_steps,
            "rows": [asdict(row) | {"variance_times_evaluations": row.variance_times_evaluations} for row in rows],
            "commit": source_commit(),
            "versions": package_versions(),
        }
        replace_text(folder / "comparison.json", json.dumps(content, indent=1) + "\n")
        save_png(comparison(rows, toy.text), folder / "comparison.png")
        say("Table", folder / "comparison.json")
        say("Plot", folder / "comparison.png")
        say("Curves", f"tensorboard --logdir {folder / 'tensorboard'}")
