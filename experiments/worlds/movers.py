"""Two movers at once: a roadmap for each, found from the data alone, in place of one over both.

The recipe `unfold-roadmap` lays its landmarks over everything that may happen, and two discs among walls have four
dimensions of it: some thousand landmarks are then more than two steps apart (`mazes.py`: "walls, two discs"). Here the
world is factored first, from recorded frames and actions alone:

1. Which actions move one thing: how much of the picture a step changes is a sum over movers. Where two actions
   belong to one mover, it is no sum of functions of each. So actions whose products explain more of the change than
   sums do belong together (an analysis of variance: Hooker, KDD 2004).
2. Where each mover is: beside a copy of the encoder of `unfold`, whose features are too coarse when frozen (a network
   that is shown the true places reads them off these to 1.0 step, and off the pixels to 0.3), a head for each mover
   learns to change by its own actions' sum between two frames of an episode. Other movers' actions are independent of
   these, so that to follow them would cost; moves that are blocked are outliers, for which the loss is Huber's.
3. A roadmap for each: landmarks, the model of blocked moves, and the memory of an episode are those of the recipe, in
   the mover's own places. An edge needs more recorded steps the more there are for each landmark: one picture that is
   misread would else open a way through a wall.

What it rests on: a mover's place in its actions' units, so no velocity and nothing that turns, and movers that leave
each other alone. What the recipe reaches on the same data and list is in `mazes.py`. Tuning saw list 100 and seed 100
of data and training; the seeds begin at 0.

    python -m experiments.worlds.movers          # 3 seeds: 15 CPU-minutes
    python -m experiments.worlds.movers --quick  # half a minute, to see it work; writes nothing
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

import copy
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from e2c_control import (
    E2CAgent,
    Embedding,
    PlanningOptions,
    Task,
    Trainer,
    Transitions,
    collect,
    make_recipe,
    make_task,
    make_vector_env,
)
from e2c_control.agents.e2c_agent import PlanState
from e2c_control.envs.reference import reference_scores
from e2c_control.envs.vector_env import TaskVectorEnv
from e2c_control.models.pixels import unit_pixels
from e2c_control.models.reachability import LANDMARKS, MOST_LANDMARKS
from e2c_control.objectives.reachability import PassageLikelihood
from e2c_control.objectives.unrolled import Noise, UnrolledFeatures
from e2c_control.planners import Landmarks
from e2c_control.training.presets import default_embedding
from experiments.runner import Experiment, Row
from experiments.worlds.mazes import LIST, PROBLEMS, WORLDS

Array = NDArray[np.float64]

WORLD, _, TRANSITIONS = WORLDS["walls, two discs"]
TOGETHER = 0.1
"""Share of the strongest interaction of two actions, of those that either has, from which on they move one thing."""
CHANCE = 5.0
"""Times what noise alone would seem to explain, below which an interaction is none. Within a disc: 49 and more; between
the two: 2.6 at most."""
FOLLOWED, PASSED = 6000, 2000
"""Steps of learning where movers are, and of each one's model of blocked moves."""
SUPPORT = 0.03
"""Recorded steps that an edge needs, as a share of the recorded steps for each landmark."""


def interactions(changes: Array, actions: Array) -> Array:
    """Return what products of each two actions explain of how much steps change pictures, beyond sums, (m, m).

    It is a share of what sums leave unexplained, in units of what as many random numbers would seem to.

    Args:
        changes: sums of squares of the pixels' differences, (N,).
        actions: (N, m).
    """
    bases = [np.stack((np.abs(u), u**2, u, u**3), axis=1) for u in actions.T]
    sums = np.concatenate((np.ones((len(actions), 1)), *bases), axis=1)

    def unexplained(values: Array, by: Array) -> Array:
        return values - by @ np.linalg.lstsq(by, values, rcond=None)[0]

    left, found = unexplained(changes, sums), np.zeros((len(bases), len(bases)))
    for i, j in zip(*np.triu_indices(len(bases), 1), strict=True):
        products = unexplained((bases[i][:, :, None] * bases[j][:, None]).reshape(len(actions), -1), sums)
        share = 1.0 - unexplained(left, products).var() / left.var()
        found[i, j] = found[j, i] = share * len(actions) / products.shape[1]
    return found


def groups(interaction: Array) -> list[list[int]]:
    """Return which actions move one thing, each action in one group, of their interactions (m, m)."""
    strongest = np.maximum(interaction.max(0)[:, None], interaction.max(0))
    joined = (interaction > np.maximum(TOGETHER * strongest, CHANCE)) | np.eye(len(interaction), dtype=np.bool_)
    for _ in joined:
        joined = joined @ joined
    return [list(group) for group in dict.fromkeys(tuple(np.flatnonzero(row).tolist()) for row in joined)]


