"""Data speed: transitions a CPU-second, from the environment's physics to the closed dataset on the disk.

Every frame is rendered. One process, one thread; the median of several rounds, because the machine may be busy. The
public PCC simulators manage about 1,000 (reference figures: 980 planar, 910 pendulum, on a machine like this).

    python -m experiments.data_and_speed.collecting          # writes results/collecting.json
    python -m experiments.data_and_speed.collecting --quick  # a few seconds, writes nothing
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from pathlib import Path

import numpy as np

from e2c_control.data import collect
from e2c_control.data.environments import make_vector_env
from e2c_control.envs import task_ids
from e2c_control.runs.atomic import replace_text
from e2c_control.runs.versions import package_versions, source_commit

RESULT = Path(__file__).parent / "results" / "collecting.json"


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few seconds, writes nothing")
    options = parser.parse_args()
    transitions, rounds = (3_000, 1) if options.quick else (50_000, 5)
    table: dict[str, dict[str, float]] = {}
    for environment in task_ids():
        found = rates(environment, transitions, rounds)
        table[environment] = {"median": float(np.median(found)), "worst": min(found)}
        print(
            f"{environment:<24} {table[environment]['median']:>9,.0f} transitions a CPU-second, worst {min(found):,.0f}"
        )
    if not options.quick:
        result = {"transitions_per_cpu_second": table, "transitions": transitions, "rounds": rounds}
        result |= {"commit": source_commit(), "versions": package_versions(), "machine": platform.machine()}
        replace_text(RESULT, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
