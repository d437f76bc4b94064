"""The recipes that ship, by name: what was found to work here, and the literature's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from reprlib import repr as short

from e2c_control.errors import in_a_sentence, of_class
from e2c_control.fields import checked
from e2c_control.models.embedding import EmbeddingConfig, Part
from e2c_control.models.networks import NETWORKS, MLPDecoder
from e2c_control.objectives import literature
from e2c_control.objectives.objective import WeightedTerm
from e2c_control.objectives.recipe import Phase, Recipe, Retry
from e2c_control.registry import Registry

MISSHAPEN = Retry({"control_uniformity": 0.04, "info_nce": 2.4}, steps=200, attempts=6, batch_size=128)
"""What a map cannot mend later, seen early. Twisted: its parts are mirror images, so actions act differently in them
(uniformity 0.06 to 0.11 after 200 steps, against 0.006 to 0.028 where the map is straight). Collapsed onto a line: the
future is guessed hardly better than from one of two dimensions (3.0 to 3.3 nats, where an open map has 1.7 to 2.2 and
chance 4.9). In between (0.06 and 2.6 nats) one map was good and one was not: both begin anew."""


def _unfold(latent_dim: int, consistency: float = 1.0) -> Phase:
    """Contrastive prediction over eight steps (Shu et al. 2020 do one), with actions asked to act alike everywhere.

    One-step terms see no farther than a step: they leave maps locally right and globally twisted on every second seed.
    Eight steps cross a good part of the world, and a twisted map cannot predict across its own twist.

    Up to four dimensions are open after 800 steps; the three-link arm, in eight, scored 42 % after 1500 and 85 % after
    4000, one seed of tuning each.
    """
    terms = (
        WeightedTerm("info_nce"),
        WeightedTerm("latent_consistency", consistency),
        WeightedTerm("curvature", 7.0),
        WeightedTerm("control_uniformity"),
        WeightedTerm("centring", 0.1),
    )
    trained: tuple[Part, ...] = ("encoder", "transition")
    steps = 800 if latent_dim <= 4 else 4000
    return Phase("unfold", steps, terms, horizon=8, batch_size=128, train=trained, retry=MISSHAPEN)


DISPLAY = Phase(
    "display",
    1000,
    (WeightedTerm("display"),),
    horizon=0,
    batch_size=128,
    learning_rate=3e-3,
    weight_decay=0.0,
    train=("decoder",),
)


def _drawn(embedding: EmbeddingConfig) -> EmbeddingConfig:
    """Return the embedding with a decoder that draws small things, where its encoder has a fully connected one.

    A decoder that is trained together with the map keeps its ReLUs: sines would let it tell images apart whose latents
    are close, and ask less of the map.
    """
    own = NETWORKS.find(embedding.network).decoder
    return replace(embedding, decoder="sine") if embedding.decoder is None and own is MLPDecoder else embedding


def unfold(embedding: EmbeddingConfig) -> Recipe:
    """Unfold the map without looking at pixels, then teach a decoder to show it: the default.

    The decoder learns from a finished embedding, so pictures of predictions never cost any of the map's quality.
    """
    return Recipe("unfold", _drawn(embedding), (_unfold(embedding.latent_dim), DISPLAY))


def unfold_noisy(embedding: EmbeddingConfig) -> Recipe:
    """Unfold for a world whose motion is random, where consistency would shrink the map, in the end to a point.

    The consistency term is a density whose spread is learnt: it gains by every halving of the map until the blur of
    the targets covers what noise leaves unpredictable, and at 5 pixels that is more than prediction can gain.
    """
    return Recipe("unfold-noisy", _drawn(embedding), (_unfold(embedding.latent_dim, consistency=0.1), DISPLAY))


def unfold_ensemble(embedding: EmbeddingConfig) -> Recipe:
    """Unfold with five transitions more, so that plans can keep to where they agree."""
    terms = (WeightedTerm("ensemble_prediction"),)
    ensemble = Phase("ensemble", 600, terms, horizon=8, batch_size=128, weight_decay=0.0, train=("ensemble",))
    mapped, shown = unfold(embedding).phases
    return Recipe("unfold-ensemble", replace(_drawn(embedding), ensemble=5), (mapped, ensemble, shown))


def unfold_roadmap(embedding: EmbeddingConfig) -> Recipe:
    """Unfold, then learn beside the finished map how many steps apart images are: for worlds with walls.

    Neither encoder nor map are touched: they are those of `unfold`, with fewer attempts. Plans go around walls by the
    landmarks that are laid out in the end (`--planner roadmap`), which do not ask for a map that is unfolded; and where
    a picture stands for several places, as inside a wall of the mover's own colour, no attempt unfolds it.
    """
    sized = replace(_drawn(embedding), reachability=embedding.reachability or 16)
    places = Phase(
        "reachability",
        1500,
        (WeightedTerm("reachability"),),
        horizon=2,
        weight_decay=0.0,
        train=("reachability",),
    )
    passages = Phase(
        "passage",
        4000,
        (WeightedTerm("passage"),),
        horizon=4,
        batch_size=96,
        learning_rate=3e-3,
        weight_decay=0.0,
        train=("passage",),
    )
    mapped, shown = unfold(embedding).phases
    mapped = replace(mapped, retry=replace(MISSHAPEN, attempts=1))
    return Recipe("unfold-roadmap", sized, (mapped, shown, places, passages))


def unfold_reward(embedding: EmbeddingConfig) -> Recipe:
    """Unfold, and keep on the map what rewards and the ends of episodes depend on: for a reward in place of a goal.

    Sixteen steps in place of eight: plans for a reward go as far as the model lets them, not to a goal nearby.
    """
    sized = replace(_drawn(embedding), heads=("reward", "termination"))
    mapped, shown = unfold(embedding).phases
    terms = (*mapped.terms, WeightedTerm("reward"), WeightedTerm("termination"))
    trained: tuple[Part, ...] = (*mapped.train, "reward", "termination")
    mapped = replace(mapped, terms=terms, horizon=16, train=trained, retry=None)
    return Recipe("unfold-reward", sized, (mapped, shown))


def e2c_warm(embedding: EmbeddingConfig) -> Recipe:
    """Train E2C's own objective after the map was unfolded: topology first, then pixels."""
    return Recipe(
        "e2c-warm", replace(embedding, matrix_form="rank1"), (_unfold(embedding.latent_dim), literature.e2c_phase(3000))
    )


