import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr

from e2c_control.measures.ranks import average_ranks, spearman


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=40))
def test_ranks_agree_with_scipy_ties_included(values: list[int]) -> None:
    np.testing.assert_array_equal(average_ranks(np.array(values, float)), rankdata(values))


@pytest.mark.parametrize("decimals", [1, 12])
def test_correlation_agrees_with_scipy(decimals: int) -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=2000).round(decimals)
    b = (a + rng.normal(size=2000)).round(decimals)
    assert spearman(a, b) == pytest.approx(spearmanr(a, b)[0], abs=1e-12)


def test_any_increasing_function_keeps_the_ranks() -> None:
    a = np.linspace(-3, 3, 50)
    assert spearman(a, np.exp(a)) == pytest.approx(1.0, abs=1e-12)
    assert spearman(a, -(a**3)) == pytest.approx(-1.0, abs=1e-12)


def test_what_does_not_vary_is_not_correlated() -> None:
    assert spearman(np.ones(5), np.arange(5.0)) == 0.0
    assert spearman(np.ones(1), np.ones(1)) == 0.0
