"""Plans on the true pendulum, as a picture: paths in the phase plane, cost while planning, controls at their limits.

The swing-up of the planners' benchmark: a rod of Gymnasium's pendulum, at most a torque of 2, steps of 0.05 s, 100 of
them. The motor is too weak to lift it, so the plans pump. iLQR plans from states all over the plane at once, each from
six control sequences, with the simulator itself as the model.

    python -m experiments.planners.pendulum          # writes results/pendulum.json and .png
    python -m experiments.planners.pendulum --quick  # writes nothing
"""

from __future__ import annotations

import os
import time
from functools import cache
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

import numpy as np

from e2c_control import ILQR, FunctionDynamics, Limits, Plan, QuadraticCost
from e2c_control.figures import phase_plane
from e2c_control.planners import Starts
from experiments.runner import measure_whole

SECONDS, HORIZON, SEED = 0.05, 100, 0
STARTS = np.array(
    [[np.pi, 0.0], [-np.pi, 2.0], [-2.0, 0.0], [2.2, 3.0], [-1.0, -4.0], [1.1, -0.5], [0.6, 5.0], [-2.6, 6.0]]
)


def step(states: np.ndarray, controls: np.ndarray) -> np.ndarray:
    """Angle from upright in rad, not wrapped, and speed in rad/s, half-implicit Euler."""
    speed = states[:, 1] + SECONDS * (15 * np.sin(states[:, 0]) + 3 * controls[:, 0])
    return np.stack((states[:, 0] + SECONDS * speed, speed), axis=1)


@cache
def plans(iterations: int) -> tuple[Plan, Limits]:
    """From all of `STARTS`, planned once: the picture shows the plans of the rows."""
    cost = QuadraticCost(np.zeros(2), np.diag([0.05, 0.005]), [[0.005]], np.diag([50.0, 5.0]))
    planner, limits = ILQR(iterations=iterations, starts=Starts(1, 3, 2)), Limits.symmetric(2.0, 1)
    rng = np.random.default_rng(SEED)
    return planner(FunctionDynamics(step, 2, 1), cost, STARTS, HORIZON, limits, rng=rng), limits


def measure(quick: bool) -> dict[str, Any]:
    """Plan from all starts."""
    begun = time.process_time()
    plan, _ = plans(3 if quick else 300)
    rows = [
        {"start": start.tolist(), "cost": float(cost), "iterations": int(iterations), "reason": reason.name}
        for start, cost, iterations, reason in zip(STARTS, plan.cost, plan.iterations, plan.reasons, strict=True)
    ]
    return {"cpu_seconds": time.process_time() - begun, "plans": rows}


def report(result: dict[str, Any]) -> None:
    print(f"{len(result['plans'])} plans in {result['cpu_seconds']:.2f} CPU-s:")
    for row in result["plans"]:
        print("from {start}: cost {cost:.4f} after {iterations} iterations, {reason}".format(**row))


def picture(result: dict[str, Any]) -> Any:
    return phase_plane(*plans(300), seconds=SECONDS, title="iLQR swings a pendulum up that it cannot lift")


if __name__ == "__main__":
    measure_whole(__file__, measure, report, picture)
