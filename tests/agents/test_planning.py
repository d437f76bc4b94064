"""Options of planning: every planner drives, and only options that mean something to it are taken."""

import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from e2c_control.agents import E2CAgent, FrameFilter, PlanningOptions
from e2c_control.agents.e2c_agent import WAY
from e2c_control.agents.planning import takes
from e2c_control.cli.train import Train
from e2c_control.data import DatasetCard
from e2c_control.envs import make_task
from e2c_control.errors import InputError
from e2c_control.evaluation import drive
from e2c_control.measures import encode_places
from e2c_control.models.embedding import Embedding
from e2c_control.models.planning_model import planning_model
from e2c_control.planners import ICEM, ILQR, LQR, PLANNERS, Landmarks, Planner, Starts
from e2c_control.runs.typed_json import from_json, to_json
from e2c_control.training.presets import default_recipe

GIVEN = {"iterations": 2, "starts": 3, "samples": 20, "linearization": "jacobian"}


def test_what_means_something_to_which_planner() -> None:
    assert {name: takes(name) for name in PLANNERS} == {
        "ilqr": ("iterations", "starts", "linearization"),
        "aico": ("iterations", "linearization"),
        "cem": ("iterations", "samples"),
        "icem": ("iterations", "samples"),
        "mppi": ("iterations", "samples"),
        "lqr": ("linearization",),
        "adam": ("iterations", "starts", "linearization"),
        "grasp": ("iterations", "starts", "linearization"),
        "roadmap": ("samples",),
    }


def surveyed(agent: E2CAgent) -> E2CAgent:
    """The agent with untrained reachability beside its map, and landmarks of random walks."""
    config = replace(agent.embedding.config, reachability=3)
    embedding = Embedding(config, agent.embedding.observation_shape, 2, torch.Generator().manual_seed(0))
    embedding.load_state_dict(agent.embedding.state_dict(), strict=False)
    walks = np.random.default_rng(0).normal(size=(10, 12, 3)).cumsum(1)
    graph, _ = Landmarks.of(list(walks), 40)
    assert embedding.reachability is not None
    assert embedding.passage is not None
    with torch.no_grad():
        for net in (embedding.passage.move, embedding.passage.chance):
            net[-1].bias.fill_(2.0)  # type: ignore[operator]  # it expects to be moved by more than a step
    embedding.reachability.keep(graph, np.zeros((40, 2)))
    return E2CAgent.from_embedding(embedding, agent.options)


def test_each_environment_has_a_memory_of_its_own_episode(agent: E2CAgent) -> None:
    task = make_task("E2C/Planar-v0")
    agent = surveyed(agent)
    agent.options = PlanningOptions(planner="roadmap", horizon=1)
    frames = task.system.render(np.array([[5.0, 5.0], [20.0, 15.0], [30.0, 30.0]]))
    agent.set_goal(frames[2])
    _, state = agent.predict(frames[:2])
    for _ in range(3):
        actions, state = agent.predict(frames[:2], state)  # nothing moves, whatever is done
    assert state.memories is not None
    assert all(len(memory.states) for memory in state.memories)
    assert all((memory.changes == 0).all() for memory in state.memories)
    alone = None
    for _ in range(4):
        action, alone = agent.predict(frames[0], alone)
    np.testing.assert_array_equal(action, actions[0])  # no episode depends on the one beside it
    _, begun = agent.predict(frames[:2], state, np.array([False, True]))
    assert begun.memories is not None
    assert len(begun.memories[0].states) >= len(state.memories[0].states)
    assert not len(begun.memories[1].states)
    assert agent.shown(state).shape == (2, WAY, 2)


def test_a_roadmap_needs_reachability_and_takes_nothing_of_latents(agent: E2CAgent) -> None:
    options = PlanningOptions(planner="roadmap")
    with pytest.raises(InputError, match="train the recipe 'unfold-roadmap'"):
        options.controller(agent.embedding, np.zeros((1, 2)))
    seen = FrameFilter((1.0, 1.0), (0.1, 0.1))
    for strange in ({"disagreement": 1.0}, {"frame_filter": seen}, {"linearization": "model"}):
        with pytest.raises(InputError, match="leave it out"):
            PlanningOptions(planner="roadmap", **strange)  # type: ignore[arg-type]


