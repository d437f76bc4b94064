"""The literature's recipes, shortened from thousands of epochs to thousands of steps: each is named after its paper."""

from __future__ import annotations

from dataclasses import replace

from e2c_control.models.embedding import EmbeddingConfig, Part
from e2c_control.objectives.objective import WeightedTerm
from e2c_control.objectives.recipe import Phase, Recipe

E2C_TERMS = (
    WeightedTerm("reconstruction"),
    WeightedTerm("prediction"),
    WeightedTerm("prior_kl"),
    WeightedTerm("consistency_kl", 0.25),
)


def e2c_phase(steps: int, terms: tuple[WeightedTerm, ...] = E2C_TERMS) -> Phase:
    """One-step E2C."""
    return Phase("e2c", steps, terms, horizon=1, batch_size=128, learning_rate=1e-3)


def e2c(embedding: EmbeddingConfig) -> Recipe:
    """E2C as published (Watter et al. 2015): one step, A = I + v r', its four terms, nothing before."""
    return Recipe("e2c", replace(embedding, matrix_form="rank1"), (e2c_phase(6000),))


def e2c_global(embedding: EmbeddingConfig) -> Recipe:
    """Global E2C (Watter et al. 2015, table 1): one A, one B and one o for the whole latent space."""
    return Recipe("e2c-global", replace(embedding, matrix_form="global"), (e2c_phase(6000),))


def e2c_nonlinear(embedding: EmbeddingConfig) -> Recipe:
    """Non-linear E2C (Watter et al. 2015, table 1): z' = f(z, u), linearised by its Jacobian."""
    return Recipe("e2c-nonlinear", replace(embedding, matrix_form="nonlinear"), (e2c_phase(6000),))


def e2c_no_kl(embedding: EmbeddingConfig) -> Recipe:
    """E2C without the divergence between predicted and encoded latents (Watter et al. 2015, table 1)."""
    return Recipe("e2c-no-kl", replace(embedding, matrix_form="rank1"), (e2c_phase(6000, E2C_TERMS[:3]),))


def wae_mmd(embedding: EmbeddingConfig) -> Recipe:
    """E2C with the penalty of a Wasserstein auto-encoder (Tolstikhin et al. 2018) for the divergence from the prior.

    The weight is that of the authors' MNIST setting; a collapsed code costs about twice as many nats.
    """
    terms = (*E2C_TERMS[:2], WeightedTerm("mmd_prior", 10.0), E2C_TERMS[3])
    return Recipe("wae-mmd", replace(embedding, matrix_form="rank1"), (e2c_phase(6000, terms),))


def e2c_multistep(embedding: EmbeddingConfig) -> Recipe:
    """E2C with two of the tricks that its blog post names: prediction over several steps, and KL weights that rise.

    The third, large control steps, is a matter of the data: `e2c collect --corner-share`, or `max_step` of the world.
    """
    terms = (
        WeightedTerm("reconstruction"),
        WeightedTerm("prediction", options={"rollout": True}),
        WeightedTerm("prior_kl", 1.0, start=0.01, ramp=0.5),
        WeightedTerm("consistency_kl", 0.25, start=0.01, ramp=0.5),
    )
    phase = Phase("e2c-multistep", 4000, terms, horizon=4, batch_size=64, learning_rate=1e-3)
    return Recipe("e2c-multistep", replace(embedding, matrix_form="rank1"), (phase,))


def _then_dynamics(name: str, embedding: EmbeddingConfig, *terms: WeightedTerm) -> Recipe:
    """Train an auto-encoder first, and then a non-linear transition on what it has found."""
    trained: tuple[Part, ...] = ("encoder", "decoder")
    seen = Phase("see", 4000, terms, horizon=1, batch_size=128, learning_rate=1e-3, train=trained)
    moves = (WeightedTerm("latent_prediction"),)
    move = Phase("move", 2000, moves, horizon=1, batch_size=128, learning_rate=1e-3, train=("transition",))
    return Recipe(name, replace(embedding, matrix_form="nonlinear"), (seen, move))


