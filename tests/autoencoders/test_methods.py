"""Each loss by hand, and what each kind promises of its own."""

import math
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from e2c_control.autoencoders.adversarial import AdversarialAutoEncoder
from e2c_control.autoencoders.denoising import DenoisingAutoEncoder
from e2c_control.autoencoders.mmd import prior_mmd
from e2c_control.autoencoders.networks import Networks, seeded, vector_networks
from e2c_control.autoencoders.plain import PlainAutoEncoder
from e2c_control.autoencoders.priors import normal_prior
from e2c_control.autoencoders.recurrent import RecurrentAutoEncoder
from e2c_control.autoencoders.variational import VariationalAutoEncoder
from e2c_control.autoencoders.wasserstein import WassersteinAutoEncoder


class Scale(nn.Module):
    """x to a x, the smallest network there is."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


def scales(encoder: float = 0.5, decoder: float = 0.6) -> Networks:
    return Networks(Scale(encoder), Scale(decoder), (2,), (2,))


def seed(value: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(value)


def gradients(model: nn.Module) -> list[float]:
    return [float(p.grad) for p in model.parameters() if p.grad is not None]


X = torch.tensor([[1.0, 2.0], [-3.0, 0.5]])
SQUARE = float(X.square().mean())


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_plain_by_hand(reduction: str) -> None:
    loss = PlainAutoEncoder(scales(), penalty=0.1, reduction=reduction).loss(X, seed())
    factor = 2 if reduction == "sum" else 1
    assert loss.parts["reconstruction"].item() == pytest.approx(factor * (0.3 - 1) ** 2 * SQUARE)
    assert loss.parts["norm"].item() == pytest.approx(0.25 * SQUARE)
    assert loss.total.item() == pytest.approx((factor * 0.49 + 0.025) * SQUARE)


@pytest.mark.parametrize("passes", [1, 2, 3])
@pytest.mark.parametrize("cut", [False, True])
def test_recurrent_by_hand_without_noise(passes: int, cut: bool) -> None:
    """x_n = (d e)^n x and z_n = e (d e)^(n-1) x, so each loss is a polynomial in e and d."""
    e, d, penalty = 0.5, 0.6, 0.1
    model = RecurrentAutoEncoder(scales(e, d), passes, noise=0.0, penalty=penalty, cut=cut)
    loss = model.loss(X, seed())
    turns = [(d * e) ** n for n in range(passes + 1)]
    expected = sum((turns[n] - 1) ** 2 + penalty * (e * turns[n - 1]) ** 2 for n in range(1, passes + 1))
    assert loss.total.item() == pytest.approx(expected * SQUARE, rel=1e-5)
    loss.total.backward()
    leaf_e, leaf_d = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (e, d))
    total, seen = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
    for _ in range(passes):
        code = leaf_e * seen
        seen = leaf_d * code
        total = total + (seen - 1) ** 2 + penalty * code**2
        if cut:
            seen = seen.detach()
    wanted = [float(g) * SQUARE for g in torch.autograd.grad(total, (leaf_e, leaf_d))]
    assert gradients(model) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("cut", [False, True])
def test_recurrent_by_hand_with_noise(cut: bool) -> None:
    """Noise is added after the penalty is taken, and the next pass starts from the noisy decoding."""
    model = RecurrentAutoEncoder(scales(), 2, noise=0.3, penalty=0.1, cut=cut)
    g = seed(4)
    first, second = (0.3 * torch.randn(2, 2, generator=g) for _ in range(2))
    x1 = 0.6 * (0.5 * X + first)
    x2 = 0.6 * (0.5 * x1 + second)
    norms = (0.5 * X).square().mean() + (0.5 * x1).square().mean()
    expected = (x1 - X).square().mean() + (x2 - X).square().mean() + 0.1 * norms
    torch.testing.assert_close(model.loss(X, seed(4)).total, expected)


def test_the_length_of_a_code() -> None:
    model = RecurrentAutoEncoder(scales(), 1, noise=0.0, norm="length")
    assert model.loss(X, seed()).parts["norm"].item() == pytest.approx(0.5 * float(X.norm(dim=1).mean()))


def test_one_pass_without_noise_is_the_plain_one() -> None:
    recurrent, plain = RecurrentAutoEncoder(scales(), 1, noise=0.0), PlainAutoEncoder(scales())
    torch.testing.assert_close(recurrent.loss(X, seed()).total, plain.loss(X, seed()).total)
    torch.testing.assert_close(recurrent.error(X), plain.error(X))


def test_the_n_pass_error_by_hand() -> None:
    model = RecurrentAutoEncoder(scales(), 3)
    expected = sum((0.3**n - 1) ** 2 for n in (1, 2, 3)) / 3 * X.square().mean(1)
    torch.testing.assert_close(model.error(X), expected)


class Saved:
    """Bytes of tensors that autograd holds, at most at once."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def pack(self, tensor: Tensor) -> Any:
        size = tensor.numel() * tensor.element_size()
        self.now += size
        self.most = max(self.most, self.now)

        class Handle:
            def __init__(handle) -> None:
                handle.tensor = tensor

            def __del__(handle) -> None:
                self.now -= size

        return Handle()