@pytest.mark.parametrize("ways", ["cost", "terminal"])
def test_any_planner_that_samples_plans_among_places_if_asked(
    agent: E2CAgent, ways: Literal["cost", "terminal"]
) -> None:
    agent = surveyed(agent)
    agent.options = PlanningOptions(planner="cem", samples=20, horizon=2, ways=ways)
    frames = make_task("E2C/Planar-v0").system.render(np.array([[5.0, 5.0], [30.0, 30.0]]))
    agent.set_goal(frames[1])
    actions, state = agent.predict(frames[:1])
    known = agent.embedding.reachability
    assert known is not None
    assert actions.shape == (1, 2)
    assert state.plan.states.shape == (1, 3, known.dim)  # of places, and not of latents
    assert state.memories is not None


def test_planners_that_follow_slopes_are_told_that_ways_have_none() -> None:
    with pytest.raises(InputError, match="ways 'cost' is a cost without slopes: 'ilqr' needs them"):
        PlanningOptions(ways="cost")
    with pytest.raises(InputError, match="rate_weight is of latents, and ways 'terminal' plans among places"):
        PlanningOptions(planner="cem", ways="terminal", rate_weight=1.0)


@pytest.mark.parametrize("name", PLANNERS)
def test_every_planner_drives_within_the_limits(agent: E2CAgent, name: str) -> None:
    task = make_task("E2C/Planar-v0", horizon=3)
    if name == "roadmap":
        agent = surveyed(agent)
    agent.options = replace(PlanningOptions.for_task(task), planner=name, horizon=3)
    driven = drive(agent, task, task.evaluation_problems(100, 2))
    assert np.abs(driven.actions).max() <= 1
    assert not any(replan.fallback.any() for replan in driven.replans)
    again = drive(agent, task, task.evaluation_problems(100, 2))
    np.testing.assert_array_equal(driven.actions, again.actions)


@pytest.mark.parametrize(
    ("planner", "name", "most"), [("ilqr", "horizon", 2_000), ("ilqr", "starts", 10_000), ("cem", "samples", 10_000)]
)
def test_options_that_are_taken_can_be_saved(planner: str, name: str, most: int) -> None:
    options = PlanningOptions(**{"planner": planner, name: most})
    assert from_json(PlanningOptions, to_json(options)) == options
    with pytest.raises(InputError, match=f"{name} is {most + 1}: give a whole number"):
        PlanningOptions(**{"planner": planner, name: most + 1})


