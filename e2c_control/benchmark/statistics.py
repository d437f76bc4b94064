"""Statistics of scores over few seeds, after Agarwal et al. (NeurIPS 2021), "Deep RL at the edge of the statistical
precipice": interquartile means, intervals by a stratified bootstrap, paired differences, histograms.

Scores of one stratum are ``(S, P)``: S seeds, each with the P problems that its one model drove. Problems of a model
share its map and are not independent, so that seeds are drawn, each with all its problems.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from e2c_control.errors import InputError

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]
"""Of values (..., N), (...)."""

RESAMPLES = 2000
LEVEL = 0.95


def mean(values: Array) -> Array:
    """Return the mean over the last axis, (..., N) to (...)."""
    return _checked(values).mean(-1)


def interquartile_mean(values: Array) -> Array:
    """Return the mean over the last axis of the middle half, (..., N) to (...).

    A quarter of the values, rounded down, is left out at either end: neither a lucky nor a ruined run decides.
    """
    left_out = values.shape[-1] // 4
    ordered = np.sort(_checked(values), axis=-1)
    return ordered[..., left_out : values.shape[-1] - left_out].mean(-1)


def bootstrap_interval(
    strata: Sequence[Array], statistic: Statistic, rng: np.random.Generator, resamples: int = RESAMPLES
) -> tuple[float, float] | None:
    """Percentile interval of level 95 % for a statistic of all scores together.

    Each resample draws as many seeds from each stratum as it has, with replacement. Of ten seeds such an interval
    holds the truth a little less often than it says.

    Args:
        strata: scores (S, P) of each.
        statistic: of all of them in one row.
        rng: of the resamples.
        resamples: how many.

    Returns:
        Its ends, or none where a stratum has a single seed, which tells nothing of how seeds differ.
    """
    if min(len(scores) for scores in strata) < 2:
        return None
    drawn = [scores[rng.integers(len(scores), size=(resamples, len(scores)))] for scores in strata]
    values = statistic(np.concatenate([scores.reshape(resamples, -1) for scores in drawn], axis=1))
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def paired_differences(seeds: Sequence[int], scores: Array, others: Sequence[int], other_scores: Array) -> Array:
    """Return scores minus the other ones, (C, P), seed by seed and problem by problem, over the C seeds of both.

    Raises:
        InputError: they are not of as many problems, or a seed is there twice.
    """
    for given in (seeds, others):
        if len(set(given)) < len(given):
            raise InputError(f"A seed is more than once in {', '.join(map(str, given))}: give each once.")
    if scores.shape[1:] != other_scores.shape[1:]:
        raise InputError(
            f"Scores of {scores.shape[1]} and of {other_scores.shape[1]} problems cannot be paired: use the same list."
        )
    common = sorted(set(seeds) & set(others))
    rows, other_rows = ([list(known).index(seed) for seed in common] for known in (seeds, others))
    return scores[rows] - other_scores[other_rows]


def histogram(scores: Array, bins: int = 10) -> tuple[int, ...]:
    """Count the scores, from 0 to 1, in each of equally wide bins; 1 itself is in the last one."""
    scores = _checked(scores)
    if len(scores) and not 0 <= scores.min() <= scores.max() <= 1:
        raise InputError(f"Scores from {scores.min():g} to {scores.max():g} have no histogram: give shares, 0 to 1.")
    # A score that is an edge but for rounding, such as 0.3 or 28 of 40 steps, belongs to the bin above the edge.
    places = np.minimum(np.floor(scores.ravel() * bins + 1e-9).astype(np.int64), bins - 1)
    return tuple(int(count) for count in np.bincount(places, minlength=bins))


def _checked(values: Array) -> Array:
    """Return the values in float64; refuse NaN, which would be sorted as the best of all, and then left out."""
    values = np.asarray(values, np.float64)
    if not np.isfinite(values).all():
        raise InputError(f"{int((~np.isfinite(values)).sum())} of {values.size} scores are NaN or infinite.")
    return values
