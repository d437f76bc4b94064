"""What three steps beyond one-step training are worth on the two tasks that leave something to gain.

The three-link arm and the pumping pendulum. Each training seed's default model is driven as it is, and against it, from
the same transitions and, but for the first, from that very model:

one-step        its contrastive and other terms see one step ahead, not eight: trained anew
ensemble        five transitions more; plans follow the mean of all, and their disagreement is a cost
longer          more steps of the default's own training: what the next one has to beat
hindsight       the same steps with a term beside the others whose gradients go through the planner
                (`e2c_control.objectives.hindsight`)

    python -m experiments.control.hard_tasks          # 3 seeds of both worlds: an hour and a half
    python -m experiments.control.hard_tasks --worlds three-link --seeds 100 --problems 100 --out tuning.json
    python -m experiments.control.hard_tasks --quick  # a minute, to see it work; writes nothing

A default run that `suites` left in the same --work is taken as it is. Rows are written one by one, and a killed run
goes on where it was. The arm's ten problems are one and the same: its drives differ in the planner's random starts.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

import numpy as np
import torch

from e2c_control import (
    E2CAgent,
    Embedding,
    Phase,
    PlanningOptions,
    Recipe,
    Task,
    TrainConfig,
    Trainer,
    Transitions,
    WeightedTerm,
    drive,
    make_recipe,
    train,
)
from e2c_control.benchmark.cell import Cell, gather, make_cell
from e2c_control.envs import Problem
from e2c_control.envs.task import PROTOCOL_SEED
from e2c_control.evaluation import Drive
from e2c_control.measures import encode_means, hold_out
from e2c_control.measures.model_error import prediction_errors
from e2c_control.models.planning_model import planning_model
from e2c_control.objectives.objective import Objective
from e2c_control.planners import Ensemble
from e2c_control.runs.folder import RunFolder
from e2c_control.training.presets import RECIPE
from experiments.runner import Experiment

HARD = ("three-link", "pump")
DISAGREEMENT = {"ensemble": 100.0}
"""Weight by variant. On seed 100 of the arm a weight of 0.001, the mean of the members and hardly anything else, drove
as well."""
VARIANTS = ("default", "one-step", "longer", "hindsight", *DISAGREEMENT)
HINDSIGHT = WeightedTerm("hindsight", 10.0)
STEPS, LEARNING_RATE = 200, 5e-4
"""Of training on, a quarter of the default's rate."""
PLANS = 5
"""Seeds of the planner, where all problems are the same one."""
ERRORS, AHEAD = ("training_error", "held_out_error", "driven_error"), 10
Array = np.ndarray


