"""An experiment with rows of its own: how far the bar is from its goal after ten steps of a planner.

python -m my_package.experiment            # from the checkout: measures what its result file lacks
python -m my_package.experiment --quick
"""

from typing import Any

import numpy as np

from e2c_control import MPC, FunctionDynamics, Limits, make_planner
from e2c_control.planners import PLANNERS
from experiments.runner import Experiment
from my_package.planning import Far

START, GOAL, STEP = 5.0, 20.0, 2.0
PLANNERS_TRIED = ("my_package.planning:Shooting", "icem")


def measure(planner: str, seed: int) -> dict[str, Any]:
    """Drive the true world: where a plan leads is where the bar goes."""
    made = make_planner(PLANNERS.find(planner))
    world = FunctionDynamics(lambda states, controls: states + controls, 1, 1)
    mpc = MPC(made, world, Far([GOAL]), 3, Limits.symmetric(STEP, 1))
    place, plan, rng = np.array([[START]]), None, np.random.default_rng(seed)
    for _ in range(10):
        plan, _ = mpc.replan(place, plan, rng=rng)
        place = place + plan.controls[:, 0]
    return {"planner": planner, "seed": seed, "left": abs(float(place[0, 0]) - GOAL)}


def quick() -> None:
    """Show one row."""
    print(measure("icem", 0))


EXPERIMENT = Experiment(
    __file__,
    {"planner": PLANNERS_TRIED, "seed": range(3)},
    measure,
    "{planner}, seed {seed}: {left:.2f}",
    quick,
    summary=lambda rows: {row["planner"]: row["left"] for row in sorted(rows, key=lambda row: row["left"])},
)

if __name__ == "__main__":
    EXPERIMENT.main()
