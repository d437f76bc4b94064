"""The recipes that ship, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from e2c_control.errors import InputError
from e2c_control.models.embedding import EmbeddingConfig
from e2c_control.objectives.objective import WeightedTerm
from e2c_control.objectives.recipe import Phase, Recipe

BLUR = 0.5
"""Noise on encoded futures. The finer it is, the more a map pays for spreading out, which bends and twists it."""


START = 0.1
"""Deviation of the latents at the start. Far below the blur, so that nothing of the random initial map survives: what
grows out of it first is what predicts best, the coarse shape of the world."""


def _unfold_terms() -> tuple[WeightedTerm, ...]:
    return (
        WeightedTerm("info_nce", options={"noise": BLUR}),
        WeightedTerm("latent_consistency", options={"noise": BLUR}),
        WeightedTerm("curvature", 7.0),
        WeightedTerm("control_uniformity", 1.0),
        WeightedTerm("decorrelation", 0.3),
        WeightedTerm("centring", 0.1),
    )


def unfold(embedding: EmbeddingConfig) -> Recipe:
    """The default: unfold the map by three-step contrastive prediction, then teach a decoder to show it.

    The map is learnt without pixels (Shu et al. 2020), over three steps, with actions asked to act alike everywhere,
    which is what keeps the map from settling into a twist. The decoder then learns from a finished embedding, so
    pictures of predictions never cost any of the map's quality.
    """
    return Recipe(
        name="unfold",
        embedding=embedding,
        start_deviation=START,
        phases=(
            Phase("unfold", 1000, _unfold_terms(), train=("encoder", "transition")),
            Phase("decode", 300, (WeightedTerm("display"),), horizon=0, batch_size=128, train=("decoder",)),
        ),
    )


def _e2c_phase(steps: int, learning_rate: float) -> Phase:
    terms = (
        WeightedTerm("reconstruction"),
        WeightedTerm("prediction"),
        WeightedTerm("prior_kl"),
        WeightedTerm("consistency_kl", 0.25),
    )
    return Phase("e2c", steps, terms, horizon=1, batch_size=128, learning_rate=learning_rate)


def e2c(embedding: EmbeddingConfig) -> Recipe:
    """E2C as published (Watter et al. 2015): one step, A = I + v r', its four terms, nothing before."""
    return Recipe(
        name="e2c",
        embedding=replace(embedding, matrix_form="rank1"),
        phases=(_e2c_phase(6000, 1e-3),),
    )


def e2c_warm(embedding: EmbeddingConfig) -> Recipe:
    """E2C's own objective after the map was unfolded: topology first, then pixels."""
    warm = Phase("unfold", 1000, _unfold_terms(), train=("encoder", "transition"))
    return Recipe(
        name="e2c-warm",
        embedding=replace(embedding, matrix_form="rank1"),
        start_deviation=START,
        phases=(warm, _e2c_phase(3000, 1e-3)),
    )


RECIPES: Mapping[str, Callable[[EmbeddingConfig], Recipe]] = {"unfold": unfold, "e2c": e2c, "e2c-warm": e2c_warm}


def make_recipe(name: str, embedding: EmbeddingConfig) -> Recipe:
    """The recipe `name` for an embedding of the given sizes."""
    if name not in RECIPES:
        raise InputError(f"There is no recipe '{name}': the recipes are {', '.join(sorted(RECIPES))}.")
    return RECIPES[name](embedding)