@dataclass(frozen=True)
class Models:
    """What one training seed gives; each model is trained when it is first asked for.

    Attributes:
        cell: the default's.
        transitions: collected as for `control/suites.py`.
        work: folder of the default's run.
        steps_scale: multiplies all numbers of steps.
    """

    cell: Cell
    transitions: Transitions
    work: Path
    steps_scale: float = 1.0

    def __getitem__(self, variant: str) -> Embedding:
        if variant in DISAGREEMENT:
            return self.ensemble
        if variant == "one-step":
            return self._train(replace(self._unfold, horizon=1)).embedding.eval()
        if variant == "longer":
            return self._further()
        return self._further(HINDSIGHT) if variant == "hindsight" else self.default

    @cached_property
    def default(self) -> Embedding:
        """Taken from its run, or trained."""
        cell, environment = self.cell, self.cell.world.environment
        config = TrainConfig(self.transitions.path, environment, cell.recipe, cell.seed, device="cpu", threads=1)
        path = self.work / Path(environment).name / cell.name
        run = RunFolder(path) if path.exists() else RunFolder.create(self.work, environment, config, cell.name)
        if run.config(TrainConfig).recipe != cell.recipe:
            raise SystemExit(f"{path} was trained by another recipe than today's: choose another --work.")
        return train(run, config).eval()

    @cached_property
    def ensemble(self) -> Embedding:
        recipe = make_recipe("unfold-ensemble", self.cell.recipe.embedding).scaled(self.steps_scale)
        (phase,) = (phase for phase in recipe.phases if phase.name == "ensemble")
        return self._train(phase, self.default, ensemble=recipe.embedding.ensemble).embedding.eval()

    @property
    def _unfold(self) -> Phase:
        return self.cell.recipe.phases[0]

    def _further(self, *terms: WeightedTerm) -> Embedding:
        """The default, trained on with its own terms and these.

        A phase begins with terms whose own parameters, precisions, are new. They settle on the model as it
        is: only a decoder is trained beside them, which has no part in these terms.
        """
        settle = replace(self._unfold, steps=self._scaled(100), learning_rate=0.2, train=("decoder",), retry=None)
        settled = self._train(settle, self.default).objective
        phase = replace(settle, steps=self._scaled(STEPS), learning_rate=LEARNING_RATE, train=self._unfold.train)
        return self._train(replace(phase, terms=(*phase.terms, *terms)), self.default, settled).embedding.eval()

    def _scaled(self, steps: int) -> int:
        return max(round(self.steps_scale * steps), 1)

    def _train(
        self, phase: Phase, start: Embedding | None = None, settled: Objective | None = None, ensemble: int = 0
    ) -> Trainer:
        """One phase, from new weights or those of a model, and of terms that have settled on it."""
        recipe = Recipe(phase.name, replace(self.cell.recipe.embedding, ensemble=ensemble), (phase,))
        episodes, _ = self.transitions.split(TrainConfig.held_out, seed=0)
        trainer = Trainer(recipe, self.transitions, episodes, seed=self.cell.seed, device=torch.device("cpu"))
        if start is not None:
            trainer.embedding.load_state_dict(trainer.embedding.state_dict() | start.state_dict())
        if settled is not None:
            trainer.objective.load_state_dict(settled.state_dict())
        while not trainer.finished:
            trainer.advance()
        return trainer


def drives(embedding: Embedding, task: Task, problems: Sequence[Problem], disagreement: float) -> list[Drive]:
    """All problems at once; where they are all the same one, it is planned by several seeds instead."""
    options = replace(PlanningOptions.for_task(task), disagreement=disagreement)
    if len({tuple(np.concatenate(problem)) for problem in problems}) > 1:
        return [drive(E2CAgent.from_embedding(embedding, options), task, problems)]
    return [drive(E2CAgent.from_embedding(embedding, options, seed), task, problems[:1]) for seed in range(PLANS)]


def on_the_way(done: Drive) -> tuple[Array, Array]:
    """Latents (W, K + 1, k) and actions (W, K, m) of K steps of a drive, from all places outside the goal region."""
    starts = [(t + 1, i) for t, i in np.argwhere(~done.in_goal[:-AHEAD])]
    latents = np.stack([done.latents[t : t + AHEAD + 1, i] for t, i in starts])
    return latents, np.stack([done.actions[t : t + AHEAD, i] for t, i in starts]).astype(np.float64)


def relative_errors(models: Models, embedding: Embedding, driven: Sequence[Drive]) -> dict[str, float]:
    """Of predictions some steps ahead, relative to how far the latent has gone; of the mean of an ensemble."""
    dynamics = Ensemble([planning_model(transition) for transition in (embedding.transition, *embedding.members)])
    windows: dict[str, tuple[Array, Array]] = {}
    for name, episodes in zip(ERRORS, models.transitions.split(TrainConfig.held_out, seed=0), strict=False):
        seen = hold_out(models.transitions, episodes)
        windows[name] = encode_means(embedding, seen.observations)[seen.windows], seen.actions
    latents, actions = zip(*map(on_the_way, driven), strict=True)
    windows[ERRORS[2]] = np.concatenate(latents), np.concatenate(actions)
    return {name: prediction_errors(dynamics, *window)[AHEAD] for name, window in windows.items()}


