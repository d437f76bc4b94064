"""Chains whose course is known: a model that contracts, one that does nothing, one that explodes."""

import warnings

import pytest
import torch
from torch import Tensor, nn

from e2c_control.autoencoders.networks import Networks
from e2c_control.autoencoders.plain import PlainAutoEncoder
from e2c_control.autoencoders.recurrent import RecurrentAutoEncoder
from e2c_control.autoencoders.sampling import FittedCodes, fit_codes, resample
from e2c_control.errors import InputError


class Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


def scaling(factor: float, noise: float | None = None) -> PlainAutoEncoder | RecurrentAutoEncoder:
    """A cycle multiplies a code by `factor`."""
    networks = Networks(nn.Identity(), Times(factor), (2,), (2,))
    return PlainAutoEncoder(networks) if noise is None else RecurrentAutoEncoder(networks, noise=noise)


def seed(value: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(value)


START = torch.randn(400, 2, generator=seed(7))


def test_a_contraction_settles_at_its_rate() -> None:
    chains = resample(scaling(0.5), START, 8, seed())
    torch.testing.assert_close(chains.codes, START * 0.5**8)
    torch.testing.assert_close(chains.samples, START * 0.5**9)
    moved = torch.tensor(chains.report.moved)
    torch.testing.assert_close(moved[1:] / moved[:-1], torch.full((7,), 0.5), atol=1e-4, rtol=1e-4)
    # A cycle moves the median code by about 0.5, 0.25, ...: below 0.05 from the fifth on.
    assert chains.report.settled() == 4
    assert chains.report.settled(1e-6) is None
    assert chains.report.memory == pytest.approx([1.0] * 8, abs=1e-4)


def test_a_chain_that_stands_still_has_settled_at_once() -> None:
    report = resample(scaling(1.0), START, 5, seed()).report
    assert report.settled() == 0
    assert report.spread == pytest.approx([1.0] * 5, abs=1e-5)
    assert report.drift == pytest.approx([0.0] * 5, abs=1e-6)


def test_noise_reaches_its_equilibrium_and_forgets_the_start() -> None:
    """z' = a (z + s e): stationary variance of the noise-free code is a² s² / (1 - a²)."""
    a, s = 0.8, 0.5
    chains = resample(scaling(a, noise=s), 3.0 * START, 60, seed())
    assert float(chains.codes.var()) == pytest.approx(a**2 * s**2 / (1 - a**2), rel=0.15)
    assert abs(chains.report.memory[-1]) < 0.1
    assert chains.report.memory[0] > 0.9


def test_the_model_s_noise_is_taken_and_the_last_code_has_none() -> None:
    once = resample(scaling(0.5, noise=0.7), START, 1, seed())
    torch.testing.assert_close(once.codes, 0.5 * START)
    twice = resample(scaling(0.5, noise=0.7), START, 2, seed())
    torch.testing.assert_close(twice.codes, 0.5 * (0.5 * START + 0.7 * torch.randn(400, 2, generator=seed())))
    quiet = resample(scaling(0.5, noise=0.7), START, 2, seed(), noise=0.0)
    torch.testing.assert_close(quiet.codes, 0.25 * START)


def test_an_explosion_is_told_and_held() -> None:
    with pytest.warns(UserWarning, match=r"of 400 chains left the region of codes within 20 cycles: start from fitted"):
        chains = resample(scaling(2.0), START, 20, seed(), guard=10.0)
    assert chains.codes.isfinite().all()
    assert not chains.kept.any()
    limit = 10.0 * (START - START.mean(0)).norm(dim=1).max()
    assert ((chains.codes - START.mean(0)).norm(dim=1) <= limit).all()
    exploded = chains.report.exploded
    assert exploded[0] == 0
    assert exploded[-1] == 1
    assert list(exploded) == sorted(exploded)


def test_nan_is_an_explosion() -> None:
    with pytest.warns(UserWarning, match="400 of 400 chains"):
        chains = resample(scaling(float("nan")), START, 2, seed())
    assert torch.equal(chains.codes, START)
    assert chains.report.exploded == (1.0, 1.0)


def test_one_bad_chain_leaves_the_others_alone() -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.where(x[:, :1] > 1.5, 100.0 * x, 0.5 * x)

    model = PlainAutoEncoder(Networks(nn.Identity(), Odd(), (2,), (2,)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chains = resample(model, START, 3, seed())
    assert torch.equal(chains.kept, START[:, 0] <= 1.5)
    torch.testing.assert_close(chains.codes[chains.kept], START[chains.kept] / 8)


def test_no_cycles_only_decode() -> None:
    chains = resample(scaling(0.5), START, 0, seed())
    torch.testing.assert_close(chains.samples, 0.5 * START)
    assert chains.report.moved == ()
    assert chains.report.settled() is None


def test_fitted_codes() -> None:
    x = torch.randn(5000, 2, generator=seed(1)) @ torch.tensor([[2.0, 0.5], [0.0, 0.3]]) + 4.0
    fitted = fit_codes(scaling(1.0), x)
    drawn = fitted.sample(5000, seed(2))
    torch.testing.assert_close(drawn.mean(0), x.mean(0), atol=0.15, rtol=0.0)
    torch.testing.assert_close(drawn.T.cov(), x.T.cov(), atol=0.25, rtol=0.1)
    assert fitted.deviation == pytest.approx(float(x.var(0).mean().sqrt()), rel=1e-3)
    assert torch.equal(drawn, fitted.sample(5000, seed(2)))


def test_fewer_samples_than_dimensions() -> None:
    model = PlainAutoEncoder(Networks(nn.Identity(), Times(1.0), (4, 5), (4, 5)))
    fitted = fit_codes(model, torch.randn(3, 4, 5, generator=seed()))
    assert isinstance(fitted, FittedCodes)
    assert fitted.sample(6, seed()).shape == (6, 4, 5)
    assert fitted.sample(6, seed()).isfinite().all()


@pytest.mark.parametrize("start", [torch.zeros(4, 3), torch.full((4, 2), torch.inf)])
def test_bad_starts(start: Tensor) -> None:
    with pytest.raises(InputError, match=r"finite codes \(n, 2\)"):
        resample(scaling(0.5), start, 1, seed())


def test_one_sample_has_no_spread() -> None:
    with pytest.raises(InputError, match="cannot be fitted to 1 samples"):
        fit_codes(scaling(0.5), START[:1])


def test_fitted_codes_have_the_covariance_of_the_codes() -> None:
    """Divided by n - 1: few codes have the same spread in the mean as many."""
    data = torch.randn(5, 2, generator=seed(1))
    fitted = fit_codes(scaling(0.5), data)
    covariance = fitted.factor @ fitted.factor.mT
    torch.testing.assert_close(covariance, torch.cov(data.mT), rtol=1e-4, atol=1e-4)


def test_the_guard_is_measured_from_the_farthest_start() -> None:
    """Doubling for three cycles: beyond 5 times the farthest code, but only for those that began far out."""
    start = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.1, 0.0], [-0.1, 0.0]])
    with pytest.warns(UserWarning, match="2 of 4 chains left"):
        chains = resample(scaling(2.0), start, 3, seed(), guard=5.0)
    assert chains.kept.tolist() == [False, False, True, True]
    assert resample(scaling(2.0), start, 2, seed(), guard=5.0).kept.all()


def test_drift_is_counted_cycle_by_cycle() -> None:
    """A mean of (3, 0) that is halved each time goes 1.5, 0.75, ... in units of the deviation of the start."""
    start = START + torch.tensor([3.0, 0.0]) - START.mean(0)
    report = resample(scaling(0.5), start, 3, seed()).report
    unit = float((start - start.mean(0)).square().mean().sqrt())
    assert report.drift == pytest.approx([d / 2**0.5 / unit for d in (1.5, 0.75, 0.375)], rel=1e-4)
