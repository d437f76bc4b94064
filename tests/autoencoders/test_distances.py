"""Distances of sets of samples, by hand over all pairs."""

import pytest
import torch

from e2c_control.autoencoders.distances import auc, energy_distance


def seed(value: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(value)


@pytest.mark.parametrize("block", [1, 4, 1000])
def test_the_energy_distance_by_hand(block: int) -> None:
    """2 E|X - Y| - E|X - X'| - E|Y - Y'|, a sample and itself being no pair."""
    x, y = torch.randn(7, 2, generator=seed(1)).double(), 1 + torch.randn(9, 2, generator=seed(2)).double()

    def mean_over_pairs(a: torch.Tensor, b: torch.Tensor) -> float:
        found = [float((p - q).norm()) for i, p in enumerate(a) for j, q in enumerate(b) if a is not b or i != j]
        return sum(found) / len(found)

    expected = 2 * mean_over_pairs(x, y) - mean_over_pairs(x, x) - mean_over_pairs(y, y)
    assert energy_distance(x, y, block) == pytest.approx(expected)


def test_the_energy_distance_of_equal_distributions_is_0_in_the_mean() -> None:
    found = [energy_distance(*torch.randn(2, 10, 2, generator=seed(i))) for i in range(300)]
    deviation = torch.tensor(found).std()
    assert abs(sum(found) / 300) < 4.5 * float(deviation) / 300**0.5
    assert min(found) < 0 < max(found)


def test_the_area_under_the_curve_by_hand() -> None:
    """Over all pairs, ties counting half; whole numbers, so that many tie."""
    low, high = torch.randint(5, (12,), generator=seed(0)), 1 + torch.randint(5, (9,), generator=seed(1))
    wins = [1.0 if h > low_one else 0.5 if h == low_one else 0.0 for h in high for low_one in low]
    assert auc(low, high) == pytest.approx(sum(wins) / len(wins))
    assert auc(torch.zeros(3), torch.zeros(4)) == 0.5