def most_saved(passes: int, cut: bool) -> int:
    model = RecurrentAutoEncoder(seeded(lambda: vector_networks(20, 4, (64,)), seed()), passes, cut=cut)
    saved, x = Saved(), torch.randn(100, 20, generator=seed())
    with torch.autograd.graph.saved_tensors_hooks(saved.pack, lambda handle: handle.tensor):
        for loss in model.losses(x, seed(1)):
            loss.total.backward()
            del loss
    return saved.most


def test_with_the_gradient_cut_memory_does_not_grow_with_the_passes() -> None:
    assert most_saved(8, cut=True) <= 1.1 * most_saved(2, cut=True)
    assert most_saved(8, cut=False) > 3.5 * most_saved(2, cut=False)


def test_denoising_scores_against_clean_data() -> None:
    model = DenoisingAutoEncoder(scales(), corruption=0.5, penalty=0.0)
    noise = 0.5 * torch.randn(2, 2, generator=seed(3))
    torch.testing.assert_close(model.loss(X, seed(3)).total, (0.3 * (X + noise) - X).square().mean())
    masked = DenoisingAutoEncoder(scales(), corruption=0.0, masked=0.25)
    seen = masked.corrupt(torch.ones(4000, 2), seed(1))
    assert float((seen == 0).float().mean()) == pytest.approx(0.25, abs=0.03)


def test_variational_bound_in_nats() -> None:
    """Against densities of torch.distributions, up to the constant that `nats` knows."""
    networks = seeded(lambda: vector_networks(3, 2, (8,), gaussian=True), seed(1))
    model, x = VariationalAutoEncoder(networks, variance=0.3), torch.randn(6, 3, generator=seed(2))
    q: Any = model.posterior(x)
    z = q.mean + (0.5 * q.log_var).exp() * torch.randn(6, 2, generator=seed(5))
    likelihood = MultivariateNormal(model.decode(z), 0.3 * torch.eye(3))
    posterior = Independent(Normal(q.mean, (0.5 * q.log_var).exp()), 1)
    divergence = kl_divergence(posterior, Independent(Normal(torch.zeros(2), torch.ones(2)), 1))
    torch.testing.assert_close(model.nats(x, seed(5)), (divergence - likelihood.log_prob(x)).mean())
    loss = model.loss(x, seed(5))
    torch.testing.assert_close(loss.parts["divergence"], divergence.mean())
    assert model.nats(x, seed(5)).item() - loss.total.item() == pytest.approx(
        1.5 * math.log(2 * math.pi * 0.3), abs=1e-5
    )


def test_wasserstein_by_hand() -> None:
    model, x = WassersteinAutoEncoder(scales(), weight=7.0), torch.randn(9, 2, generator=seed(2))
    loss = model.loss(x, seed(5))
    penalty = prior_mmd(0.5 * x, normal_prior(), seed(5))
    torch.testing.assert_close(loss.parts["mmd"], penalty)
    torch.testing.assert_close(loss.total, (0.3 * x - x).square().sum(1).mean() + 7.0 * penalty)