def ae(embedding: EmbeddingConfig) -> Recipe:
    """Train an auto-encoder, and its dynamics separately (Watter et al. 2015, table 1)."""
    return _then_dynamics("ae", embedding, WeightedTerm("reconstruction", options={"sample": False}))


def vae(embedding: EmbeddingConfig) -> Recipe:
    """Train a variational auto-encoder, and its dynamics separately (Watter et al. 2015, table 1)."""
    return _then_dynamics("vae", embedding, WeightedTerm("reconstruction"), WeightedTerm("prior_kl"))


def vae_slowness(embedding: EmbeddingConfig) -> Recipe:
    """Train the same with latents that change little from image to image (Watter et al. 2015, table 1)."""
    terms = (WeightedTerm("reconstruction"), WeightedTerm("prior_kl"), WeightedTerm("slowness"))
    return _then_dynamics("vae-slowness", embedding, *terms)


def _through_next(name: str, embedding: EmbeddingConfig, steps: int, *terms: WeightedTerm) -> Recipe:
    """Learn from images alone first, as PCC does on the plane, or consistency closes a map that holds nothing."""
    sizes = replace(embedding, process_noise=True, backward_encoder=True)
    images = (WeightedTerm("reconstruction", options={"sample": False}),)
    see = Phase("see", 1500, images, 1, 128, 1e-3, train=("encoder", "decoder"))
    trained: tuple[Part, ...] = ("encoder", "decoder", "transition", "backward_encoder")
    return Recipe(name, sizes, (see, Phase(name, steps, terms, 1, 128, 1e-3, train=trained)))


def rce(embedding: EmbeddingConfig) -> Recipe:
    """Robust Controllable Embedding (Banijamali et al. 2018): a bound through the encoder of the next image."""
    terms = (WeightedTerm("next_reconstruction"), WeightedTerm("backward_consistency"))
    return _through_next("rce", replace(embedding, matrix_form="low_rank"), 4500, *terms)


def _pcc(name: str, embedding: EmbeddingConfig) -> Recipe:
    """Take the published weights: prediction 1, consistency 8 more, curvature 8, and a little of a VAE.

    Shortened from some 100,000 steps by twice the published learning rate.
    """
    terms = (
        WeightedTerm("next_reconstruction"),
        WeightedTerm("backward_consistency", 1.0 + 8.0),
        WeightedTerm("curvature", 8.0),
        WeightedTerm("reconstruction", 0.01),
        WeightedTerm("prior_kl", 0.01),
        WeightedTerm("prediction", 0.3),
    )
    return _through_next(name, embedding, 4000, *terms)


def pcc(embedding: EmbeddingConfig) -> Recipe:
    """Prediction, Consistency, Curvature (Levine et al. 2020), with the exact curvature of a non-linear transition."""
    return _pcc("pcc", replace(embedding, matrix_form="nonlinear"))


def pcc_amortised(embedding: EmbeddingConfig) -> Recipe:
    """Train the same with A and B from the network (Levine et al. 2020, section 4.3)."""
    return _pcc("pcc-amortised", replace(embedding, matrix_form="full"))


def pc3(embedding: EmbeddingConfig) -> Recipe:
    """Predictive Coding, Consistency, Curvature (Shu et al. 2020): contrastive, one step; a decoder only to show it."""
    terms = (
        WeightedTerm("info_nce"),
        WeightedTerm("latent_consistency"),
        WeightedTerm("curvature", 7.0),
        WeightedTerm("centring", 0.1),
    )
    trained: tuple[Part, ...] = ("encoder", "transition")
    phase = Phase("pc3", 4000, terms, 1, 256, 5e-4, train=trained)
    shown = Phase("display", 1000, (WeightedTerm("display"),), 0, 128, train=("decoder",))
    return Recipe("pc3", replace(embedding, matrix_form="nonlinear"), (phase, shown))
