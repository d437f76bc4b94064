"""Every field of a recipe and of a run's config changes weights, curves or files; every option of a term its value."""

import contextlib
import io
import json
import re
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from e2c_control.data import collect, make_vector_env
from e2c_control.models.embedding import Embedding, EmbeddingConfig
from e2c_control.objectives.objective import TERMS, Objective, WeightedTerm
from e2c_control.objectives.recipe import Phase, Recipe, Retry
from e2c_control.objectives.unrolled import Noise, Unrolled
from e2c_control.training.run import TrainConfig, start_run, train
from e2c_control.training.trainer import Trainer

from .mechanism import CHANCE, Excused, Refused, Row, Seen, Thing, contract, print_of

TIME = "It decides how long the work takes, and changes none of its results."
HIDDEN: Any = {"encoder_hidden": (4,), "decoder_hidden": (4,), "transition_hidden": (4,)}
SIZES = EmbeddingConfig(latent_dim=2, pool=4, **HIDDEN)
CONTRAST = WeightedTerm("info_nce")
PHASE: dict[str, Any] = {
    "name": "map",
    "steps": 4,
    "terms": (CONTRAST, WeightedTerm("reconstruction")),
    "batch_size": 4,
}
PHASE |= {"horizon": 2}


@cache
def dataset(seed: int) -> Path:
    """A small dataset of the planar world."""
    path = Path(tempfile.mkdtemp()) / "planar"
    env = make_vector_env("E2C/Planar-v0", 4, frame_stack=1)
    return collect(env, path, 48, 6, starts="sampled", seed=seed).path


def run(folder: Path, /, **changes: Any) -> Seen:
    """Trains to the end and reads the run folder."""
    given: dict[str, Any] = {
        "dataset": dataset(0),
        "environment": "E2C/Planar-v0",
        "recipe": Recipe("own", SIZES, (Phase(**PHASE),)),
    }
    config = TrainConfig(**{**given, "log_every": 1, **changes})
    made = start_run(folder, config, "run")
    measured, threads = list[int](), set[int]()

    def watch(trainer: Trainer, _: Any) -> None:
        measured.append(trainer.step)
        threads.add(torch.get_num_threads())

    with contextlib.redirect_stderr(io.StringIO()) as said, patch.object(said, "isatty", lambda: True):
        embedding = train(made, config, watch=watch, progress=True)
    rows = [json.loads(line) for line in made.metrics.read_text().splitlines()]
    curves = [{name: value for name, value in row.items() if not CHANCE.search(name)} for row in rows]
    card = [path.parent.name for path in folder.glob("*/run")]
    return {
        "weights": print_of(embedding),
        "curves": print_of(curves),
        "measured": measured,
        "checkpoints": sorted(path.name for path in made.checkpoints.iterdir()),
        "folder": card,
        "threads": sorted(threads),
        "recipe": made.config(TrainConfig).recipe.name,
        "bar": sorted(set(re.findall(r"(\w+) -?\d+\.\d{3}", said.getvalue()))),
    }


def phase(folder: Path, /, **changes: Any) -> Seen:
    return run(folder, recipe=Recipe("own", SIZES, (Phase(**{**PHASE, **changes}),)))


def recipe(folder: Path, /, **changes: Any) -> Seen:
    given: dict[str, Any] = {"name": "own", "embedding": SIZES, "phases": (Phase(**PHASE),)}
    made = Recipe(**{**given, **changes})
    return run(folder, recipe=made)


def sizes(folder: Path, /, **changes: Any) -> Seen:
    embedding = EmbeddingConfig(**{"pool": 4, **HIDDEN, **changes})
    terms = (WeightedTerm("reconstruction"), WeightedTerm("prediction"))
    return run(folder, recipe=Recipe("own", embedding, (Phase(**{**PHASE, "terms": terms}),)))


def weighted(folder: Path, /, **changes: Any) -> Seen:
    return phase(folder, terms=(CONTRAST, WeightedTerm(**{"term": "reconstruction", **changes})))


def retried(folder: Path, /, **changes: Any) -> Seen:
    given: dict[str, Any] = {"above": {"info_nce": 1e-9}, "steps": 2, "attempts": 1}
    return phase(folder, retry=Retry(**{**given, **changes}))


HEADS: Any = ("reward", "termination")


def term(name: str) -> Any:
    """Runs one term on random images in a tiny embedding."""

    def value(folder: Path, /, **options: Any) -> Seen:
        config = EmbeddingConfig(
            2, ensemble=2, backward_encoder=True, process_noise=True, reachability=3, heads=HEADS, **HIDDEN
        )
        embedding = Embedding(config, (6, 5, 1), 2, torch.Generator().manual_seed(0))
        rng = np.random.default_rng(0)
        frames = torch.from_numpy(rng.integers(0, 256, (40, 4, 6, 5, 1), np.uint8))
        actions = torch.from_numpy(rng.uniform(-1, 1, (40, 3, 2)).astype(np.float32))
        rewards, ends = (torch.from_numpy(rng.integers(0, 2, (40, 3)).astype(np.float32)) for _ in range(2))
        noise = Noise(torch.Generator().manual_seed(0))
        unrolled = Unrolled(embedding, frames, actions, noise, rewards=rewards, terminations=ends)
        total, _ = Objective((WeightedTerm(name, options=options),))(unrolled, 0.0)
        return {"value": print_of(total)}

    return value


