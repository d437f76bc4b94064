"""Random numbers of stable-baselines3, which come from global generators, without a trace for anybody else."""

from __future__ import annotations

import random
from collections.abc import Generator
from contextlib import contextmanager

import numpy as np
import torch
from stable_baselines3.common.utils import set_random_seed


@contextmanager
def own_randomness(seed: int) -> Generator[None]:
    """Within, the global generators of Python, NumPy and torch are those of a seed; after it, what they were before."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        try:
            set_random_seed(seed)
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002


def later_seed(seed: int, *counts: int) -> int:
    """Return a seed for what begins after so many steps, or whatever else was counted."""
    return int(np.random.SeedSequence([seed, *counts]).generate_state(1)[0])
