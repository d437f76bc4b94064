"""A bonus in units of what it adds up to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.running_mean_std import RunningMeanStd
from torch import Tensor

from e2c_control.errors import InputError

LIMIT = 10.0
"""Largest size of a scaled bonus: the first few are measured against next to nothing."""
ROUNDING, SMALLEST = 1e-13, 1e-150
"""Deviations that a constant appears to have: the running mean's rounding in float64, relative, and next to 0, where it
is the least whose square and inverse are numbers: scores of 1e-30 are as good as scores of 1."""


class ReturnScale:
    """Divides a bonus by the running deviation of its discounted sum; the mean is not taken off (Burda et al. 2019).

    Errors fall by orders of magnitude while they are learnt, and the deviation would stay at what the first of them
    were: a bonus in such units comes to nothing, even if the statistics forget exponentially. So whenever the model has
    learnt, the sums and their statistics are expressed anew in its present errors, see `remeasure`.

    Args:
        n_envs: environments, each with a sum of its own.
        gamma: discount.
        episodic: whether a sum begins anew with an episode.
        recall: environment steps that the statistics look back; none for all, as in random network distillation.
    """

    def __init__(self, n_envs: int, gamma: float, episodic: bool, recall: int | None) -> None:
        self.gamma, self.episodic, self.recall = gamma, episodic, recall
        self.returns = np.zeros(n_envs)
        self.moments = Moments()
        self.observed = False

    def observe(self, bonus: NDArray[np.float64], dones: NDArray[np.bool_]) -> None:
        """Take a step's bonus (n_envs,) into the sums, and note where episodes ended with it."""
        returns = self.returns * self.gamma + bonus
        self.moments.update(returns)
        self.returns = returns
        self.observed = True
        if self.recall is not None:
            self.moments.count = min(self.moments.count, self.recall)
        if self.episodic:
            self.returns[dones] = 0.0

    @property
    def deviation(self) -> float:
        """Of the sums so far."""
        return float(deviation(self.moments))

    def scaled(self, bonus: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a bonus of any shape in these units; nothing before anything was observed."""
        return np.clip(bonus / self.deviation, -LIMIT, LIMIT) if self.observed else np.zeros_like(bonus)

    def remeasure(self, ratio: float) -> None:
        """Multiply the sums by `ratio`: the model's errors are so many times as large as before it last learnt."""
        self.moments.multiply(ratio)
        self.returns *= ratio

    def begin(self) -> None:
        """Begin all sums anew."""
        self.returns[:] = 0.0

    def state_dict(self) -> dict[str, Tensor]:
        """Return all of it as tensors."""
        own = {"returns": torch.from_numpy(self.returns.copy()), "observed": torch.tensor(self.observed)}
        return {**own, **self.moments.state_dict()}

    def load_state_dict(self, state_dict: Mapping[str, Tensor], /) -> None:
        """Go on from what `state_dict` returned."""
        returns = state_dict["returns"]
        if returns.shape != self.returns.shape:
            raise InputError(f"The saved sums are of {tuple(returns.shape)} environments: give as many.")
        self.moments.load_state_dict(state_dict)
        self.returns, self.observed = _squarable(returns), bool(state_dict["observed"])


class Moments(RunningMeanStd):
    """stable-baselines3's running mean and variance, of what was seen and of nothing else.

    That one counts a ten-thousandth of a number 0 before the first: far from 0 this is most of the variance. Where
    nothing varies, the variance is what rounding would make of it, so that dividing by its root is safe in any units.

    Args:
        shape: of what is seen.
    """

    def __init__(self, shape: tuple[int, ...] = ()) -> None:
        super().__init__(0.0, shape)

    def update(self, arr: NDArray[np.generic]) -> None:
        """Take in numbers (N, *shape); InputError, and nothing changed, if their squares are too large for float64."""
        before = dict(vars(self))
        try:
            with _overflow_later():
                super().update(np.asarray(arr, np.float64))
            self._bound()
        except InputError:
            vars(self).update(before)
            raise

    def multiply(self, ratio: float) -> None:
        """Go on as if all numbers had been `ratio` times as large."""
        with _overflow_later():
            vars(self).update(mean=self.mean * ratio, var=self.var * ratio**2)
        self._bound()

    def _bound(self) -> None:
        with _overflow_later():
            self.var = np.maximum(self.var, np.square(ROUNDING * np.abs(self.mean) + SMALLEST))
        if not np.isfinite(self.var).all():
            raise InputError(
                "The squares of what is measured overflow float64: divide the observations, or the scores of the "
                "novelty model, by a constant."
            )

    def state_dict(self) -> dict[str, Tensor]:
        """Return mean, variance and count as tensors."""
        values: dict[str, object] = {"mean": self.mean, "var": self.var, "count": self.count}
        return {name: torch.from_numpy(np.array(value, np.float64)) for name, value in values.items()}

    def load_state_dict(self, state_dict: Mapping[str, Tensor], /) -> None:
        """Go on from what `state_dict` returned; InputError if that is of another shape, or of no numbers."""
        mean, var = state_dict["mean"], state_dict["var"]
        if not mean.shape == var.shape == np.shape(self.mean):
            raise InputError(f"The saved statistics are of {tuple(mean.shape)}, not {np.shape(self.mean)}.")
        self.mean, self.var = _squarable(mean), _squarable(var)
        self.count = float(_squarable(state_dict["count"]))
        if np.min(self.var) < 0 or self.count < 0:
            raise InputError("The saved statistics are below 0: copy the folder again from its source.")


def _overflow_later() -> np.errstate:
    """Compute with what overflows, without a warning: the result is looked at."""
    return np.errstate(over="ignore", invalid="ignore")


def deviation(moments: RunningMeanStd) -> NDArray[np.float64]:
    """Return the deviation of running moments, by which numbers are whitened."""
    return np.sqrt(np.asarray(moments.var, np.float64))


def _squarable(saved: Tensor) -> NDArray[np.float64]:
    """Return a copy of saved numbers, whose squares must be numbers too."""
    numbers = saved.numpy()
    with np.errstate(over="ignore"):
        if numbers.dtype != np.float64 or not np.isfinite(np.square(numbers)).all():
            raise InputError("The saved statistics are no numbers of float64: copy the folder again from its source.")
    return numbers.copy()
