"""A replan beside the same replan by an older commit, and the first plan of a process: CPU time, in turns.

Both commits plan in processes of their own, from the same latents of real drives and with the same weights of one
trained planar model (`planners/replan.py`), one round after the other: the ratio is that of the medians over replans,
the rounds' own ratios stand beside it. The plans must be equal. The first plan of a process is timed with an empty
cache of machine code, with that of the process before, and in plain Python, as without numba.

    python -m experiments.planners.before                    # trains first, about a minute of CPU
    python -m experiments.planners.before --commit HEAD~3
    python -m experiments.planners.before --quick            # an untrained network beside itself, writes nothing
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
STEPS = 31  # of a drive, those whose plans have the whole horizon


def serve(file: Path) -> None:
    """A commit's process: a line asks for a round, the answer is each replan's CPU milliseconds, and its cost."""
    import torch

    from e2c_control.models.latent_dynamics import LatentDynamics
    from e2c_control.models.matrix_network import LocallyLinearTransition
    from e2c_control.planners import ILQR, MPC, Limits, QuadraticCost

    torch.set_num_threads(1)
    data = dict(np.load(file))
    transition = LocallyLinearTransition(2, 2)
    transition.load_state_dict({name: torch.from_numpy(data[name]) for name in transition.state_dict()})
    planner, dynamics = ILQR(iterations=4, step_sizes=(1.0, 0.3, 0.1)), LatentDynamics(transition, "jacobian")
    weights = data["state_weight"] * np.eye(2), np.diag(data["action_weight"])
    costs = [QuadraticCost(goal, *weights) for goal in data["goals"]]
    for _ in sys.stdin:
        spent, paid = list[float](), list[float]()
        for i, cost in enumerate(costs):
            mpc, plan = MPC(planner, dynamics, cost, 10, Limits.symmetric(1.0, 2)), None
            for t in range(STEPS):
                begun = time.process_time()
                plan, _ = mpc.replan(data["latents"][t, i : i + 1], plan, rng=np.random.default_rng([0, t]))
                spent.append(1e3 * (time.process_time() - begun))
                paid.append(float(plan.cost[0]))
        print(json.dumps([spent, paid]), flush=True)


FIRST = """
import sys, time
if {plain}: sys.modules["numba"] = None
import numpy as np, torch
from e2c_control.models.latent_dynamics import LatentDynamics
from e2c_control.models.matrix_network import LocallyLinearTransition
from e2c_control.planners import ILQR, Limits, QuadraticCost
dynamics = LatentDynamics(LocallyLinearTransition(3, 2), "jacobian")
cost = QuadraticCost(np.ones(3), np.eye(3), np.eye(2))
begun = time.process_time()
ILQR(iterations=4)(dynamics, cost, np.zeros((1, 3)), 10, Limits.symmetric(1.0, 2))
print(time.process_time() - begun)
"""


def first_plans(where: Path) -> dict[str, float]:
    """CPU seconds of the first plan of a process, numba's import with it."""
    seconds = {}
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {"PYTHONPATH": str(where), "NUMBA_CACHE_DIR": cache}
        for name, plain in (("empty_cache", False), ("with_cache", False), ("plain_python", True)):
            command = [sys.executable, "-W", "ignore", "-c", FIRST.format(plain=plain)]
            answer = subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, check=True)
            seconds[name] = float(answer.stdout)
    return seconds


def race(places: dict[str, Path], file: Path, rounds: int) -> dict[str, Any]:
    """Time both sides' replans in turns; the first round of each compiles, the second warms up."""
    sides = {}
    for name, where in places.items():
        sides[name] = subprocess.Popen(
            [sys.executable, __file__, "--serve", str(file)],
            cwd=where,
            env=os.environ | {"PYTHONPATH": str(where)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    spent: dict[str, list[list[float]]] = {name: [] for name in sides}
    paid: dict[str, list[float]] = {}
    for _ in range(rounds + 2):
        for name, side in sides.items():
            assert side.stdin is not None
            assert side.stdout is not None
            print(file=side.stdin, flush=True)
            times, paid[name] = json.loads(side.stdout.readline())
            spent[name].append(times)
    for side in sides.values():
        side.communicate()
    np.testing.assert_allclose(paid["now"], paid["before"], rtol=1e-6)
    times = {name: np.array(rows[2:]) for name, rows in spent.items()}
    middle = {name: float(np.median(rows)) for name, rows in times.items()}
    each = np.median(times["now"], axis=1) / np.median(times["before"], axis=1)
    least = {name: float(np.median(rows.min(axis=0))) for name, rows in times.items()}
    return {
        "milliseconds": middle,
        "ratio": middle["now"] / middle["before"],
        "ratio_of_each_round": [round(float(ratio), 3) for ratio in each],
        "ratio_of_each_replans_least": least["now"] / least["before"],
        "replans": times["now"].size,
    }


@dataclass(frozen=True)
class Options:
    commit: str = "1762def"
    """the older one"""


def measure(quick: bool, commit: str) -> dict[str, Any]:
    """Measure both."""
    from e2c_control.models.matrix_network import LocallyLinearTransition

    with tempfile.TemporaryDirectory() as folder:
        file, before = Path(folder) / "data.npz", ROOT
        if quick:
            transition, rng = LocallyLinearTransition(2, 2), np.random.default_rng(0)
            drive = {"latents": rng.normal(size=(STEPS, 1, 2)), "goals": rng.normal(size=(1, 2))}
            drive |= {"state_weight": np.array(10.0), "action_weight": np.ones(2)}
        else:
            from experiments.planners.replan import recorded

            before = Path(folder) / "before"
            before.mkdir()
            archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
            subprocess.run(["tar", "x"], cwd=before, input=archive, check=True)
            transition, drive = recorded()
        weights = {name: weight.detach().numpy() for name, weight in transition.state_dict().items()}
        np.savez(file, **drive, **weights)
        places = {"before": before, "now": ROOT}
        result: dict[str, Any] = {"before": commit, "replan": race(places, file, 1 if quick else 8)}
        result["first_plan_seconds"] = {} if quick else {name: first_plans(where) for name, where in places.items()}
    print(json.dumps(result, indent=2))
    return result


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:  # by another commit's package
        serve(Path(sys.argv[2]))
    else:
        from experiments.runner import measure_whole

        measure_whole(__file__, measure, options=Options)
