"""Somebody else's environment: Gymnasium's own pendulum from pictures, as the README's example drives it.

Nothing here was made for it: pictures are rendered and shrunk, random actions start from its resets, the goal is a
picture of it standing upright. Two lengths of the random episodes, since whatever is farther from a reset than an
episode is never seen: 40 steps, which is the default where episodes begin at resets, and 12. Returns are Pendulum-v1's
own, which the agents never see; beside them those of random actions, and of this project's iLQR on the true equations
with that very reward. All meet the same ten resets.

    python -m experiments.control.own_environment          # 3 training seeds, two to three CPU-minutes each
    python -m experiments.control.own_environment --quick  # a moment of training, writes nothing
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

import numpy as np

from e2c_control import MPC, E2CAgent, FunctionDynamics, Limits, Plan, make_image_env, make_planner
from e2c_control.agents.e2c_agent import PlanState
from e2c_control.envs.angles import wrap
from e2c_control.planners import FunctionCost
from experiments.runner import Experiment, Row

LENGTHS = {"episodes of 40": 40, "episodes of 12": 12}
CHANCE, EQUATIONS = "random actions", "the true equations"
SIDE, TRANSITIONS, EPISODES, STEPS = 48, 10_000, 10, 200
Array = np.ndarray
Act = Callable[[Array, int], Array]


def returns(env: Any, episodes: int, act: Act) -> list[float]:
    """Sums of rewards, where `act` is told what is seen, and the number of the step."""
    found: list[float] = []
    for episode in range(episodes):
        (observation, _), total = env.reset(seed=1_000 + episode), 0.0
        for step in range(STEPS):
            observation, reward, *_ = env.step(act(observation, step))
            total += float(reward)
        found.append(total)
    return found


def by_pictures(agent: E2CAgent, env: Any) -> Act:
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


def by_chance(seed: int) -> Act:
    """Uniformly random actions."""
    rng = np.random.default_rng(seed)
    return lambda *_: rng.uniform(-1, 1, 1)


def by_equations(env: Any) -> Act:
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


def pendulum() -> Any:
    """Seen by pictures."""
    return make_image_env("Pendulum-v1", frame_stack=2, image_size=SIDE)


def learnt(env: Any, seed: int, length: int, scale: float = 1.0, transitions: int = TRANSITIONS) -> E2CAgent:
    """An agent that has learnt from random episodes of that length."""
    made = E2CAgent(env, latent_dim=3, episode_length=length, steps_scale=scale, seed=seed)
    return made.learn(transitions)


def measure(way: str, seed: int) -> Row:
    """One row: returns, and the CPU time to learn and to act."""
    env, begun = pendulum(), time.process_time()
    if way in LENGTHS:
        act = by_pictures(learnt(env, seed, LENGTHS[way]), env)
    else:
        act = by_equations(env) if way == EQUATIONS else by_chance(seed)
    ready = time.process_time()
    found = returns(env, EPISODES, act)
    env.close()
    return {
        "way": way,
        "seed": seed,
        "returns": found,
        "learn_cpu_seconds": ready - begun,
        "step_cpu_milliseconds": 1e3 * (time.process_time() - ready) / (EPISODES * STEPS),
    }


def summary(rows: list[Row]) -> dict[str, Any]:
    """Over seeds, for each way."""
    found: dict[str, Any] = {}
    for way in dict.fromkeys(row["way"] for row in rows):
        own = [row for row in rows if row["way"] == way]
        means = [float(np.mean(row["returns"])) for row in own]
        found[way] = {
            "seeds": len(own),
            "mean": float(np.mean(means)),
            "worst_seed": min(means),
            "median_episode": float(np.median([value for row in own for value in row["returns"]])),
            "learn_cpu_seconds": float(np.median([row["learn_cpu_seconds"] for row in own])),
            "step_cpu_milliseconds": float(np.median([row["step_cpu_milliseconds"] for row in own])),
        }
    return found


def quick() -> None:
    env = pendulum()
    print(returns(env, 1, by_pictures(learnt(env, 100, 40, scale=0.01, transitions=400), env)))


EXPERIMENT = Experiment(
    __file__,
    {"seed": range(3), "way": (CHANCE, EQUATIONS, *LENGTHS)},
    measure,
    lambda row: f"{row['way']}, seed {row['seed']}: {np.mean(row['returns']):.0f}",
    quick,
    summary,
    lambda rows: print(json.dumps(summary(rows), indent=1)),
    exists=lambda seed, way: way in LENGTHS or seed == 0,
)


if __name__ == "__main__":
    EXPERIMENT.main()