def found_groups(data: Transitions) -> tuple[list[list[int]], Array]:
    """Return which actions move one thing, and their interactions (m, m), of recorded steps."""
    rows = data.windows(1)[:100_000]
    parts = np.array_split(rows, max(len(rows) // 5_000, 1))

    def squares(rows: NDArray[np.int64]) -> Array:
        before, after = (data.frames_at(at).reshape(len(at), -1).astype(np.float32) for at in (rows, rows + 1))
        return np.square((after - before) / 255).sum(1, dtype=np.float64)

    found = interactions(np.concatenate([squares(part) for part in parts]), data.actions[rows].astype(np.float64))
    return groups(found), found


def follow(movers: Sequence[Embedding], own: Sequence[Sequence[int]], views: Tensor, data: Transitions, steps: int,
           generator: torch.Generator) -> None:  # fmt: skip
    """Let each mover's places change by its own actions' sum between two frames of an episode; all share an encoder.

    Args:
        movers: embeddings, of which the first one's encoder is trained, and the others get it.
        own: the actions of each.
        views: of all frames, (F, h, w, C).
        data: of which they are.
        steps: of the optimiser.
        generator: draws pairs of frames.
    """
    encoder, heads = movers[0].encoder, [mover.reachability for mover in movers]
    order = [action for group in own for action in group]
    actions = torch.from_numpy(data.actions[:, order].astype(np.float32))
    sums = torch.cat((torch.zeros(1, len(order)), actions.cumsum(0)))
    starts = torch.from_numpy(data.windows(1))
    last = torch.from_numpy(np.repeat(data.episodes[1:] - 1, np.diff(data.episodes)))
    longest = int(np.diff(data.episodes).max())
    rates = (5e-4, 2e-3)  # of the encoder, which knows something, and of the heads
    learnt = [list(encoder.parameters()), [weight for head in heads if head for weight in head.parameters()]]
    optimiser = torch.optim.AdamW([{"params": part} for part in learnt], weight_decay=0.0)
    for step in range(steps):
        for rate, part in zip(rates, optimiser.param_groups, strict=True):
            part["lr"] = rate * min(1.0, (step + 1) / 100) * (1.0 - step / steps) + 1e-5
        first = starts[torch.randint(len(starts), (512,), generator=generator)]
        second = torch.minimum(first + torch.randint(1, longest, (512,), generator=generator), last[first])
        features = encoder.features(views[torch.cat((first, second))])
        before, after = torch.cat([head(features) for head in heads if head], dim=1).chunk(2)
        missed = (after - before - sums[second] + sums[first]) / (second - first)[:, None].sqrt()
        loss = smooth_l1_loss(missed, torch.zeros_like(missed), beta=0.1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    for mover in movers[1:]:
        mover.encoder.load_state_dict(encoder.state_dict())


def lay_out(mover: Embedding, own: Sequence[int], features: Tensor, data: Transitions, steps: int,
            generator: torch.Generator) -> None:  # fmt: skip
    """Lay out a mover's landmarks, and train its model of blocked moves, of the features (F, f) of all frames."""
    reachability, passage = mover.reachability, mover.passage
    assert reachability is not None
    assert passage is not None
    with torch.inference_mode():
        places = reachability(features).double().numpy()
    graph, _ = Landmarks.of(np.split(places, data.episodes[1:-1]), LANDMARKS, MOST_LANDMARKS)
    cells, rows, counts = graph.cells(places), data.windows(1), np.zeros(graph.moves.shape)
    np.add.at(counts, (cells[rows], cells[rows + 1]), 1)
    graph = replace(graph, moves=graph.moves & (counts >= int(SUPPORT * len(rows) / len(counts))))
    reachability.keep(graph, np.zeros((len(graph.places), mover.config.latent_dim)))
    passage.fit(places)
    term, actions = PassageLikelihood(), torch.from_numpy(data.actions[:, own].astype(np.float32))
    optimiser, starts = torch.optim.AdamW(passage.parameters(), weight_decay=0.0), torch.from_numpy(rows)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 3e-3 * (1.0 - step / steps) + 1e-5
        at = starts[torch.randint(len(starts), (384,), generator=generator)]
        window = torch.stack((features[at], features[at + 1]), dim=1)
        loss = term(UnrolledFeatures(mover, window, actions[at][:, None], Noise(generator)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def drive(agents: Sequence[E2CAgent], own: Sequence[Sequence[int]], task: Task, problems: int, name: int) -> Row:
    """Return the share of the oracle's time in goal, and how many goals are reached, by an agent for each mover."""
    listed = task.evaluation_problems(name, problems)
    starts, goals = (np.stack(part) for part in zip(*listed, strict=True))
    env = TaskVectorEnv(task, len(listed))
    seen, _ = env.reset(seed=0, options={"state": starts, "goal": goals})
    for agent in agents:
        agent.set_goal(task.observe_at_rest(goals))
    states: list[PlanState | None] = [None] * len(agents)
    in_goal, milliseconds = list[NDArray[np.bool_]](), list[float]()
    for _ in range(task.horizon):
        actions, begun = np.zeros((len(listed), sum(map(len, own))), np.float32), time.process_time()
        for i, (agent, group) in enumerate(zip(agents, own, strict=True)):
            actions[:, group], states[i] = agent.predict(seen, states[i])
        milliseconds.append(1e3 * (time.process_time() - begun) / len(listed))
        seen, reward, _, _, _ = env.step(actions)
        in_goal.append(np.asarray(reward) > 0)
    env.close()
    scores, oracle = np.stack(in_goal).mean(0), float(reference_scores(task, listed).mean())
    return {
        "problems": len(listed),
        "share": float(scores.mean()) / oracle,
        "worst": float(scores.min()),
        "reached": float((scores > 0).mean()),
        "milliseconds": float(np.median(milliseconds)),
    }


def measure(
    seed: int, transitions: int = TRANSITIONS, steps_scale: float = 1.0, problems: int = PROBLEMS["roadmap"]
) -> Row:
    """Collect, factor, train, and drive the list."""
    task, begun = make_task(WORLD), time.process_time()
    whole = make_recipe("unfold-roadmap", default_embedding(task.system.frame_shape, task=task)).scaled(steps_scale)
    generator = torch.Generator().manual_seed(seed)
    with TemporaryDirectory() as folder:
        envs = make_vector_env(WORLD, 32, frame_stack=1)
        data = collect(envs, Path(folder) / "data", transitions, 12, starts="sampled", frame_stack=1, seed=seed)
        recipe = replace(whole, phases=whole.phases[:1])  # the map alone
        trainer = Trainer(recipe, data, data.split(0.05, seed=0)[0], seed=seed, device=torch.device("cpu"))
        while not trainer.finished:
            trainer.advance()
        own, interaction = found_groups(data)
        mapped = trainer.embedding.eval()
        movers = [_mover(mapped, len(group), generator) for group in own]
        rows = np.arange(len(data.actions))
        with torch.inference_mode():
            parts = [torch.from_numpy(data.frames_at(part)) for part in np.array_split(rows, len(rows) // 500 + 1)]
            views = torch.cat([mapped.pixels(unit_pixels(part)) for part in parts])
        views = views.clone()  # learning is not of tensors of inference
        follow(movers, own, views, data, round(FOLLOWED * steps_scale), generator)
        with torch.inference_mode():
            features = torch.cat([movers[0].encoder.features(part) for part in views.split(4096)])
        features = features.clone()
        for mover, group in zip(movers, own, strict=True):
            lay_out(mover, group, features, data, round(PASSED * steps_scale), generator)
    trained = time.process_time() - begun
    agents = [E2CAgent.from_embedding(mover.eval(), PlanningOptions.suiting(mover), seed) for mover in movers]
    row = {"world": WORLD, "transitions": transitions, "list": LIST if seed < 100 else 100}
    row |= drive(agents, own, task, problems, row["list"])
    return row | {
        "seed": seed,
        "groups": own,
        "interactions": np.round(interaction, 1).tolist(),
        "training_cpu_seconds": trained,
    }


def _mover(mapped: Embedding, actions: int, generator: torch.Generator) -> Embedding:
    """Return an embedding for a mover with so many actions, with the pixels and the encoder of a finished one."""
    made = Embedding(replace(mapped.config, reachability=actions), mapped.observation_shape, actions, generator)
    for name in ("pixels", "encoder"):
        made.get_submodule(name).load_state_dict(copy.deepcopy(mapped.get_submodule(name).state_dict()))
    return made


def report(rows: list[Row]) -> None:
    """Print the mean and the worst seed."""
    shares, reached = ([row[key] for row in rows] for key in ("share", "reached"))
    print(
        f"a roadmap for each mover, {len(rows)} seeds: reached {np.mean(reached):.0%}, worst {min(reached):.0%}; "
        f"{np.mean(shares):.3f} of the oracle's, worst {min(shares):.3f}"
    )


def quick() -> None:
    print(TOLD.format(**measure(100, 2_400, 0.01, 2)))


TOLD = (
    "seed {seed}, movers with actions {groups}: reached {reached:.0%}, {share:.3f} of the oracle's, "
    "{milliseconds:.1f} CPU-ms a step, trained in {training_cpu_seconds:.0f} CPU-s"
)
EXPERIMENT = Experiment(__file__, {"seed": range(3)}, measure, TOLD, quick, report=report)

if __name__ == "__main__":
    EXPERIMENT.main()
