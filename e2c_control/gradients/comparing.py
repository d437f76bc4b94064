"""Compare estimators on a small problem: train those that learn, measure all, and write a table and a plot."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from e2c_control.errors import InputError
from e2c_control.gradients.estimator import Estimator
from e2c_control.gradients.registry import estimators_for, make_estimator
from e2c_control.gradients.statistics import GradientStats, gradient_stats
from e2c_control.gradients.toys import Toy, make_toy
from e2c_control.gradients.training import train_estimator
from e2c_control.runs.atomic import replace_text, writing
from e2c_control.runs.tags import describing
from e2c_control.runs.versions import package_versions, source_commit


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Settings of a comparison of estimators on one problem.

    Attributes:
        toy: name of the problem.
        method: names of the estimators; None for all that estimate the toy's gradient.
        samples: in an estimate; None for the least that each can do with.
        draws: estimates of which bias and variance are measured.
        train_steps: optimiser steps for estimators that learn.
        seed: of all noise.
    """

    toy: str = "bit"
    method: Sequence[str] | None = None
    samples: int | None = None
    draws: int = 50_000
    train_steps: int = 1500
    seed: int = 0

    def run(self, folder: Path) -> tuple[Toy, list[GradientStats]]:
        """Train the estimators that learn, measure all, and write comparison.json and .png; return toy and rows.

        Training curves are logged to TensorBoard in the folder.
        """
        toy = make_toy(self.toy)
        generator = torch.Generator().manual_seed(self.seed)
        estimators = self._chosen(toy, generator)
        counts = {name: self._samples(estimator) for name, estimator in estimators.items()}  # refused before any work
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        if self.train_steps:
            self._train(toy, estimators, generator, folder)
        rows = gradient_stats(estimators, toy.f, toy.distribution, counts, draws=self.draws, generator=generator)
        self._write(toy, rows, folder)
        return toy, rows

    def _chosen(self, toy: Toy, generator: torch.Generator) -> dict[str, Estimator]:
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

    def _train(self, toy: Toy, estimators: Mapping[str, Estimator], generator: torch.Generator, folder: Path) -> None:
        """Train every estimator that learns or keeps statistics."""
        from torch.utils.tensorboard import SummaryWriter

        for name, estimator in estimators.items():
            if not estimator.state_dict():
                continue
            with writing(folder):
                events: Any = describing(SummaryWriter(str(folder / "tensorboard" / name)))

            def watch(step: int, variance: float, loss: float, events: Any = events) -> None:
                if step % 10 == 0:
                    events.add_scalar("gradient/variance", variance, step)
                    events.add_scalar("surrogate/loss", loss, step)

            train_estimator(estimator, toy.f, toy.distribution, self.train_steps, generator=generator, watch=watch)
            events.close()

    def _write(self, toy: Toy, rows: list[GradientStats], folder: Path) -> None:
        from e2c_control.figures import save_png
        from e2c_control.gradients.figure import comparison

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