@pytest.mark.parametrize(("name", "option"), list(product(PLANNERS, GIVEN)))
def test_an_option_is_taken_or_refused(name: str, option: str) -> None:
    given = {"planner": name, option: GIVEN[option]}
    if option in takes(name):
        planner = PlanningOptions(**given).make_planner()  # type: ignore[arg-type]
        if option in ("iterations", "samples"):
            assert getattr(planner, option) == GIVEN[option]
    else:
        with pytest.raises(InputError, match=f"{option} means nothing to the planner '{name}'"):
            PlanningOptions(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize("planner", [ILQR(starts=Starts(2, 1, 0), step_sizes=(1.0, 0.5)), ICEM(color=1.0), LQR()])
def test_a_planner_that_is_given_is_the_one_that_plans_and_is_saved(planner: Planner) -> None:
    options = PlanningOptions(planner=planner)
    assert options.make_planner() == planner
    assert options.planner in PLANNERS
    assert from_json(PlanningOptions, json.loads(json.dumps(to_json(options)))) == options
    named = PlanningOptions(planner=type(planner), settings=options.settings)
    assert named == options


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"planner": ICEM(), "settings": {"color": 1.0}}, "beside a planner that has its own"),
        ({"planner": ICEM(), "samples": 20}, "samples is given twice"),
        ({"settings": {"step_sizes": "x"}}, r"settings.step_sizes is 'x': give several values"),
        ({"settings": {"iterations": 10**9}}, r"settings.iterations is 1000000000: give a whole number from 0 to"),
        ({"settings": 3}, "settings is 3: give a mapping"),
    ],
)
def test_settings_that_are_none(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        PlanningOptions(**given)


@pytest.mark.parametrize("count", range(1, 8))
def test_starts_are_counted_beside_the_last_plan(count: int) -> None:
    planner = PlanningOptions(starts=count).make_planner()
    assert isinstance(planner, ILQR)
    starts = planner.starts
    assert starts.zeros + starts.uniform + starts.extreme == count
    assert PlanningOptions(starts=5).make_planner() == PlanningOptions().make_planner()


@pytest.mark.parametrize(
    "wrong",
    [{"planner": "newton"}, {"horizon": 0}, {"iterations": -1}, {"starts": 0}, {"planner": "cem", "samples": 1}],
)
def test_what_no_planner_can_do(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        PlanningOptions(**wrong)  # type: ignore[arg-type]


def test_disagreement_needs_an_ensemble_and_weighs_in_the_plan(agent: E2CAgent) -> None:
    options = PlanningOptions(disagreement=1.0)
    goals = np.zeros((1, 2))
    with pytest.raises(InputError, match="train 'unfold-ensemble'"):
        options.controller(agent.embedding, goals)
    config = replace(agent.embedding.config, ensemble=2)
    embedding = Embedding(config, agent.embedding.observation_shape, 2, torch.Generator().manual_seed(0))
    controller = options.controller(embedding, goals)
    states, controls = np.full((1, 2, 2), 0.3), np.full((1, 1, 2), 0.5)
    dynamics = [planning_model(member) for member in (embedding.transition, *embedding.members)]
    predicted = np.stack([d.step(states[:, 0], controls[:, 0]) for d in dynamics])
    plain = PlanningOptions().controller(embedding, goals).cost.value(states, controls, np.zeros(1, np.int64))
    found = controller.cost.value(states, controls, np.zeros(1, np.int64))
    np.testing.assert_allclose(found - plain, predicted.var(axis=0).sum(-1))


@pytest.mark.parametrize(
    ("world", "recipe", "planner"),
    [
        ("E2C/Planar-v0", "unfold", "ilqr"),
        ("E2C/PlanarWalls-v0", "unfold-roadmap", "roadmap"),
        ("E2C/UMaze-v0", "unfold-roadmap", "roadmap"),
        ("E2C/Rooms-v0", "unfold", "ilqr"),  # other walls in every episode: there is no one graph of them
        ("Pendulum-v1", "unfold", "ilqr"),
    ],
)
def test_in_a_world_with_walls_the_defaults_know_ways_around_them(world: str, recipe: str, planner: str) -> None:
    task = None if world == "Pendulum-v1" else make_task(world)
    shape = (24, 24, 1) if task is None else task.system.frame_shape
    assert default_recipe(task) == recipe
    card = DatasetCard(world, {}, shape, 2)
    assert Train(dataset=Path("any"))._recipe(card).name == recipe
    if task is not None:
        agent = E2CAgent(world)
        assert (agent.options.planner, agent.options.horizon == 1) == (planner, planner == "roadmap")
        assert E2CAgent.from_embedding(agent.embedding).options.planner == planner


def test_where_one_image_is_several_places_the_same_move_is_not_tried_for_ever(agent: E2CAgent) -> None:
    agent = surveyed(agent)
    task = make_task("E2C/Planar-v0")
    frames = task.system.render(np.array([[5.0, 5.0], [30.0, 30.0]]))
    known = agent.embedding.reachability
    assert known is not None
    graph = known.graph()
    assert graph is not None
    places = encode_places(agent.embedding, frames[:1])
    known.get_buffer("aliased")[graph.cells(places)] = True  # the image at the start stands for several places
    agent.options = PlanningOptions(planner="roadmap", horizon=1)
    agent.set_goal(frames[1])
    _, state = agent.predict(frames[0])
    for step in range(1, 4):
        _, state = agent.predict(frames[0], state)
        assert state.memories is not None
        assert len(state.memories[0].stalls) == step
        assert not len(state.memories[0].states)  # what comes of a move is not seen, so nothing of it is remembered