def measured(models: Models, variant: str, task: Task, problems: Sequence[Problem]) -> dict[str, Any]:
    """Train a variant, unless it was, and drive it."""
    cell, begun = models.cell, time.process_time()
    embedding = models[variant]
    trained = time.process_time()
    driven = drives(embedding, task, problems, DISAGREEMENT.get(variant, 0.0))
    scores = np.concatenate([done.scores for done in driven]).tolist()
    row = {"world": cell.world.name, "seed": cell.seed, "variant": variant, "scores": scores}
    row |= {"train_cpu_seconds": trained - begun, "drive_cpu_seconds": time.process_time() - trained}
    return row | relative_errors(models, embedding, driven)


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """By world and variant: time in goal in per cent, and how much more than the default's of the same seeds.

    The standard error is that of the seeds' mean gains, since the drives of one model share its map.
    """
    found: dict[str, Any] = {}
    for world in dict.fromkeys(row["world"] for row in rows):
        own = {(row["variant"], row["seed"]): row for row in rows if row["world"] == world}
        found[world] = {}
        for variant in VARIANTS:
            seeds = sorted(seed for name, seed in own if name == variant and ("default", seed) in own)
            if not seeds:
                continue
            means, default = ([100 * np.mean(own[name, s]["scores"]) for s in seeds] for name in (variant, "default"))
            gains = np.subtract(means, default)
            found[world][variant] = {
                "seeds": seeds,
                "mean": float(np.mean(means)),
                "worst_seed": float(np.min(means)),
                "gain": float(gains.mean()),
                "gain_standard_error": float(gains.std(ddof=1) / np.sqrt(len(seeds))) if len(seeds) > 1 else None,
                "gain_by_seed": gains.tolist(),
                **{key: mean_of([own[variant, seed] for seed in seeds], key) for key in ERRORS},
            }
    return found


def mean_of(rows: Sequence[Mapping[str, Any]], key: str) -> float | None:
    """None where a row was written before that was measured."""
    return float(np.mean([row[key] for row in rows])) if all(key in row for row in rows) else None


def told(row: Mapping[str, Any]) -> str:
    score, errors = 100 * np.mean(row["scores"]), ", ".join(f"{row[name]:.3f}" for name in ERRORS)
    seconds = f"{row['train_cpu_seconds']:.0f} + {row['drive_cpu_seconds']:.0f} CPU-s"
    return f"{row['world']:>10} {row['seed']:>4} {row['variant']:<16} {score:5.1f} %  errors {errors}  {seconds}"


@dataclass(frozen=True)
class Options:
    problems: int = PROTOCOL_SEED
    """seed of the list of problems"""
    work: Path = Path("runs/experiments")
    """run folders of the default"""


@lru_cache(1)
def models_of(world: str, seed: int, problems: int, work: Path) -> tuple[Models, TemporaryDirectory[str]]:
    """Return the models of a seed, and the folder of their data, which lasts as long."""
    cell = make_cell(world, RECIPE, seed, problems)
    work.mkdir(parents=True, exist_ok=True)
    folder = TemporaryDirectory(prefix=f".{cell.name}-", dir=work)
    return Models(cell, gather(cell, Path(folder.name) / "data"), work), folder


def measure(seed: int, world: str, variant: str, problems: int, work: Path) -> dict[str, Any]:
    models, _ = models_of(world, seed, problems, work)
    (task,) = models.cell.tasks
    return measured(models, variant, task, task.evaluation_problems(problems))


def quick() -> None:
    with TemporaryDirectory() as folder:
        cell = make_cell("pump", RECIPE, 100, 100, transitions=2_000, steps_scale=0.01)
        models = Models(cell, gather(cell, Path(folder) / "data"), Path(folder), 0.01)
        task = replace(cell.tasks[0], horizon=AHEAD + 2, planning_horizon=3)
        for variant in VARIANTS:
            print(told(measured(models, variant, task, task.evaluation_problems(100, 2))), flush=True)


EXPERIMENT = Experiment(
    __file__,
    {"seed": range(3), "world": HARD, "variant": VARIANTS},
    measure,
    told,
    quick,
    summary,
    options=Options,
    shared=("problems",),
)


if __name__ == "__main__":
    EXPERIMENT.main()
