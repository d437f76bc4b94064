"""Every planner on one trained planar model: what a replan costs, and how well it drives.

The model comes from the default recipe on random moves. A replan is that of the PCC protocol: z = 2, horizon 10, limits
on, iLQR with 4 iterations from 6 sequences (the rest of the last plan and 5 others). It is timed alone, on the encoded
frames of real drives, in CPU milliseconds of one thread; the share of the network is the number of its steps times what
one takes among as many rows, plus the time of its calls in NumPy. Each planner then drives the protocol's ten problems
by the model, from images, and with the true simulator in the model's place and the true state in the frame's.

    python -m experiments.planners.replan          # trains first, about a minute of CPU
    python -m experiments.planners.replan --run runs/Planar-v0/NAME --out mine.json
    python -m experiments.planners.replan --quick  # a moment of training, writes nothing
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

import numba
import numpy as np
import torch

from e2c_control import (
    MPC,
    E2CAgent,
    Embedding,
    FunctionDynamics,
    Limits,
    Plan,
    PlanningOptions,
    QuadraticCost,
    Task,
    TrainConfig,
    TrainedRun,
    collect,
    drive,
    make_recipe,
    make_task,
    make_vector_env,
    start_run,
    train,
)
from e2c_control.envs import Problem
from e2c_control.envs.reference import reference_scores
from e2c_control.envs.task import PROTOCOL_SEED
from e2c_control.evaluation import Drive
from e2c_control.models.latent_dynamics import LatentDynamics
from e2c_control.models.matrix_network import LocallyLinearTransition
from e2c_control.models.network_kernels import latent_step
from e2c_control.planners import PLANNERS, Linearization, Lowered
from e2c_control.planners.engine import engine_for
from e2c_control.training.presets import default_embedding
from experiments.runner import measure_whole

ENVIRONMENT, TRANSITIONS, EPISODE = "E2C/Planar-v0", 20_000, 12
TIMED = 5  # problems whose replans are timed
Array = np.ndarray


def planar_embedding(run: Path | None, seed: int, quick: bool) -> Embedding:
    """Of a finished run, or trained now with the default recipe and thrown away afterwards."""
    if run is not None:
        return TrainedRun.open(run).embedding
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        environments = make_vector_env(ENVIRONMENT, 100, frame_stack=1)
        collect(environments, data, 1000 if quick else TRANSITIONS, EPISODE, starts="sampled", seed=seed)
        recipe = make_recipe("unfold", default_embedding((40, 40, 1), task=make_task(ENVIRONMENT))).scaled(
            0.02 if quick else 1.0
        )
        config = TrainConfig(data, ENVIRONMENT, recipe, seed, device="cpu", threads=1)
        return train(start_run(Path(folder), config), config, progress=not quick).eval()


def recorded() -> tuple[LocallyLinearTransition, dict[str, Array]]:
    """The transition of a model trained now, latents (T, N, k) of drives with it, their goals (N, k), and weights."""
    task = make_task(ENVIRONMENT)
    embedding, options = planar_embedding(None, 0, False), PlanningOptions.for_task(task)
    driven = drive(E2CAgent.from_embedding(embedding, options), task, task.evaluation_problems(PROTOCOL_SEED, TIMED))
    assert isinstance(embedding.transition, LocallyLinearTransition)
    weights = {"state_weight": np.array(task.q), "action_weight": np.array(options.action_weight)}
    return embedding.transition, {"latents": driven.latents, "goals": driven.goals, **weights}


_step = numba.njit(error_model="numpy")(latent_step)


def counted_step(parameters: Array, sizes: Array, states: Array, controls: Array, after: Array) -> None:
    """The network's steps, and its calls, counted in the last of its parameters."""
    parameters[-1] += len(states)
    parameters[-2] += 1.0
    _step(parameters, sizes, states, controls, after)


class Watched:
    """A latent model that notes how often its network is called in machine code, and for how long in NumPy."""

    def __init__(self, dynamics: LatentDynamics) -> None:
        self._of, lowered = dynamics, dynamics.lower()
        self.state_dim, self.control_dim = dynamics.state_dim, dynamics.control_dim
        self._lowered = Lowered(counted_step, np.append(lowered.parameters, (0.0, 0.0)), lowered.sizes)
        self.seconds = 0.0

    @property
    def steps(self) -> Array:
        """The numbers of calls and of the rows in all of them, (2,)."""
        return self._lowered.parameters[-2:].copy()

    def _timed(self, call: Callable[..., Any], *given: Array) -> Any:
        begun = time.process_time()
        result = call(*given)
        self.seconds += time.process_time() - begun
        return result

    def step(self, states: Array, controls: Array) -> Array:
        return self._timed(self._of.step, states, controls)

    def rollout(self, initial_states: Array, controls: Array) -> Array:
        return self._timed(self._of.rollout, initial_states, controls)

    def linearize(self, states: Array, controls: Array) -> Linearization:
        return self._timed(self._of.linearize, states, controls)

    def lower(self) -> Lowered:
        return self._lowered


def replays(options: PlanningOptions, embedding: Embedding, driven: Drive, watched: Watched | None = None) -> Array:
    """CPU milliseconds of the replans of whole horizons in recorded drives, one problem at a time."""
    spent = []
    for i in range(min(TIMED, driven.latents.shape[1])):
        mpc = options.controller(embedding, driven.goals[i])
        mpc = mpc if watched is None else replace(mpc, dynamics=watched)
        plan: Plan | None = None
        for t in range(len(driven.actions) - mpc.horizon + 1):
            plan, replan = mpc.replan(driven.latents[t, i : i + 1], plan, rng=np.random.default_rng([0, t]))
            spent.append(1e3 * replan.cpu_seconds)
    return np.array(spent)


