"""The U-statistic by hand, by definition, and by what it promises: unbiased, invariant, never clamped."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from e2c_control.autoencoders.kernels import SCALES, Gaussian, InverseMultiquadratic, Kernel
from e2c_control.autoencoders.mmd import median_base, median_gaussian, mmd, prior_mmd, squared_distances
from e2c_control.autoencoders.priors import PRIORS, make_prior, normal_prior
from e2c_control.errors import InputError

KERNELS: dict[str, Kernel] = {
    "mixture": InverseMultiquadratic(8.0),
    "one scale": InverseMultiquadratic(2.0, (1.0,)),
    "gaussian": Gaussian(1.5),
    "gaussians": Gaussian(1.5, (0.5, 3.0)),
}


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def by_definition(q: Tensor, p: Tensor, k: Callable[[Tensor], Tensor]) -> Tensor:
    """Pair by pair."""

    def pairs(a: Tensor, b: Tensor, skip: bool) -> list[Tensor]:
        return [k((x - y).square().sum()) for i, x in enumerate(a) for j, y in enumerate(b) if not (skip and i == j)]

    return sum(
        (torch.stack(pairs(a, b, skip)).mean() * sign for a, b, skip, sign in [(q, q, True, 1), (p, p, True, 1)]),
        start=-2 * torch.stack(pairs(q, p, False)).mean(),
    )


def test_two_codes_by_hand() -> None:
    # Squared distances: 4 within the codes, 1 within the draws, 0, 1, 4, 1 between. k = 2 / (2 + D).
    q, p = torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0], [1.0]])
    expected = 2 / 6 + 2 / 3 - 2 * (1 + 2 / 3 + 2 / 6 + 2 / 3) / 4
    assert mmd(q, p, InverseMultiquadratic(2.0, (1.0,))).item() == pytest.approx(expected)


def test_three_codes_and_two_draws_by_hand() -> None:
    q, p = torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([[0.0], [0.0]])
    e = lambda d: math.exp(-d / 2)  # noqa: E731
    expected = (e(1) + e(9) + e(4)) / 3 + 1 - 2 * (2 + 2 * e(1) + 2 * e(9)) / 6
    assert mmd(q, p, Gaussian(1.0)).item() == pytest.approx(expected)


@pytest.mark.parametrize("name", KERNELS)
def test_by_definition_and_by_differences(name: str) -> None:
    kernel = KERNELS[name]
    q, p = normal(5, 3).requires_grad_(), (0.5 + normal(4, 3, seed=1)).requires_grad_()
    expected = by_definition(q, p, kernel)
    torch.testing.assert_close(mmd(q, p, kernel), expected)
    wanted = torch.autograd.grad(expected, (q, p))
    torch.testing.assert_close(torch.autograd.grad(mmd(q, p, kernel), (q, p)), wanted)
    assert torch.autograd.gradcheck(lambda a, b: mmd(a, b, kernel), (q, p))


@given(
    n=st.integers(2, 9),
    m=st.integers(2, 9),
    d=st.integers(1, 4),
    block=st.integers(1, 40),
    name=st.sampled_from(list(KERNELS)),
)
@settings(max_examples=40, deadline=None)
def test_blocks_change_nothing(n: int, m: int, d: int, block: int, name: str) -> None:
    kernel = KERNELS[name]
    q, p = normal(n, d).requires_grad_(), normal(m, d, seed=1).requires_grad_()
    whole, parts = mmd(q, p, kernel), mmd(q, p, kernel, block=block)
    torch.testing.assert_close(parts, whole)
    torch.testing.assert_close(torch.autograd.grad(parts, (q, p)), torch.autograd.grad(whole, (q, p)))


@given(seed=st.integers(0, 10_000), shift=st.floats(-1e3, 1e3))
@settings(max_examples=25, deadline=None)
def test_order_and_place_do_not_matter(seed: int, shift: float) -> None:
    g = torch.Generator().manual_seed(seed)
    q, p = normal(7, 3, seed=seed), normal(6, 3, seed=seed + 1)
    value = mmd(q, p)
    torch.testing.assert_close(mmd(q[torch.randperm(7, generator=g)], p[torch.randperm(6, generator=g)]), value)
    torch.testing.assert_close(mmd(q + shift, p + shift), value, atol=1e-8, rtol=1e-6)
    torch.testing.assert_close(mmd(p, q), value)


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_are_kernels(name: str) -> None:
    kernel = KERNELS[name]
    x = normal(20, 4)
    squared = squared_distances(x, x)
    k = kernel(squared)
    assert (squared >= 0).all()
    assert (k <= kernel(torch.zeros((), dtype=torch.float64)) + 1e-12).all()
    torch.testing.assert_close(k, k.mT)
    assert torch.linalg.eigvalsh(k).min() > -1e-9
    total, slope = kernel.sum_and_slope(squared)
    assert total.item() == pytest.approx(k.sum().item())
    leaf = squared.clone().requires_grad_()
    torch.testing.assert_close(slope, torch.autograd.grad(kernel(leaf).sum(), leaf)[0])
    nothing, flat = kernel.sum_and_slope(torch.full((2,), torch.inf, dtype=torch.float64))
    assert nothing == 0
    assert (flat == 0).all()


def test_the_published_scales() -> None:
    assert InverseMultiquadratic(1.0).scales == SCALES
    assert InverseMultiquadratic(5.0)(torch.zeros(())).item() == pytest.approx(7.0)  # a sum of seven, not a mean
    assert normal_prior(2.0).base(3) == 2 * 3 * 4
    assert make_prior("uniform").base(3) == 3
    assert make_prior("sphere").base(3) == 2


@pytest.mark.parametrize("name", PRIORS)
def test_priors(name: str) -> None:
    prior = make_prior(name, 2.0)
    draws = prior.sample(4000, (3, 2), torch.Generator().manual_seed(0))
    assert draws.shape == (4000, 3, 2)
    assert torch.equal(draws, prior.sample(4000, (3, 2), torch.Generator().manual_seed(0)))
    second = {"normal": 4.0, "uniform": 4.0 / 3, "sphere": 4.0 / 6}[name]
    torch.testing.assert_close(draws.square().mean((0,)), torch.full((3, 2), second), rtol=0.15, atol=0.0)
    if name == "sphere":
        torch.testing.assert_close(draws.flatten(1).norm(dim=1), torch.full((4000,), 2.0))


@pytest.mark.parametrize("d", [2, 8, 64])
def test_unbiased_where_codes_follow_the_prior(d: int) -> None:
    g = torch.Generator().manual_seed(d)
    values = torch.stack([prior_mmd(torch.randn(50, d, generator=g), normal_prior(), g) for _ in range(200)])
    assert abs(values.mean()) < 4 * values.std() / math.sqrt(200)
    assert 0.25 < (values < 0).float().mean() < 0.85  # nothing is clamped


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_unbiased_against_a_large_sample(shift: float) -> None:
    g = torch.Generator().manual_seed(3)
    small = torch.stack([prior_mmd(shift + torch.randn(20, 4, generator=g), normal_prior(), g) for _ in range(4000)])
    large = torch.stack([prior_mmd(shift + torch.randn(4000, 4, generator=g), normal_prior(), g) for _ in range(8)])
    error = math.hypot(small.std() / math.sqrt(4000), large.std() / math.sqrt(8))
    assert abs(small.mean() - large.mean()) < 4 * error


def test_codes_of_any_shape_are_flattened() -> None:
    q, p = normal(6, 4, 2, 3), normal(6, 4, 2, 3, seed=1)
    torch.testing.assert_close(mmd(q, p), mmd(q.flatten(1), p.flatten(1)))
    by_hand = mmd(q.flatten(1), p.flatten(1), InverseMultiquadratic(2.0 * 24))
    torch.testing.assert_close(mmd(q, p), by_hand)
    torch.testing.assert_close(mmd(q[:, 0, 0, 0], p[:, 0, 0, 0]), mmd(q[:, 0, 0, :1], p[:, 0, 0, :1]))


def test_copied_channels_are_seen() -> None:
    g = torch.Generator().manual_seed(0)
    nulls = torch.stack([prior_mmd(torch.randn(100, 16, 8, generator=g), normal_prior(), g) for _ in range(40)])
    copies = torch.randn(100, 1, 8, generator=g).expand(-1, 16, -1)
    assert prior_mmd(copies, normal_prior(), g) > 10 * nulls.std()


@pytest.mark.parametrize("codes", [torch.zeros(10, 4), torch.full((10, 4), 1e4), torch.ones(10, 4) * 1e-30])
def test_gradients_are_finite_at_codes_that_coincide(codes: Tensor) -> None:
    codes = codes.clone().requires_grad_()
    value = prior_mmd(codes, normal_prior(), torch.Generator().manual_seed(0))
    value.backward()
    assert value.isfinite()
    assert codes.grad is not None
    assert codes.grad.isfinite().all()


def test_far_codes_keep_their_distances() -> None:
    near = normal(6, 3, dtype=torch.float32)
    moved = squared_distances(near + 1e3, near + 1e3)
    torch.testing.assert_close(moved, squared_distances(near, near), atol=2e-3, rtol=1e-3)


def test_the_median_rule() -> None:
    q, p = torch.tensor([[0.0], [2.0], [6.0]]), torch.tensor([[1.0], [1.0], [1.0]])
    # Between: 1, 1, 25 three times over, median 1. Within: 0 three times, 4, 16 and 36 twice, median 4.
    assert median_base(q, p) == pytest.approx(5.0)
    assert median_gaussian(q, p) == Gaussian(5.0)


def test_half_precision_and_autocast() -> None:
    q, p = normal(8, 4, dtype=torch.float32), normal(8, 4, seed=1, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = mmd(q, p)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, mmd(q, p))
    half = q.bfloat16().requires_grad_()
    mmd(half, p).backward()
    assert half.grad is not None
    assert half.grad.dtype == torch.bfloat16


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_the_same_on_cuda() -> None:
    q, p = normal(50, 8, dtype=torch.float32), normal(50, 8, seed=1, dtype=torch.float32)
    torch.testing.assert_close(mmd(q.cuda(), p.cuda()).cpu(), mmd(q, p))


@pytest.mark.parametrize(
    ("codes", "draws", "sentence"),
    [
        (torch.zeros(1, 3), torch.zeros(4, 3), "needs two codes or more, not 1: make the batch larger"),
        (torch.zeros(4, 3), torch.zeros(1, 3), "needs two draws or more"),
        (torch.zeros(4, 3), torch.zeros(4, 5), r"shape \(3,\) cannot be compared with draws of shape \(5,\)"),
        (torch.zeros(4, 2, 3), torch.zeros(4, 6), "draw from the prior with the shape of a code"),
    ],
)
def test_bad_input(codes: Tensor, draws: Tensor, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        mmd(codes, draws)


def test_bad_kernels_and_priors() -> None:
    for base, scales in [(0.0, (1.0,)), (1.0, ()), (math.inf, (1.0,)), (1.0, (-1.0,))]:
        with pytest.raises(
            InputError,
            match=r"(base|scales\[0\]) is .*: give a (finite )?number above 0|scales is .*: give at least",
        ):
            InverseMultiquadratic(base, scales)
    with pytest.raises(InputError, match="There is no prior 'cauchy': choose one of normal"):
        make_prior("cauchy")
    with pytest.raises(InputError, match="deviation is 0"):
        normal_prior(0.0)
