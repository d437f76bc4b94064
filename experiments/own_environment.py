"""Somebody else's environment: Gymnasium's own pendulum from pictures, as the README's example drives it.

Nothing here was made for it: pictures are rendered and shrunk, random actions start from its resets, the goal is a
picture of it standing upright. Two lengths of the random episodes, since whatever is farther from a reset than an
episode is never seen: 40 steps, which is the default where episodes begin at resets, and 12. Returns are Pendulum-v1's
own, which the agents never see; beside them those of random actions, and of this project's iLQR on the true equations
with that very reward. All meet the same ten resets.

    python experiments/own_environment.py            # 3 training seeds, two to three CPU-minutes each
    python experiments/own_environment.py --quick    # a moment of training, writes nothing
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

import numpy as np
import torch

from e2c_control.agents import E2CAgent
from e2c_control.agents.e2c_agent import PlanState
from e2c_control.data import make_image_env
from e2c_control.envs.angles import wrap
from e2c_control.planners import MPC, FunctionCost, FunctionDynamics, Limits, Plan, make_planner
from e2c_control.runs.atomic import replace_text
from e2c_control.runs.versions import package_versions, source_commit

RESULT = Path(__file__).parent / "results" / "own_environment.json"
LENGTHS, TRANSITIONS, EPISODES, STEPS = (40, 12), 10_000, 10, 200
Array = np.ndarray


def returns(env: Any, episodes: int, act: Callable[[Array, int], Array]) -> list[float]:
    """Sums of rewards, where `act` is told what is seen, and the number of the step."""
    found: list[float] = []
    for episode in range(episodes):
        (observation, _), total = env.reset(seed=1_000 + episode), 0.0
        for step in range(STEPS):
            observation, reward, *_ = env.step(act(observation, step))
            total += float(reward)
        found.append(total)
    return found


def by_pictures(agent: E2CAgent, env: Any) -> Callable[[Array, int], Array]:
    """The agent, whose goal is a picture of the pendulum at rest, upright."""
    env.reset()
    env.unwrapped.state = np.zeros(2)
    agent.set_goal([env.step(np.zeros(1, np.float32))[0] for _ in range(2)][-1])
    state: PlanState | None = None

    def act(observation: Array, step: int) -> Array:
        nonlocal state
        action, state = agent.predict(observation, None if step == 0 else state)
        return action

    return act


def by_equations(env: Any) -> Callable[[Array, int], Array]:
    """iLQR on the true simulator, from the true state."""

    def move(x: Array, u: Array) -> Array:
        speed = np.clip(x[:, 1] + 0.05 * (15 * np.sin(x[:, 0]) + 3 * u[:, 0]), -8, 8)
        return np.stack((x[:, 0] + 0.05 * speed, speed), axis=1)

    def price(x: Array, u: Array, _: Array) -> Array:
        return wrap(x[:, 0]) ** 2 + 0.1 * x[:, 1] ** 2 + 0.001 * u[:, 0] ** 2

    cost = FunctionCost(price, lambda x, _: wrap(x[:, 0]) ** 2 + 0.1 * x[:, 1] ** 2)
    mpc = MPC(make_planner("ilqr"), FunctionDynamics(move, 2, 1), cost, 40, Limits.symmetric(2.0, 1))
    plan: Plan | None = None

    def act(_: Array, step: int) -> Array:
        nonlocal plan
        rng = np.random.default_rng(step)
        plan, _ = mpc.replan(env.unwrapped.state[None], None if step == 0 else plan, STEPS - step, rng)
        return plan.controls[0, 0] / 2

    return act


def yardsticks(episodes: int) -> dict[str, float]:
    """Mean returns of what learns nothing."""
    env, rng = make_image_env("Pendulum-v1", frame_stack=2, image_size=48), np.random.default_rng(0)
    ways = {"random": lambda *_: rng.uniform(-1, 1, 1), "true equations": by_equations(env)}
    return {name: float(np.mean(returns(env, episodes, act))) for name, act in ways.items()}


def measure(seed: int, length: int, quick: bool = False) -> dict[str, Any]:
    """One agent, trained and driven."""
    env, begun = make_image_env("Pendulum-v1", frame_stack=2, image_size=48), time.process_time()
    scale, transitions, episodes = (0.01, 400, 1) if quick else (1.0, TRANSITIONS, EPISODES)
    agent = E2CAgent.create(env, latent_dim=3, episode_length=length, steps_scale=scale, seed=seed).learn(transitions)
    learnt = time.process_time()
    found = returns(env, episodes, by_pictures(agent, env))
    env.close()
    return {
        "seed": seed,
        "episode_length": length,
        "returns": found,
        "learn_cpu_seconds": learnt - begun,
        "step_cpu_milliseconds": 1e3 * (time.process_time() - learnt) / (episodes * STEPS),
    }


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Over seeds, for each length."""
    found: list[dict[str, Any]] = []
    for length in LENGTHS:
        own = [row for row in rows if row["episode_length"] == length]
        if own:
            means = [float(np.mean(row["returns"])) for row in own]
            found.append(
                {
                    "episode_length": length,
                    "seeds": len(own),
                    "mean": float(np.mean(means)),
                    "worst_seed": min(means),
                    "median_episode": float(np.median([value for row in own for value in row["returns"]])),
                    "learn_cpu_seconds": float(np.median([row["learn_cpu_seconds"] for row in own])),
                    "step_cpu_milliseconds": float(np.median([row["step_cpu_milliseconds"] for row in own])),
                }
            )
    return found


def stored() -> dict[str, Any]:
    """What was measured before."""
    return json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {"rows": []}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--quick", action="store_true", help="a moment, writes nothing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.quick:
        print(json.dumps(summary([measure(100, LENGTHS[0], quick=True)]), indent=1))
        return
    known = stored().get("yardsticks") or yardsticks(EPISODES)
    for seed in options.seeds:
        for length in LENGTHS:
            rows = stored()["rows"]
            if any((row["seed"], row["episode_length"]) == (seed, length) for row in rows):
                continue  # remove the file to measure all again
            rows = [*rows, measure(seed, length)]
            result = {"summary": summary(rows), "yardsticks": known, "rows": rows}
            result |= {"commit": source_commit(), "versions": package_versions()}
            replace_text(RESULT, json.dumps(result, indent=1) + "\n")
    print(json.dumps(stored(), indent=1))


if __name__ == "__main__":
    main()
