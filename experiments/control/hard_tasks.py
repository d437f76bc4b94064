"""What three steps beyond one-step training are worth on the two tasks that leave something to gain.

The three-link arm and the pumping pendulum. Each training seed's default model is driven as it is, and against it, from
the same transitions and, but for the first, from that very model:

one-step        its contrastive and other terms see one step ahead, not eight: trained anew
ensemble        five transitions more; plans follow the mean of all, and their disagreement is a cost
longer          more steps of the default's own training: what the next one has to beat
hindsight       the same steps with a term beside the others whose gradients go through the planner
                (`e2c_control.objectives.hindsight`)

    python -m experiments.control.hard_tasks          # 3 seeds of both worlds: an hour and a half
    python -m experiments.control.hard_tasks three-link --seeds 100 --problems 100 --out tuning.json
    python -m experiments.control.hard_tasks --quick  # a minute, to see it work; writes nothing

A default run that `suites` left in the same --work is taken as it is. Rows are written one by one, and a killed run
goes on where it was. The arm's ten problems are one and the same: its drives differ in the planner's random starts.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

import numpy as np
import torch

from e2c_control.agents import E2CAgent, PlanningOptions
from e2c_control.benchmark.cell import Cell, gather, make_cell
from e2c_control.data import Transitions
from e2c_control.envs import Problem, Task
from e2c_control.envs.task import PROTOCOL_SEED
from e2c_control.evaluation import Drive, drive
from e2c_control.measures import encode_means, hold_out
from e2c_control.measures.model_error import prediction_errors
from e2c_control.models.embedding import Embedding
from e2c_control.models.planning_model import planning_model
from e2c_control.objectives.objective import Objective, WeightedTerm
from e2c_control.objectives.recipe import Phase, Recipe
from e2c_control.objectives.recipes import make_recipe
from e2c_control.planners import Ensemble
from e2c_control.runs.atomic import replace_text
from e2c_control.runs.folder import RunFolder
from e2c_control.runs.versions import package_versions, source_commit
from e2c_control.training.presets import RECIPE
from e2c_control.training.run import TrainConfig, train
from e2c_control.training.trainer import Trainer
from experiments._rows import stored_rows

RESULTS = Path(__file__).parent / "results"

RESULT = RESULTS / "hard_tasks.json"
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
        return [drive(E2CAgent(embedding, options), task, problems)]
    return [drive(E2CAgent(embedding, options, seed), task, problems[:1]) for seed in range(PLANS)]


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


def measured(
    models: Models, variants: Sequence[str], task: Task, problems: Sequence[Problem]
) -> Iterator[dict[str, Any]]:
    """A row for each variant."""
    cell = models.cell
    for variant in variants:
        begun = time.process_time()
        embedding = models[variant]
        trained = time.process_time()
        driven = drives(embedding, task, problems, DISAGREEMENT.get(variant, 0.0))
        scores = np.concatenate([done.scores for done in driven]).tolist()
        row = {"world": cell.world.name, "seed": cell.seed, "variant": variant, "scores": scores}
        row |= {"train_cpu_seconds": trained - begun, "drive_cpu_seconds": time.process_time() - trained}
        yield row | relative_errors(models, embedding, driven)


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


def show(row: Mapping[str, Any]) -> None:
    score, errors = 100 * np.mean(row["scores"]), ", ".join(f"{row[name]:.3f}" for name in ERRORS)
    seconds = f"{row['train_cpu_seconds']:.0f} + {row['drive_cpu_seconds']:.0f} CPU-s"
    print(
        f"{row['world']:>10} {row['seed']:>4} {row['variant']:<16} {score:5.1f} %  errors {errors}  {seconds}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("worlds", nargs="*", metavar="WORLD", help=f"of {', '.join(HARD)}; both without any")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS)
    parser.add_argument("--problems", type=int, default=PROTOCOL_SEED, help="seed of the list of problems")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--work", type=Path, default=Path("runs/experiments"), help="run folders of the default")
    parser.add_argument("--quick", action="store_true", help="a minute, to see it work; writes no result")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.quick:
        with TemporaryDirectory() as folder:
            cell = make_cell("pump", RECIPE, 100, 100, transitions=2_000, steps_scale=0.01)
            models = Models(cell, gather(cell, Path(folder) / "data"), Path(folder), 0.01)
            task = replace(cell.tasks[0], horizon=AHEAD + 2, planning_horizon=3)
            for row in measured(models, VARIANTS, task, task.evaluation_problems(100, 2)):
                show(row)
        return
    options.work.mkdir(parents=True, exist_ok=True)
    for seed in options.seeds:
        for world in options.worlds or HARD:
            rows = stored_rows(options.out, options.problems)
            done = {row["variant"] for row in rows if row["world"] == world and row["seed"] == seed}
            if not (left := [name for name in options.variants if name not in done]):
                continue
            cell = make_cell(world, RECIPE, seed, options.problems)
            (task,) = cell.tasks
            with TemporaryDirectory(prefix=f".{cell.name}-", dir=options.work) as folder:
                models = Models(cell, gather(cell, Path(folder) / "data"), options.work)
                for row in measured(models, left, task, task.evaluation_problems(options.problems)):
                    show(row)
                    # Read again: another process may have added its rows meanwhile.
                    rows = [*stored_rows(options.out, options.problems), row]
                    result = {"problems": options.problems, "rows": rows, "summary": summary(rows)}
                    result |= {"commit": source_commit(), "versions": package_versions()}
                    replace_text(options.out, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
