"""The roadmap as a start for iLQR: whether a smooth plan that begins where the roadmap leads gets around walls.

`E2C/PlanarWalls-v0`, 20,000 random transitions, the recipe `unfold-roadmap`. At each step the roadmap rolls out 25
steps of its own, and iLQR goes on from these controls: to the goal's latent in the map, or to the goal's place under
the model of blocked moves, with a quadratic cost. "from nothing" are the same without that start. A share of
the steps is blocked: taken outside the goal, and the state is as before. Tuning saw list 100 and seed 100.

    python -m experiments.worlds.starts          # one seed: 3 CPU-minutes
    python -m experiments.worlds.starts --quick  # half a minute, to see it work; writes nothing
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from e2c_control import E2CAgent, Embedding, PlanningOptions, Task
from e2c_control.agents.e2c_agent import PlanState
from e2c_control.envs.reference import reference_scores
from e2c_control.envs.vector_env import TaskVectorEnv
from e2c_control.measures import encode_means, encode_places
from e2c_control.models.reachability import PassageDynamics
from e2c_control.planners import MPC, Limits, Plan, QuadraticCost
from experiments.runner import Experiment, Row
from experiments.worlds._roads import train_world
from experiments.worlds.walls import TRANSITIONS, UNSEEN, WORLD

HORIZON, PROBLEMS = 25, 10
WAYS = ("roadmap alone", "map, from nothing", "map", "places, from nothing", "places")


def controllers(embedding: Embedding, task: Task, goal_images: NDArray[np.uint8], horizon: int) -> dict[str, MPC]:
    """Return iLQR to the goals in the map, and among places."""
    assert embedding.reachability is not None
    assert embedding.passage is not None
    graph = embedding.reachability.graph()
    assert graph is not None
    options = replace(PlanningOptions.suiting(embedding, task, "ilqr"), horizon=horizon)
    goals, m = encode_places(embedding, goal_images), embedding.action_dim
    weight = options.state_weight / graph.scale**2 * np.eye(goals.shape[1])  # of a step
    cost = QuadraticCost(goals, weight, np.diag(np.broadcast_to(options.action_weight, m)))
    model, limits = PassageDynamics(embedding.passage), Limits.symmetric(1.0, m)
    return {
        "map": options.controller(embedding, encode_means(embedding, goal_images)),
        "places": MPC(options.make_planner(), model, cost, horizon, limits),
    }


def drive(embedding: Embedding, task: Task, name: int, problems: int, horizon: int, seed: int, way: str) -> Row:
    """Return the share of the oracle's time in goal, and how many goals are reached."""
    listed = task.evaluation_problems(name, problems)
    starts, goals = (np.stack(part) for part in zip(*listed, strict=True))
    env, goal_images = TaskVectorEnv(task, len(listed)), task.observe_at_rest(goals)
    seen, _ = env.reset(seed=0, options={"state": starts, "goal": goals})
    where, _, start = way.partition(", ")
    smooth = controllers(embedding, task, goal_images, horizon).get(where)
    leading = PlanningOptions.suiting(embedding, task, "roadmap")
    if smooth is not None and not start:
        leading = replace(leading, horizon=horizon)
    agent = E2CAgent.from_embedding(embedding, leading, seed)
    agent.set_goal(goal_images)
    state: PlanState | None = None
    in_goal, stood, before = list[NDArray[np.bool_]](), list[NDArray[np.bool_]](), starts
    for step in range(task.horizon):
        actions, state = agent.predict(seen, state)
        if smooth is not None:
            encode, led = encode_places if where == "places" else encode_means, state.plan.controls
            # A previous plan is moved on by a step before it is gone on from.
            led_on = Plan.guess(np.concatenate((led[:, :1], led), axis=1), smooth.dynamics.state_dim)
            rng = np.random.default_rng([seed, step])
            plan, _ = smooth.replan(encode(embedding, seen), None if start else led_on, rng=rng)
            actions = plan.controls[:, 0].astype(np.float32)
            # The memory is to judge what was done.
            led[:, 0] = actions
        seen, reward, _, _, info = env.step(actions)
        in_goal.append(np.asarray(reward) > 0)
        stood.append((info["state"] == before).all(1))
        before = info["state"]
    env.close()
    scores, oracle = np.stack(in_goal).mean(0), float(reference_scores(task, listed).mean())
    return {
        "way": way,
        "share": float(scores.mean()) / oracle,
        "reached": float((scores > 0).mean()),
        "blocked": float(np.stack(stood)[~np.stack(in_goal)].mean()),
    }


def measure(
    seed: int,
    transitions: int = TRANSITIONS,
    steps_scale: float = 1.0,
    problems: int = PROBLEMS,
    horizon: int = HORIZON,
) -> list[Row]:
    """Train one seed, and drive the list all ways."""
    task, trainer = train_world(WORLD, {}, seed, transitions, steps_scale)
    name = UNSEEN[0] if seed < 100 else 100
    common = {"seed": seed, "list": name, "problems": problems, "horizon": horizon}
    embedding = trainer.embedding.eval()
    return [common | drive(embedding, task, name, problems, horizon, seed, way) for way in WAYS]


def report(rows: list[Row]) -> None:
    """Print the mean and the worst seed of each way."""
    for way in WAYS:
        found = [row for row in rows if row["way"] == way]
        share, reached, blocked = (np.mean([row[key] for row in found]) for key in ("share", "reached", "blocked"))
        print(f"{way}: {share:.3f} of the Navigator's, reached {reached:.0%}, {blocked:.0%} of the steps blocked")


def quick() -> None:
    for row in measure(100, 600, 0.02, 2, 4):
        print(TOLD.format(**row))


TOLD = "seed {seed}, {way}: reached {reached:.0%}, {share:.3f} of the oracle's, {blocked:.0%} of the steps blocked"
EXPERIMENT = Experiment(__file__, {"seed": range(1)}, measure, TOLD, quick, report=report)

if __name__ == "__main__":
    EXPERIMENT.main()
