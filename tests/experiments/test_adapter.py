"""Both loops reach the same: by a sketch of stable-worldmodel, and by its own classes (`pytest -m peer`)."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from e2c_control import E2CAgent, PlanningOptions
from e2c_control.agents import EmbeddingCost, PlanningSolver

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not (ROOT / "experiments").is_dir(), reason="the experiments are part of a checkout, not of the installed package"
)
PROBLEMS = np.array([[[40.0, 60], [75, 90]], [[60, 49], [160, 60]], [[30, 180], [30, 60]], [[190, 60], [140, 190]],
                     [[30, 190], [190, 190]]])  # fmt: skip
"""The last is too far for 50 steps."""
SOLVERS: dict[str, dict[str, Any]] = {
    "CEMSolver": {"num_samples": 50, "n_steps": 5, "topk": 10},
    "ICEMSolver": {"num_samples": 50, "n_steps": 5, "topk": 10},
    "MPPISolver": {"num_samples": 50, "n_steps": 5},
    "PredictiveSamplingSolver": {"num_samples": 50},
    "GradientSolver": {"n_steps": 20, "optimizer_kwargs": {"lr": 0.05}},
}


@pytest.fixture(scope="module")
def adapter() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        from experiments.worlds import adapter

        return adapter


def trained(adapter: Any, rooms: Any, path: Path) -> Any:
    """Return a map that has learnt for a moment."""
    return adapter.two_room.trained(adapter.two_room.record(rooms, path, "expert", 900, 100), 100, 0.05)[0]


@pytest.fixture(scope="module")
def embedding(adapter: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return trained(adapter, adapter.Sketch(), tmp_path_factory.mktemp("sketch") / "data")


def both(adapter: Any, peer: Any, embedding: Any, planner: str) -> tuple[Any, np.ndarray, Any]:
    """Drive by the loop of the experiment on two rooms, and in a world that evaluates.

    Returns which were missed (N,), where those of the loop ended, and the world: what is reached is driven on for a
    while by the loop alone.
    """
    agent = E2CAgent.from_embedding(embedding, adapter.two_room.WAYS[planner], 5)
    rooms = [peer.rooms() for _ in PROBLEMS]
    driven = adapter.two_room.drive(agent, rooms, PROBLEMS, adapter.KINDS["25/50"].steps, np.random.default_rng(0))
    plans, world = adapter.Plans(agent.options.horizon), peer.world(len(PROBLEMS))
    watched = replace(peer, world=lambda count: world)
    reached, milliseconds = adapter.evaluate(
        watched, lambda watch: PlanningSolver(agent, watch.frames), plans, PROBLEMS, "25/50"
    )
    assert milliseconds > 0
    assert set(driven.reached) == {True, False}
    np.testing.assert_array_equal(reached, driven.reached)
    return ~reached, driven.ends[~reached], world


@pytest.mark.filterwarnings("ignore:No recorded")
@pytest.mark.parametrize("planner", ["roadmap", "ilqr"])
def test_both_loops_end_at_the_same_places(adapter: Any, embedding: Any, planner: str) -> None:
    missed, ends, world = both(adapter, adapter.SKETCHED, embedding, planner)
    np.testing.assert_allclose(np.array([rooms.position for rooms in world.rooms])[missed], ends, atol=1e-3)


def test_what_differs_is_counted(adapter: Any) -> None:
    rows = [
        {"seed": 0, "list": name, "planner": planner, "loop": loop, "reached": reached}
        for name in adapter.LISTS
        for planner in adapter.OURS
        for loop, reached in ((adapter.LOOP, [1, 0, 1]), (adapter.WORLD, [1, 1, 0] if planner == "ilqr" else [1, 0, 1]))
    ]
    found = adapter.differing(rows)
    assert found == {f"{p}, {n}": 2 * (p == "ilqr") for p in adapter.OURS for n in adapter.LISTS}


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("planner", ["roadmap", "ilqr"])
def test_both_loops_end_at_the_same_places_of_the_true_world(adapter: Any, tmp_path: Path, planner: str) -> None:
    peer = adapter.stable_worldmodel()
    embedding = trained(adapter, peer.rooms(), tmp_path / "data")
    missed, ends, world = both(adapter, peer, embedding, planner)
    places = np.array([env.unwrapped.agent_position.numpy() for env in world.envs.envs])
    np.testing.assert_allclose(places[missed], ends, atol=1e-3)


@pytest.mark.peer
@pytest.mark.parametrize("name", SOLVERS)
def test_their_solvers_lower_the_cost(adapter: Any, embedding: Any, name: str) -> None:
    package = adapter.two_room.imported("stable_worldmodel")
    cost = EmbeddingCost(embedding, PlanningOptions(), adapter.Stopwatch().frames)
    solver = getattr(package.solver, name)(cost, **SOLVERS[name])
    space = adapter.Box(-1, 1, (len(PROBLEMS), 2))
    solver.configure(action_space=space, n_envs=len(PROBLEMS), config=package.PlanConfig(3, 3, action_block=2))
    assert isinstance(solver, package.solver.Solver)
    chunks = adapter.Pairs(adapter.Sketch(), PROBLEMS).load_chunk(np.arange(5), np.zeros(5), np.full(5, 26))
    start, goal = (torch.stack([chunk["pixels"][at].permute(1, 2, 0) for chunk in chunks])[:, None] for at in (0, 1))
    info = {"pixels": start, "goal": goal}
    expanded = {image: values[:, None] for image, values in info.items()}
    found = solver(dict(info))["actions"].float()
    assert found.shape == (5, 3, 4)
    before, after = (cost.get_cost(dict(expanded), tried[:, None]) for tried in (torch.zeros_like(found), found))
    assert (after < before).all()


@pytest.mark.peer
def test_our_solver_is_one_of_theirs(adapter: Any, embedding: Any) -> None:
    package = adapter.two_room.imported("stable_worldmodel")
    solver = PlanningSolver(E2CAgent.from_embedding(embedding))
    solver.configure(action_space=adapter.Box(-1, 1, (3, 2)), n_envs=3, config=package.PlanConfig(1, 1))
    assert isinstance(solver, package.solver.Solver)
