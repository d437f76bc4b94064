"""The table of the benchmark: what the rows of finished cells say about each task and recipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from e2c_control.benchmark.statistics import (
    bootstrap_interval,
    histogram,
    interquartile_mean,
    mean,
    paired_differences,
)
from e2c_control.benchmark.worlds import World
from e2c_control.envs.reference import reference_scores
from e2c_control.envs.task import PROTOCOL_SEED
from e2c_control.training.presets import RECIPE

Array = NDArray[np.float64]
Interval = tuple[float, float] | None


@dataclass(frozen=True, eq=False)
class Scores:
    """All drives of one recipe on one task.

    Attributes:
        world: name.
        task: id of the environment.
        recipe: name.
        seeds: S of them, ascending.
        values: share of the steps in the goal region, (S, P).
        oracle: the same of the hand-made controller that sees the true state, (P,).
        train_cpu_seconds: (S,).
    """

    world: str
    task: str
    recipe: str
    seeds: tuple[int, ...]
    values: Array
    oracle: Array
    train_cpu_seconds: Array

    @property
    def label(self) -> str:
        """The task by a short name, with the world's where that says more."""
        task = self.task.rpartition("/")[2].removesuffix("-v0")
        _, noisy, pixels = self.world.partition("-noise-")
        return f"{task}, noise {pixels} px" if noisy else task


class Difference(NamedTuple):
    """Mean paired difference to the default recipe, with its interval and the number of seeds that both have."""

    mean: float
    interval: Interval
    seeds: int


@dataclass(frozen=True)
class Line:
    """One line of the table; scores are shares from 0 to 1.

    Attributes:
        scores: what it is about.
        mean: over all drives.
        mean_interval: of it, see `bootstrap_interval`.
        iqm: interquartile mean over all drives.
        iqm_interval: of it.
        worst_seed: and its mean over the problems.
        oracle: mean over the problems.
        difference: to the default recipe; none for itself, or where no seed is common.
        histogram: drives by score, in ten bins.
    """

    scores: Scores
    mean: float
    mean_interval: Interval
    iqm: float
    iqm_interval: Interval
    worst_seed: tuple[int, float]
    oracle: float
    difference: Difference | None
    histogram: tuple[int, ...]


def gather(world: World, recipe: str, rows: Iterable[Mapping[str, Any]], problems: int = PROTOCOL_SEED) -> list[Scores]:
    """Return one `Scores` for each task of a world.

    Args:
        world: in which the cells ran.
        recipe: name.
        rows: of their results, in any order; where they do not tell the oracle's scores, it is driven again.
        problems: seed of the lists of problems.
    """
    ordered = sorted(rows, key=lambda row: row["seed"])
    return [
        Scores(
            world.name,
            task,
            recipe,
            tuple(int(row["seed"]) for row in ordered),
            np.array([row["tasks"][task]["scores"] for row in ordered], np.float64),
            _oracle(world, task, ordered[0], problems),
            np.array([row["train_cpu_seconds"] for row in ordered], np.float64),
        )
        for task in world.tasks
    ]


def _oracle(world: World, task: str, row: Mapping[str, Any], problems: int) -> Array:
    known = row["tasks"][task].get("oracle")
    if known is not None:
        return np.array(known, np.float64)
    made = world.task(task)
    return reference_scores(made, made.evaluation_problems(problems))


def summarise(scores: Sequence[Scores], seed: int = 0) -> list[Line]:
    """Return a line for each of the scores; the seed is that of the bootstrap, the same for every line."""
    defaults = {(one.world, one.task): one for one in scores if one.recipe == RECIPE}
    return [_line(one, defaults.get((one.world, one.task)), seed) for one in scores]


def _line(scores: Scores, default: Scores | None, seed: int) -> Line:
    values, by_seed = scores.values, scores.values.mean(1)
    worst = int(by_seed.argmin())
    return Line(
        scores,
        float(mean(values.ravel())),
        bootstrap_interval([values], mean, np.random.default_rng(seed)),
        float(interquartile_mean(values.ravel())),
        bootstrap_interval([values], interquartile_mean, np.random.default_rng(seed)),
        (scores.seeds[worst], float(by_seed[worst])),
        float(scores.oracle.mean()),
        None if default is None or default is scores else _difference(scores, default, seed),
        histogram(values),
    )


def _difference(scores: Scores, default: Scores, seed: int) -> Difference | None:
    found = paired_differences(scores.seeds, scores.values, default.seeds, default.values)
    if len(found) == 0:
        return None
    interval = bootstrap_interval([found], mean, np.random.default_rng(seed))
    return Difference(float(found.mean()), interval, len(found))


class Overall(NamedTuple):
    """One recipe over several worlds: oracle-normalised scores of all drives, with the strata of the bootstrap."""

    recipe: str
    worlds: int
    mean: float
    mean_interval: Interval
    iqm: float
    iqm_interval: Interval


def overall(scores: Sequence[Scores], seed: int = 0) -> list[Overall]:
    """Return a record for each recipe that was run in every world, if there are several.

    A score is divided by the oracle's mean on its task. Tasks that one model drives are one stratum, so that its
    seeds are drawn with both.
    """
    worlds = {one.world for one in scores}
    found: list[Overall] = []
    for recipe in dict.fromkeys(one.recipe for one in scores):
        strata: dict[str, list[Array]] = {}
        for one in scores:
            if one.recipe == recipe:
                strata.setdefault(one.world, []).append(one.values / one.oracle.mean())
        if len(worlds) > 1 and strata.keys() == worlds:
            found.append(_overall(recipe, [np.concatenate(parts, axis=1) for parts in strata.values()], seed))
    return found


def _overall(recipe: str, strata: list[Array], seed: int) -> Overall:
    together = np.concatenate([part.ravel() for part in strata])
    return Overall(
        recipe,
        len(strata),
        float(mean(together)),
        bootstrap_interval(strata, mean, np.random.default_rng(seed)),
        float(interquartile_mean(together)),
        bootstrap_interval(strata, interquartile_mean, np.random.default_rng(seed)),
    )
