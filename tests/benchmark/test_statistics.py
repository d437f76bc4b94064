"""Statistics against closed forms, and intervals against the truth that they are about."""

import numpy as np
import pytest

from e2c_control.benchmark.statistics import (
    Statistic,
    bootstrap_interval,
    histogram,
    interquartile_mean,
    mean,
    paired_differences,
)
from e2c_control.errors import InputError


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0], 3.0),
        ([1.0, 2.0, 6.0], 3.0),  # a quarter of three is none
        ([0.0, 1.0, 2.0, 100.0], 1.5),
        ([7.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3.5),
        ([0.0] * 3 + [1.0] * 7, 5 / 6),  # two of each end are left out: one 0 and five 1s stay
    ],
)
def test_the_middle_half_is_what_counts(values: list[float], expected: float) -> None:
    assert interquartile_mean(np.array(values)) == pytest.approx(expected)
    assert interquartile_mean(np.array(values)[::-1]) == pytest.approx(expected)


def test_each_row_has_a_mean_of_its_own() -> None:
    values = np.random.default_rng(0).normal(size=(5, 12))
    assert interquartile_mean(values) == pytest.approx([interquartile_mean(row) for row in values])


def test_outliers_do_not_move_it() -> None:
    values = np.linspace(0.4, 0.6, 40)
    ruined = np.where(np.arange(40) < 8, 0.0, values)
    assert interquartile_mean(ruined) == pytest.approx(interquartile_mean(values), abs=0.02)
    assert abs(mean(ruined) - mean(values)) > 0.08


def test_intervals_are_reproducible_and_hold_the_estimate() -> None:
    scores = np.random.default_rng(1).uniform(size=(10, 10))
    low, high = bootstrap_interval([scores], mean, np.random.default_rng(3)) or (1, 0)
    assert low < scores.mean() < high
    assert (low, high) == bootstrap_interval([scores], mean, np.random.default_rng(3))


def test_constant_scores_have_a_point_for_an_interval() -> None:
    strata = [np.full((3, 10), 0.5), np.full((4, 20), 0.5)]
    assert bootstrap_interval(strata, mean, np.random.default_rng(0)) == (0.5, 0.5)


def test_a_single_seed_tells_nothing_of_how_seeds_differ() -> None:
    assert bootstrap_interval([np.ones((1, 10))], mean, np.random.default_rng(0)) is None
    assert bootstrap_interval([np.ones((9, 10)), np.ones((1, 10))], mean, np.random.default_rng(0)) is None


def test_seeds_are_drawn_with_all_their_problems() -> None:
    """Ten equal problems of a seed are one piece of evidence: the interval is that of the seeds, not of 100 drives."""
    by_seed = np.random.default_rng(2).normal(size=(10, 1))
    one = bootstrap_interval([by_seed], mean, np.random.default_rng(0))
    ten = bootstrap_interval([np.repeat(by_seed, 10, axis=1)], mean, np.random.default_rng(0))
    assert ten == pytest.approx(one)


def test_a_stratum_keeps_its_share_in_every_resample() -> None:
    """Two worlds that differ, each alike in itself: drawn by world the mean does not move, drawn together it would."""
    easy, hard = np.ones((5, 10)), np.zeros((5, 10))
    assert bootstrap_interval([easy, hard], mean, np.random.default_rng(0)) == (0.5, 0.5)
    low, high = bootstrap_interval([np.concatenate((easy, hard))], mean, np.random.default_rng(0)) or (0, 0)
    assert high - low > 0.3


def test_differences_are_paired_by_seed_and_problem() -> None:
    rng = np.random.default_rng(0)
    default = rng.uniform(size=(4, 10))
    better = default + 0.25
    found = paired_differences([7, 3, 1], better[[3, 2, 0]], [1, 2, 3, 7], default)
    assert found.shape == (3, 10)
    assert found == pytest.approx(0.25)
    low, high = bootstrap_interval([found], mean, rng) or (0, 1)
    assert (low, high) == pytest.approx((0.25, 0.25))  # far less than either's own spread over seeds


def test_without_common_seeds_there_is_no_difference() -> None:
    assert paired_differences([0], np.ones((1, 10)), [1], np.ones((1, 10))).shape == (0, 10)


def test_other_lists_of_problems_cannot_be_paired() -> None:
    with pytest.raises(InputError, match="10 and of 5 problems"):
        paired_differences([0], np.ones((1, 10)), [0], np.ones((1, 5)))


def test_a_histogram_counts_every_drive_once() -> None:
    assert histogram(np.array([0.0, 0.05, 0.1, 0.755, 1.0, 1.0])) == (2, 1, 0, 0, 0, 0, 0, 1, 0, 2)
    assert histogram(np.arange(0, 1, 0.1)) == (1,) * 10


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "least"), [(10, 0.85), (40, 0.91)])
@pytest.mark.parametrize("statistic", [mean, interquartile_mean])
def test_intervals_cover_the_truth(statistic: Statistic, seeds: int, least: float) -> None:
    """Seeds differ, and problems within a seed a little: the true mean and IQM of this symmetric law are both 0.5."""
    rng = np.random.default_rng(11)
    covered: list[bool] = []
    for _ in range(600):
        scores = 0.5 + 0.1 * rng.normal(size=(seeds, 1)) + 0.03 * rng.normal(size=(seeds, 10))
        low, high = bootstrap_interval([scores], statistic, rng, resamples=400) or (0, 0)
        covered.append(low <= 0.5 <= high)
    assert least < np.mean(covered) < 0.98


@pytest.mark.parametrize("statistic", [mean, interquartile_mean])
@pytest.mark.parametrize("offset", [0.0, 1e6, 1e9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_statistics_keep_their_digits(statistic: Statistic, offset: float, dtype: type) -> None:
    """The same as around 0 for the very numbers that the dtype holds; sums in float32 would lose them."""
    values = (offset + np.random.default_rng(0).normal(size=(3, 10_001))).astype(dtype)
    near = values.astype(np.float64) - offset
    np.testing.assert_allclose(statistic(values) - offset, statistic(near), atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_no_number_is_not_left_out(bad: float) -> None:
    values = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, bad])
    for statistic in (mean, interquartile_mean, histogram):
        with pytest.raises(InputError, match="1 of 8 scores are NaN or infinite"):
            statistic(values)
    with pytest.raises(InputError, match="NaN or infinite"):
        bootstrap_interval([np.tile(values, (3, 1))], mean, np.random.default_rng(0))


def test_scores_outside_of_a_histogram() -> None:
    with pytest.raises(InputError, match=r"Scores from -0\.5 to 83\.5 have no histogram: give shares"):
        histogram(np.array([-0.5, 83.5]))


def test_a_seed_twice_is_no_pair() -> None:
    scores = np.zeros((2, 3))
    with pytest.raises(InputError, match="A seed is more than once in 4, 4"):
        paired_differences([4, 4], scores, [4, 5], scores)
