"""Rewards learnt in rounds: Gymnasium's Pendulum-v1 from its state and from pixels, beside SAC and the true equations.

`E2CAgent(objective="reward")` learns for 5,000 steps from the state, and for 10,000 from frames of 48 x 48; SAC of
stable-baselines3, with its defaults, from the state for 5,000, 10,000 and 20,000. Each is then driven from the same 100
resets, drawn from the word "rewards"; the seeds begin at 0, tuning saw those from 100 on. `equations` is the agent's
planner on the simulator's own equations and reward. CPU seconds are those of learning, evaluation apart.

    python -m experiments.rewards.learning          # 5 seeds, about 4 CPU-minutes each
    python -m experiments.rewards.learning --quick  # a moment, a few steps of each; writes nothing
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import SAC

from e2c_control import MPC, E2CAgent, FunctionDynamics, Limits, PlanningOptions, Transitions, make_image_env
from e2c_control.agents import RoundOptions
from e2c_control.planners import FunctionCost
from experiments.runner import Experiment, Row

Array = NDArray[np.float64]
WORLD, LIMIT, LENGTH = "Pendulum-v1", 2.0, 200
EPISODES = 100
LIST = [int(seed) for seed in np.random.default_rng(list(b"rewards")).integers(1 << 30, size=EPISODES)]
SHOWN: dict[str, dict[str, Any]] = {"state": {"observation": "vector"}, "pixels": {"image_size": 48, "frame_stack": 2}}
ROUNDS = {"state": RoundOptions(first=1_000, size=500), "pixels": RoundOptions()}
WAYS = {"state": 5_000, "pixels": 10_000, "sac-5": 5_000, "sac-10": 10_000, "sac-20": 20_000, "equations": 0}
"""How each learns, and for how many steps."""
Act = Callable[[Any, Any], tuple[Any, Any]]
"""Takes what N environments show and a state; returns actions (N, 1) in [-1, 1] and the state."""


def equations(state: Array, control: Array) -> Array:
    """Return the next angles and rates (b, 2) of Gymnasium's pendulum, from above, under controls (b, 1) in [-1, 1]."""
    rate = state[:, 1] + 0.05 * (15.0 * np.sin(state[:, 0]) + 3.0 * LIMIT * control[:, 0])
    rate = np.clip(rate, -8.0, 8.0)
    return np.stack((state[:, 0] + 0.05 * rate, rate), axis=1)


def cost(state: Array, control: Array, problems: NDArray[np.int64]) -> Array:
    """Return the negative reward (b,)."""
    angle = (state[:, 0] + np.pi) % (2 * np.pi) - np.pi
    return angle**2 + 0.1 * state[:, 1] ** 2 + 0.001 * (LIMIT * control[:, 0]) ** 2


def by_equations(seed: int) -> Act:
    options, rng = PlanningOptions.for_reward(), np.random.default_rng(seed)
    dynamics, limits = FunctionDynamics(equations, 2, 1), Limits.symmetric(1.0, 1)
    mpc = MPC(options.make_planner(), dynamics, FunctionCost(cost), options.horizon, limits)

    def act(shown: Array, plan: Any) -> tuple[Array, Any]:
        states = np.stack((np.arctan2(shown[:, 1], shown[:, 0]), shown[:, 2]), axis=1)
        plan, _ = mpc.replan(states, plan, rng=rng)
        return plan.controls[:, 0], plan

    return act


def by_sac(steps: int, seed: int) -> Act:
    model = SAC("MlpPolicy", gymnasium.make(WORLD), seed=seed).learn(steps)
    return lambda shown, state: (model.predict(shown, deterministic=True)[0] / LIMIT, state)


def make(way: str) -> Any:
    """Make an environment as a way sees it; SAC and the equations see the state."""
    return make_image_env(WORLD, **SHOWN.get(way, SHOWN["state"]))


def returns_of(way: str, act: Act, resets: list[int], steps: int = LENGTH) -> Array:
    """Return what episodes from these resets pay, (N,), all of them driven side by side."""
    envs = [make(way) for _ in resets]
    shown: Any = np.stack([env.reset(seed=seed)[0] for env, seed in zip(envs, resets, strict=True)])
    total, state = np.zeros(len(envs)), None
    for _ in range(steps):
        actions, state = act(shown, state)
        done = [env.step(np.asarray(action, np.float32)) for env, action in zip(envs, actions, strict=True)]
        shown, total = np.stack([step[0] for step in done]), total + [step[1] for step in done]
    for env in envs:
        env.close()
    return total


def measure(
    way: str, seed: int, steps: int | None = None, resets: list[int] = LIST, length: int = LENGTH, **changes: Any
) -> Row:
    torch.set_num_threads(1)
    steps, begun, curve = WAYS[way] if steps is None else steps, time.process_time(), list[float]()
    if way in SHOWN:
        given = {"rounds": ROUNDS[way], **changes}
        with TemporaryDirectory() as folder:
            agent = E2CAgent(make(way), objective="reward", seed=seed, folder=folder, **given).learn(steps)
            seen = Transitions.open(Path(folder) / "dataset")
            assert seen.rewards is not None  # every collection has them
            curve = np.add.reduceat(np.asarray(seen.rewards, np.float64), seen.episodes[:-1]).round(1).tolist()
        act: Act = agent.predict
    else:
        act = by_equations(seed) if way == "equations" else by_sac(steps, seed)
    spent = time.process_time() - begun
    paid = returns_of(way, act, resets, length)
    return {
        "way": way,
        "seed": seed,
        "steps": steps,
        "return": float(paid.mean()),
        "worst_episode": float(paid.min()),
        "cpu_seconds": spent,
        "gathered_returns": curve,
    }


def report(rows: list[Row]) -> None:
    """Print the mean and the worst seed of each way."""
    for way in WAYS:
        found = [row for row in rows if row["way"] == way]
        if found:
            paid, spent = ([row[key] for row in found] for key in ("return", "cpu_seconds"))
            print(
                f"{way}: {np.mean(paid):.1f} after {found[0]['steps']:,} steps, worst seed {min(paid):.1f} of "
                f"{len(found)}, {np.median(spent):.0f} CPU-s"
            )


def quick() -> None:
    few = RoundOptions(first=60, size=30, first_share=0.01, share=0.01)
    for way in WAYS:
        changes: dict[str, Any] = {"rounds": few, "episode_length": 30} if way in SHOWN else {}
        print(TOLD.format(**measure(way, 100, min(WAYS[way], 110), LIST[:2], 5, **changes)))


TOLD = "{way}, seed {seed}, {steps} steps: {return:.1f}, worst episode {worst_episode:.0f}, {cpu_seconds:.0f} CPU-s"
EXPERIMENT = Experiment(__file__, {"way": tuple(WAYS), "seed": range(5)}, measure, TOLD, quick, report=report)

if __name__ == "__main__":
    EXPERIMENT.main()
