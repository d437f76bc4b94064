"""Data speed: transitions a CPU-second, from the environment's physics to the closed dataset on the disk.

Every frame is rendered. One process, one thread; the median of several rounds, because the machine may be busy. The
public PCC simulators manage about 1,000 (reference figures: 980 planar, 910 pendulum, on a machine like this).

    python -m experiments.data_and_speed.collecting          # writes results/collecting.json
    python -m experiments.data_and_speed.collecting --quick  # a few seconds, writes nothing
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from e2c_control import collect, make_vector_env
from e2c_control.envs import task_ids
from experiments.runner import measure_whole


def rates(environment: str, transitions: int, rounds: int) -> list[float]:
    """Transitions a CPU-second of each round, collecting from sampled starts and writing included."""
    environments = make_vector_env(environment, 256, frame_stack=1)
    found: list[float] = []
    for seed in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            begun = time.process_time()
            collect(environments, Path(folder) / "data", transitions, 12, starts="sampled", seed=seed)
            found.append(transitions / (time.process_time() - begun))
    environments.close()
    return found


def measure(quick: bool) -> dict[str, Any]:
    """Measure each environment."""
    transitions, rounds = (3_000, 1) if quick else (50_000, 5)
    table: dict[str, dict[str, float]] = {}
    for environment in task_ids():
        found = rates(environment, transitions, rounds)
        table[environment] = {"median": float(np.median(found)), "worst": min(found)}
        print(
            f"{environment:<24} {table[environment]['median']:>9,.0f} transitions a CPU-second, worst {min(found):,.0f}"
        )
    return {"transitions_per_cpu_second": table, "transitions": transitions, "rounds": rounds}


if __name__ == "__main__":
    measure_whole(__file__, measure, threads=None)