def _latent_model(embedding: Embedding) -> LatentDynamics:
    """The planners' copy of a locally linear transition."""
    assert isinstance(embedding.transition, LocallyLinearTransition)
    return LatentDynamics(embedding.transition)


def step_milliseconds(dynamics: LatentDynamics, rounds: int, rows: int) -> float:
    """Of one row of a network's call in machine code, of so many rows at once."""
    engine, rng = engine_for(dynamics), np.random.default_rng(0)
    states = rng.normal(size=(rows, dynamics.state_dim))
    controls = rng.uniform(-1, 1, (rows, max(6000 // rows, 10), dynamics.control_dim))
    engine.rollout(states, controls)
    times = []
    for _ in range(rounds):
        begun = time.process_time()
        engine.rollout(states, controls)
        times.append(time.process_time() - begun)
    return 1e3 * sorted(times)[rounds // 4] / controls[..., 0].size


def on_the_simulator(options: PlanningOptions, task: Task, problems: tuple[Problem, ...]) -> Array:
    """Time in goal (N,) with the true simulator as Dynamics and the true states, planned in the units of actions."""
    system = task.system
    dynamics = FunctionDynamics(
        lambda states, actions: system.step(states, actions * system.control_limit),
        system.state_size,
        system.control_size,
    )
    states, goals = (np.stack(part) for part in zip(*problems, strict=True))
    cost = QuadraticCost(goals, task.q * np.eye(system.state_size), np.diag(task.action_weight))
    limits = Limits.symmetric(1.0, system.control_size)
    mpc = MPC(options.make_planner(), dynamics, cost, task.planning_horizon, limits)
    plan: Plan | None = None
    inside = []
    for t in range(task.horizon):
        plan, _ = mpc.replan(states, plan, task.horizon - t, np.random.default_rng([0, t]))
        states = dynamics.step(states, plan.controls[:, 0])
        inside.append(task.in_goal(states, goals))
    return np.mean(inside, axis=0)


def network_share(options: PlanningOptions, embedding: Embedding, driven: Drive, rounds: int) -> tuple[float, float]:
    """The network's part of the time of a replan, and how many of its steps a replan takes in machine code."""
    watched = Watched(_latent_model(embedding))
    replays(options, embedding, driven, watched)  # compiles
    steps, seconds = watched.steps, watched.seconds
    spent = replays(options, embedding, driven, watched)
    (calls, rows), seconds = watched.steps - steps, watched.seconds - seconds
    one = step_milliseconds(_latent_model(embedding), rounds, max(round(rows / max(calls, 1)), 1))
    return float((rows * one + 1e3 * seconds) / spent.sum()), float(rows / spent.size)


def measure(embedding: Embedding, task: Task, problems: tuple[Problem, ...], rounds: int) -> dict[str, Any]:
    """A row for each planner."""
    names = [name for name in PLANNERS if name != "roadmap"]  # which this map is not trained for
    every = {name: replace(PlanningOptions.for_task(task), planner=name) for name in names}
    drives = {
        name: drive(E2CAgent.from_embedding(embedding, options), task, problems) for name, options in every.items()
    }
    spent: dict[str, list[Array]] = {name: [] for name in every}
    for _ in range(rounds + 1):  # the planners take turns
        for name, options in every.items():
            spent[name].append(replays(options, embedding, drives[name]))
    rows = dict[str, Any]()
    for name, options in every.items():
        each = np.min(spent[name][1:], axis=0)  # the first round compiles
        share, calls = network_share(options, embedding, drives[name], 4 * rounds)
        scores, simulated = 100 * drives[name].scores, 100 * on_the_simulator(options, task, problems)
        rows[name] = {
            "milliseconds_median": float(np.median(each)),
            "milliseconds_95_percent": float(np.quantile(each, 0.95)),
            "network_share": share,
            "network_calls": calls,
            "fallbacks": int(sum(replan.fallback.sum() for replan in drives[name].replans)),
            "on_the_model": float(scores.mean()),
            "on_the_model_worst": float(scores.min()),
            "on_the_simulator": float(simulated.mean()),
            "on_the_simulator_worst": float(simulated.min()),
        }
        print(name, {key: round(value, 3) for key, value in rows[name].items()}, flush=True)
    one = step_milliseconds(_latent_model(embedding), 4 * rounds, 6)
    return {"planners": rows, "microseconds_of_a_network_step": 1e3 * one, "replans_timed": len(spent["ilqr"][0])}


@dataclass(frozen=True)
class Options:
    run: Path | None = None
    """a finished planar run; default: train one"""
    seed: int = 0
    """of the training"""
    problems: int = PROTOCOL_SEED
    """seed of the list of problems"""


def measure_all(quick: bool, run: Path | None, seed: int, problems: int) -> dict[str, Any]:
    """Measure all planners on one model."""
    task = make_task(ENVIRONMENT, **({"horizon": 12} if quick else {}))
    drawn = task.evaluation_problems(100 if quick else problems, 2 if quick else 10)
    result = measure(planar_embedding(run, seed, quick), task, drawn, 1 if quick else 3)
    if quick:
        return result
    oracle = 100 * float(reference_scores(task, drawn).mean())
    return result | {"oracle": oracle, "training_seed": None if run else seed, "problem_seed": problems}


if __name__ == "__main__":
    measure_whole(__file__, measure_all, options=Options)
