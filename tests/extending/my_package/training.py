"""A term of an objective, networks, and a recipe that is made of them."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from e2c_control import EmbeddingConfig, Phase, Recipe, Term, WeightedTerm
from e2c_control.models.gaussian import DiagonalGaussian
from e2c_control.models.local_linear import LocallyLinear
from e2c_control.models.networks import Encoder
from e2c_control.models.transition import Transition
from e2c_control.objectives.unrolled import Unrolled


class Spread(Term):
    """(log variance of the latents)^2 over the batch: they neither shrink nor grow."""

    def __init__(self, floor: float = 1e-3) -> None:
        super().__init__()
        self.floor = floor

    def forward(self, unrolled: Unrolled) -> Tensor:
        latents = unrolled.gather(unrolled.posterior.mean, -2).flatten(0, -2)
        return (latents.var(0, correction=0) + self.floor).log().square().mean()


class Linear(Encoder):
    """One linear layer."""

    def __init__(self, view_shape: tuple[int, int, int], latent_dim: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.layer = nn.Linear(view_shape[0] * view_shape[1] * view_shape[2], 2 * latent_dim)

    def forward(self, views: Tensor) -> DiagonalGaussian:
        mean, log_var = self.layer(views.flatten(1)).chunk(2, dim=-1)
        return DiagonalGaussian(mean, log_var.clamp(-10, 10))


class Push(Transition):
    """z' = z + B u with one B everywhere, and what a tanh of z adds."""

    def __init__(self, config: EmbeddingConfig, action_dim: int) -> None:
        super().__init__()
        self.latent_dim, self.action_dim = config.latent_dim, action_dim
        self.push = nn.Parameter(0.1 * torch.randn(config.latent_dim, action_dim))
        self.drift = nn.Parameter(torch.zeros(config.latent_dim))

    def forward(self, latents: Tensor, actions: Tensor) -> LocallyLinear:
        k, batch = self.latent_dim, latents.shape[:-1]
        slope = self.drift * (1 - latents.tanh().square())
        A = torch.eye(k, dtype=latents.dtype, device=latents.device) + torch.diag_embed(slope)
        B = self.push.to(latents.dtype).expand(*batch, k, self.action_dim)
        return LocallyLinear(A, B, self.drift * latents.tanh() - slope * latents)


def recipe(embedding: EmbeddingConfig) -> Recipe:
    """Contrastive prediction with `Spread`, through networks of one's own."""
    terms = (WeightedTerm("info_nce"), WeightedTerm(Spread, 0.1, options={"floor": 1e-2}))
    sizes = replace(embedding, network=Linear, matrix_form=Push)
    phases = (
        Phase("map", 6, terms, horizon=2, batch_size=16, train=("encoder", "transition")),
        Phase("display", 2, (WeightedTerm("display"),), horizon=0, batch_size=16, train=("decoder",)),
    )
    return Recipe("mine", sizes, phases)