OPTIONS: dict[str, dict[str, Any]] = {
    "backward_consistency": {},
    "centring": {},
    "consistency_kl": {},
    "control_uniformity": {},
    "curvature": {"deviation": Row("value", 1.0)},
    "display": {},
    "ensemble_prediction": {},
    "hindsight": {
        "goal_weight": Row("value", 1.0),
        "windows": Row("value", 8),
        "iterations": Row("value", 1),
    },
    "info_nce": {"noise": [Row("value", 1.0), Refused("x", "noise")]},
    "latent_consistency": {"noise": Row("value", 1.0)},
    "latent_prediction": {},
    "mmd_prior": {"deviation": Row("value", 3.0)},
    "next_reconstruction": {},
    "prediction": {"rollout": [Row("value", True), Refused(1, "rollout")]},
    "prior_kl": {},
    "passage": {},
    "reachability": {},
    "reconstruction": {"sample": Row("value", False)},
    "reward": {},
    "slowness": {},
    "termination": {},
}

SAMPLED = Phase(**{**PHASE, "terms": (WeightedTerm("prediction"),)})
THINGS = [
    Thing(
        "TrainConfig",
        TrainConfig,
        run,
        {
            "dataset": Row("weights", dataset(1)),
            "environment": Row("folder", "E2C/PlanarWalls-v0"),
            "recipe": Row("weights", Recipe("own", SIZES, (Phase(**{**PHASE, "steps": 5}),))),
            "seed": [Row("weights", 1), Refused(-1, "seed")],
            "device": Refused("gpu", "device"),
            "compile": Excused(TIME),
            "precision": [Row("weights", "bfloat16"), Refused("float8", "precision")],
            "threads": [Row("threads", 2), Refused(0, "threads")],
            "held_out": [Row("weights", 0.5), Refused(1.0, "held_out")],
            "log_every": Row("curves", 2),
            "measure_every": Row("measured", 2),
            "checkpoint_every": Row("checkpoints", 2),
            "keep": Row("checkpoints", 1, beside={"checkpoint_every": 1}),
        },
    ),
    Thing(
        "Recipe",
        Recipe,
        recipe,
        {
            "name": Row("recipe", "another"),
            "embedding": Row("weights", replace(SIZES, latent_dim=3)),
            "phases": Row("weights", (Phase(**PHASE), Phase(**PHASE))),
            "latent_noise": Row("weights", "independent", beside={"phases": (SAMPLED,)}),
        },
    ),
    Thing(
        "Phase",
        Phase,
        phase,
        {
            "name": Row("bar", "other"),
            "steps": Row("weights", 5),
            "terms": [
                Row("weights", (CONTRAST,)),
                Refused((CONTRAST, WeightedTerm("info_nce", 2.0)), "'info_nce' 2 times"),
            ],
            "horizon": Row("weights", 3),
            "batch_size": Row("weights", 5),
            "learning_rate": [Row("weights", 0.1), Refused(0.0, "learning_rate")],
            "weight_decay": Row("weights", 0.5),
            "train": Row("weights", ("encoder",)),
            "retry": Row("weights", Retry({"info_nce": 1e-9}, 2, 1)),
        },
    ),
    Thing(
        "Retry",
        Retry,
        retried,
        {
            "above": Row("weights", {"info_nce": 1e9}),
            "steps": Row("weights", 3),
            "attempts": Row("weights", 2),
            "batch_size": Row("weights", 128),
        },
    ),
    Thing(
        "WeightedTerm",
        WeightedTerm,
        weighted,
        {
            "term": [Row("weights", "prediction"), Refused("reconstrucion", "did you mean 'reconstruction'")],
            "weight": Row("weights", 3.0),
            "start": [Row("weights", 0.1, first=0.9, beside={"ramp": 0.9}), Refused(0.1, "give both")],
            "ramp": [Row("weights", 0.2, first=0.9, beside={"start": 0.1}), Refused(0.5, "give both")],
            "options": Row("weights", {"sample": False}),
        },
    ),
    Thing(
        "EmbeddingConfig",
        EmbeddingConfig,
        sizes,
        {
            "latent_dim": Row("weights", 3),
            "network": Row("weights", "conv"),
            "encoder_hidden": Row("weights", (5,)),
            "decoder_hidden": Row("weights", (5,)),
            "transition_hidden": Row("weights", (5,)),
            "matrix_form": Row("weights", "rank1"),
            "rank": Row("weights", 1, beside={"matrix_form": "low_rank"}),
            "process_noise": Row("weights", True),
            "pool": Row("weights", 5),
            "ensemble": Row("weights", 2),
            "backward_encoder": Row("weights", True),
            "decoder": Row("weights", "sine"),
            "reachability": Row("weights", 3),
            "vectors": Excused("The dataset here has images alone; tests/agents/test_rounds.py has both."),
            "heads": [Row("weights", ("reward",)), Refused(("joy",), "joy")],
        },
    ),
    *(Thing(f"term {name}", TERMS[name], term(name), OPTIONS[name]) for name in OPTIONS),
]

test_every_argument_has_a_row, test_alike, test_every_argument_counts = contract(THINGS)


def test_every_term_is_here() -> None:
    assert set(OPTIONS) == set(TERMS), "add the term's options to OPTIONS in tests/contract/test_recipes.py"
