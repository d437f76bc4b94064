"""RLOO: REINFORCE with the leave-one-out baseline."""

from __future__ import annotations

from e2c_control.gradients.baselines import LeaveOneOut
from e2c_control.gradients.score_function import ScoreFunction


class RLOO(ScoreFunction):
    """The score function with the mean of the other K - 1 samples as the baseline of each.

    Unbiased. Takes every law, never differentiates f, costs one evaluation a sample, K >= 2. Salimans and Knowles,
    2014; Kool, van Hoof and Welling, 2019. The first method to try: nothing to learn, nothing to tune.
    """

    def __init__(self) -> None:
        super().__init__(LeaveOneOut())