def test_a_weight_that_cannot_matter_is_told() -> None:
    x = 3.0 * torch.randn(200, 2, generator=seed())
    with pytest.warns(
        UserWarning, match=r"weight 0\.03 cannot matter: a collapsed code would cost 0\.046.*Raise the weight"
    ):
        WassersteinAutoEncoder(scales(), weight=0.03).check_data(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        WassersteinAutoEncoder(scales(), weight=10.0).check_data(x)


def test_the_penalty_of_a_collapsed_code() -> None:
    assert (
        1.5 < WassersteinAutoEncoder(scales()).collapse() < 1.75
    )  # 1.60 in two dimensions, by the literature's kernel


def test_neither_side_of_the_adversary_moves_the_other() -> None:
    """The encoder's gradient is that of its own loss, the discriminator's of its own."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AdversarialAutoEncoder(scales(), weight=3.0, hidden=(8,))
    x = torch.randn(9, 2, generator=seed(2))
    model.loss(x, seed(5)).total.backward()
    found = {name: p.grad for name, p in model.named_parameters()}
    T, draws = model.discriminator, torch.randn(9, 2, generator=seed(5))
    codes = model.encode(x)
    told = -torch.log(torch.sigmoid(T(draws))).mean() - torch.log(1 - torch.sigmoid(T(codes.detach()))).mean()
    own = torch.autograd.grad(told, list(T.parameters()))
    for (name, _), wanted in zip(T.named_parameters(), own, strict=True):
        torch.testing.assert_close(found[f"discriminator.{name}"], wanted)
    fooled = (model.decode(codes) - x).square().sum(1).mean() - 3.0 * torch.log(torch.sigmoid(T(codes))).mean()
    torch.testing.assert_close(found["encoder.factor"], torch.autograd.grad(fooled, model.encoder.factor)[0])
    rates = {len(group["params"]): group["lr"] for group in model.parameter_groups(0.01)}  # type: ignore[arg-type]
    assert rates == {2: 0.01, 4: 0.005}


def chain_by_hand(cycles: int, noise: float, n: int) -> Tensor:
    """Samples of a model whose cycle halves a code and adds noise, but not the last time; D multiplies by 0.6."""
    g = seed(3)
    codes = torch.randn(n, 2, generator=g)
    for cycle in range(cycles):
        codes = 0.3 * codes
        if cycle < cycles - 1:
            codes = codes + noise * torch.randn(n, 2, generator=g)
    return 0.6 * codes


@pytest.mark.parametrize("cycles", [0, 1, 2, 5])
def test_a_recurrent_sample_by_hand(cycles: int) -> None:
    """One cycle has no noise at all: it would blur what is decoded next."""
    model = RecurrentAutoEncoder(scales(), noise=0.7, cycles=cycles)
    torch.testing.assert_close(model.sample(6, seed(3)), chain_by_hand(cycles, 0.7, 6))


def test_the_last_cycle_of_a_sample_has_no_noise() -> None:
    """Whatever the noise before: with a last cycle that forgets its code, all samples are one point."""
    networks = Networks(Scale(0.0), Scale(1.0), (2,), (2,))
    for cycles in (1, 3):
        samples = RecurrentAutoEncoder(networks, noise=5.0, cycles=cycles).sample(50, seed())
        assert torch.equal(samples, torch.zeros(50, 2))


@pytest.mark.parametrize("beta", [0.0, 0.5, 4.0])
def test_beta_weighs_the_divergence(beta: float) -> None:
    networks = seeded(lambda: vector_networks(2, 2, (3,), gaussian=True), seed(1))
    loss = VariationalAutoEncoder(networks, variance=0.3, beta=beta).loss(X, seed(2))
    expected = loss.parts["reconstruction"] / 0.6 + beta * loss.parts["divergence"]
    torch.testing.assert_close(loss.total.detach(), expected)
    assert float(loss.parts["divergence"]) > 0
