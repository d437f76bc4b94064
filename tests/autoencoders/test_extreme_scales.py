"""Statistics of codes, samples and errors far from 0: the same as around 0 for the very numbers that a dtype holds."""

import pytest
import torch
from torch import nn

from e2c_control.autoencoders.distances import auc, energy_distance
from e2c_control.autoencoders.kernels import Gaussian, InverseMultiquadratic
from e2c_control.autoencoders.mmd import median_base, mmd, squared_distances
from e2c_control.autoencoders.networks import Networks
from e2c_control.autoencoders.novelty import amplitude
from e2c_control.autoencoders.plain import PlainAutoEncoder
from e2c_control.autoencoders.sampling import fit_codes
from e2c_control.autoencoders.structure import dominant_frequency, high_share, measure_structure, relative_error
from e2c_control.errors import InputError

D = torch.float64


def pair(offset: float, dtype: torch.dtype, n: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    """Two sets of rows (n, 3) about an offset as a dtype holds them; deviations that float32 can show at it."""
    generator = torch.Generator().manual_seed(0)
    size = 1.0 if dtype == D else max(1.0, 1e-4 * offset)
    x, y = torch.randn(2, n, 3, generator=generator, dtype=D) * size
    return (offset + x).to(dtype), (offset + 1.3 * y + 0.4 * size).to(dtype)


class Round(nn.Module):
    """A decoder that gives every number in whole steps: an error of known size."""

    def __init__(self, step: float) -> None:
        super().__init__()
        self.step = nn.Parameter(torch.tensor(step, dtype=D))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x / self.step).round().to(x.dtype) * self.step.detach().to(x.dtype)


def rounding(step: float) -> PlainAutoEncoder:
    return PlainAutoEncoder(Networks(nn.Identity(), Round(step), (3,), (3,)))


# Each of two sets of rows; and whether it changes with their size (by its power) under float32 or not at all.
STATISTICS = {
    "energy distance": (lambda x, y: energy_distance(x, y), 1),
    "mmd": (lambda x, y: float(mmd(x, y, InverseMultiquadratic(scale_of(y) ** 2))), 0),
    "mmd, Gaussian": (lambda x, y: float(mmd(x, y, Gaussian(scale_of(y) ** 2))), 0),
    "median base": (lambda x, y: median_base(x, y), 2),
    "squared distances": (lambda x, y: squared_distances(x, y).double().mean(), 2),
    "fitted deviation": (lambda x, y: fit_codes(rounding(1e-3), x).deviation, 1),
    "amplitude": (lambda x, y: float(amplitude(x).double().mean()), 1),
    "auc": (lambda x, y: auc(x[:, 0], y[:, 0]), 0),
    "relative error": (lambda x, y: float(relative_error(rounding(scale_of(y)), x).double().mean()), 0),
    "distance to data": (
        lambda x, y: measure_structure(rounding(scale_of(y)), x, y, torch.Generator().manual_seed(0)).distance,
        0,
    ),
}


def scale_of(y: torch.Tensor) -> float:
    return float((y.double() - y.double().mean(0)).square().mean().sqrt())


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6, 1e9])
@pytest.mark.parametrize("dtype", [torch.float32, D])
@pytest.mark.parametrize("name", STATISTICS)
def test_a_statistic_far_from_zero(name: str, dtype: torch.dtype, offset: float) -> None:
    statistic, _ = STATISTICS[name]
    far = pair(offset, dtype)
    near = [(rows.double() - offset) for rows in far]
    step = scale_of(far[1])
    if name == "relative error":  # where the grid of the decoder lies depends on the offset
        near = [rows + offset % step for rows in near]
    found, expected = float(statistic(*far)), float(statistic(*near))
    assert found == pytest.approx(expected, rel=2e-3, abs=2e-3 if name in ("mmd", "mmd, Gaussian") else 1e-9)


def test_a_wave_on_a_large_mean_keeps_its_frequency() -> None:
    t = torch.arange(64, dtype=D) / 64
    wave = torch.sin(2 * torch.pi * 5 * t)
    for offset in (0.0, 1e6, 1e9):
        assert int(dominant_frequency((offset + wave).unsqueeze(0))) == 5
        assert float(high_share((offset + wave).unsqueeze(0), 7)) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("kind", [InverseMultiquadratic, Gaussian])
@pytest.mark.parametrize(("base", "scales"), [("x", (1.0,)), (0.0, (1.0,)), (float("nan"), (1.0,)), (1.0, ("x",))])
def test_kernels_that_are_none(kind: type, base: object, scales: tuple[object, ...]) -> None:
    with pytest.raises(InputError, match=r"(base|scales\[0\]) is .*: give a (finite )?number above 0"):
        kind(base, scales)
    with pytest.raises(InputError, match=r"scales is \(\): give at least one"):
        kind(1.0, ())
