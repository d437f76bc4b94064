"""Ways around walls, from images alone: what reachability and a roadmap beside the default's map are worth.

`E2C/PlanarWalls-v0`, 20,000 random transitions a seed. The recipe `unfold-roadmap` is trained, and driven by the
roadmap and by iLQR, which has the same map: time in goal as a share of the Navigator's on the same list. The Navigator
sees the true state. The protocol's ten problems are list 2020. Tuning saw the lists 100 and 101, and seeds of data and
training below 10, 41 and 42; the two lists of 50 are drawn from the word "walls", and the seeds begin at 10.

    python -m experiments.worlds.walls          # 10 seeds: 25 CPU-minutes
    python -m experiments.worlds.walls --quick  # half a minute, to see it work; writes nothing
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

import numpy as np

from e2c_control.envs.task import PROTOCOL_SEED
from experiments.runner import Experiment, Row
from experiments.worlds._roads import WAYS, measure_world

WORLD, TRANSITIONS = "E2C/PlanarWalls-v0", 20_000
UNSEEN = [int(seed) for seed in np.random.default_rng(list(b"walls")).integers(1_000, 1_000_000, 2)]
LISTS = ((PROTOCOL_SEED, 10), *((seed, 50) for seed in UNSEEN))


def measure(seed: int, transitions: int = TRANSITIONS, steps_scale: float = 1.0, problems: int = 50) -> list[Row]:
    """Train one seed and drive all lists both ways."""
    lists = [(name, min(count, problems)) for name, count in LISTS]
    return measure_world(WORLD, {}, seed, transitions, dict.fromkeys(WAYS, lists), steps_scale)


def report(rows: list[Row]) -> None:
    """Print the mean and the worst seed of each way and list."""
    for way in WAYS:
        for name, _ in LISTS:
            found = [row for row in rows if (row["way"], row["list"]) == (way, name)]
            if found:
                shares, reached = ([row[key] for row in found] for key in ("share", "reached"))
                print(
                    f"{way}, list {name}: {np.mean(shares):.3f} of the Navigator's, worst seed {min(shares):.3f}, "
                    f"reached {np.mean(reached):.0%}"
                )


def quick() -> None:
    for row in measure(0, 600, 0.02, 2):
        print(TOLD.format(**row))


TOLD = "seed {seed}, {way}, list {list}: {share:.3f}, reached {reached:.0%}, {milliseconds:.1f} CPU-ms a step"
EXPERIMENT = Experiment(__file__, {"seed": range(10, 20)}, measure, TOLD, quick, report=report)

if __name__ == "__main__":
    EXPERIMENT.main()