Make = Callable[[EmbeddingConfig], Recipe]


def _is_recipe(given: object) -> bool:
    return callable(given) or isinstance(given, Recipe)


RECIPES: Registry[Make | Recipe] = Registry(
    "recipe",
    {
        "unfold": unfold,
        "unfold-noisy": unfold_noisy,
        "unfold-ensemble": unfold_ensemble,
        "unfold-roadmap": unfold_roadmap,
        "unfold-reward": unfold_reward,
        "e2c-warm": e2c_warm,
        "e2c": literature.e2c,
        "e2c-multistep": literature.e2c_multistep,
        "e2c-global": literature.e2c_global,
        "e2c-nonlinear": literature.e2c_nonlinear,
        "e2c-no-kl": literature.e2c_no_kl,
        "wae-mmd": literature.wae_mmd,
        "ae": literature.ae,
        "vae": literature.vae,
        "vae-slowness": literature.vae_slowness,
        "rce": literature.rce,
        "pcc": literature.pcc,
        "pcc-amortised": literature.pcc_amortised,
        "pc3": literature.pc3,
    },
    _is_recipe,
    "a Recipe, or a function that makes one of an EmbeddingConfig",
)


@checked
def make_recipe(recipe: str | Make | Recipe, embedding: EmbeddingConfig) -> Recipe:
    """Return a recipe for an embedding of the given sizes.

    Args:
        recipe: a name in `RECIPES`, "my_package:recipe", a function of an `EmbeddingConfig`, or a `Recipe`, which has
            sizes of its own.
        embedding: the sizes.
    """
    found = RECIPES.find(recipe)
    with in_a_sentence(f"The recipe {short(recipe)} cannot be made"):
        made = found if isinstance(found, Recipe) else found(embedding)
    return of_class(f"The recipe {short(recipe)}", made, Recipe)
