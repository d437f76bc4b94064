"""An embedding as stable-worldmodel's solvers take it, and planners as its solver; the package itself is not needed.

Its own classes take both in tests/experiments/test_adapter.py, where it is installed.
"""

import subprocess
import sys
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box

from e2c_control.agents import E2CAgent, EmbeddingCost, FrameFilter, PlanningOptions, PlanningSolver
from e2c_control.envs import Task
from e2c_control.errors import InputError
from e2c_control.models.embedding import Embedding
from e2c_control.planners import PLANNERS, QuadraticCost
from tests.agents.test_planning import surveyed

PLACES = np.array([[6.0, 8.0], [20.0, 12.0], [30.0, 25.0], [9.0, 30.0]])
GOALS = np.array([[30.0, 30.0], [8.0, 30.0], [10.0, 8.0], [25.0, 9.0]])


@dataclass(frozen=True)
class Config:
    """What `stable_worldmodel.PlanConfig` has."""

    horizon: int
    receding_horizon: int = 1
    action_block: int = 1
    warm_start: bool = True


def shown(task: Task, places: np.ndarray = PLACES, goals: np.ndarray = GOALS, **more: Any) -> dict[str, Any]:
    """Return the info of environments: images over time, of one time."""
    images = {"pixels": task.system.render(places)[:, None], "goal": task.system.render(goals)[:, None]}
    return {name: torch.from_numpy(image) for name, image in images.items()} | more


def expanded(info: dict[str, Any], samples: int) -> dict[str, Any]:
    """Return what a solver makes of the info: the same for each sample."""
    return {name: value[:, None].expand(len(value), samples, *value.shape[1:]) for name, value in info.items()}


def solver_of(agent: E2CAgent, config: Config, n_envs: int = 4, **options: Any) -> PlanningSolver:
    agent = E2CAgent.from_embedding(agent.embedding, replace(agent.options, **options), agent.seed)
    solver = PlanningSolver(agent)
    solver.configure(action_space=Box(-1, 1, (n_envs, 2)), n_envs=n_envs, config=config)
    return solver


@pytest.fixture
def seeing(located: Embedding) -> E2CAgent:
    """Knows the empty plane: z' = z + 0.3 u, a unit of z is ten pixels."""
    return E2CAgent.from_embedding(located, PlanningOptions(horizon=4))


def test_the_cost_in_the_map_is_what_the_latents_and_actions_say(plane: Task, located: Embedding) -> None:
    options = PlanningOptions(state_weight=3.0, action_weight=(0.5, 2.0))
    cost, tried = EmbeddingCost(located, options), torch.randn(4, 5, 3, 2, generator=torch.Generator().manual_seed(0))
    found = cost.get_cost(expanded(shown(plane), 5), tried)
    assert found.dtype == tried.dtype
    moves = np.concatenate((np.zeros((4, 5, 1, 2)), 0.3 * tried.clip(-1, 1).double().numpy().cumsum(2)), 2)
    away = PLACES[:, None, None] / 10 + moves - GOALS[:, None, None] / 10
    paid = 3 * np.square(away).sum((2, 3)) + (np.array([0.5, 2.0]) * np.square(tried.numpy())).sum((2, 3))
    # Images have pixels: the places that are seen differ from the true ones by hundredths of a unit.
    np.testing.assert_allclose(found.numpy(), paid, rtol=0.02)
    # Two blocks of three actions are six steps.
    blocks = torch.randn(4, 5, 2, 6, generator=torch.Generator().manual_seed(1))
    steps = blocks.reshape(4, 5, 6, 2)
    torch.testing.assert_close(
        cost.get_cost(expanded(shown(plane), 5), blocks), cost.get_cost(expanded(shown(plane), 5), steps)
    )


def test_the_cost_is_the_planners_and_has_its_derivatives(plane: Task, agent: E2CAgent) -> None:
    options = PlanningOptions(state_weight=3.0)
    cost, info = EmbeddingCost(agent.embedding, options), shown(plane)
    tried = torch.rand(4, 1, 6, 2, generator=torch.Generator().manual_seed(0)) - 0.5
    latents, goals = (options.encode(agent.embedding, info[name][:, 0].numpy()) for name in ("pixels", "goal"))
    mpc, rows = options.controller(agent.embedding, goals), np.arange(4)

    def planned(controls: np.ndarray) -> np.ndarray:
        return mpc.cost.value(mpc.dynamics.rollout(latents, controls), controls, rows)

    controls = tried[:, 0].double().numpy()
    assert isinstance(mpc.cost, QuadraticCost)
    variable = tried.clone().requires_grad_()
    value = cost.get_cost(expanded(info, 1), variable)
    np.testing.assert_allclose(value[:, 0].detach().numpy(), planned(controls), rtol=1e-4)
    value.sum().backward()
    for at in ((0, 2, 1), (3, 5, 0)):
        change = np.zeros_like(controls)
        change[at] = 1e-5
        slope = (planned(controls + change) - planned(controls - change))[at[0]] / 2e-5
        assert variable.grad is not None
        assert float(variable.grad[at[0], 0, at[1], at[2]]) == pytest.approx(slope, rel=1e-3)
    assert all(weight.grad is None for weight in (*cost.parameters(), *agent.embedding.parameters()))


def test_a_cost_encodes_anew_what_is_another_image(plane: Task, located: Embedding) -> None:
    cost, tried = EmbeddingCost(located), torch.zeros(4, 1, 1, 2)
    info = expanded(shown(plane), 1)
    before = cost.get_cost(info, tried)
    info["pixels"] = info["goal"]  # in the same dictionary
    assert (cost.get_cost(info, tried) < 1e-9).all()
    assert (before > 1).all()


def test_a_cost_of_anything_else_is_the_planners_too(plane: Task, agent: E2CAgent) -> None:
    """Steps of a roadmap, and what an ensemble disagrees about: costs without tensors."""
    road = surveyed(agent).embedding
    tried = torch.rand(4, 3, 2, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for options in (None, PlanningOptions(goal_cost=Steep)):
        cost, info = EmbeddingCost(road, options), shown(plane)
        options = options or PlanningOptions.suiting(road)
        starts, goals = (options.encode(road, info[name][:, 0].numpy()) for name in ("pixels", "goal"))
        mpc, controls = options.controller(road, goals), tried.double().numpy()
        found = cost.get_cost(expanded(info, 3), tried)
        for n in range(4):
            path = mpc.dynamics.rollout(starts[[n] * 3], controls[n])
            np.testing.assert_allclose(found[n], mpc.cost.value(path, controls[n], np.full(3, n)), rtol=1e-5)
        with pytest.raises(InputError, match="no derivatives"):
            cost.get_cost(expanded(info, 3), tried.clone().requires_grad_())


class Steep(QuadraticCost):
    """Four times the distance."""

    def value(self, states: np.ndarray, controls: np.ndarray, problems: np.ndarray) -> np.ndarray:
        return 4 * super().value(states, controls, problems)


@pytest.mark.parametrize("name", [name for name in PLANNERS if name != "roadmap"])
def test_any_planner_drives_as_the_agent_does(plane: Task, seeing: E2CAgent, name: str) -> None:
    solver = solver_of(seeing, Config(4), planner=name)
    agent = E2CAgent.from_embedding(seeing.embedding, replace(seeing.options, planner=name))
    agent.set_goal(plane.system.render(GOALS))
    places, state = PLACES.copy(), None
    for _ in range(4):
        plan = solver(shown(plane, places, id=np.arange(4)[:, None]))["actions"]
        actions, state = agent.predict(plane.system.render(places), state)
        np.testing.assert_array_equal(plan[:, 0].float().numpy(), actions)
        places += 3 * actions


def test_episodes_end_and_begin_as_if_each_were_alone(plane: Task, agent: E2CAgent) -> None:
    """One is over after two steps and another begins in its place after three, by a planner that remembers."""
    road = surveyed(agent)
    together = solver_of(road, Config(1), planner="roadmap")
    rng = np.random.default_rng(0)
    visited = rng.uniform(5, 35, (6, 5, 2))  # somewhere else at each step, whatever is done: all of it is a surprise
    given = dict[tuple[int, int], np.ndarray]()
    for step in range(6):
        episodes = [0, 1, 2, 3] if step < 2 else [0, 2, 3] if step < 3 else [0, 2, 3, 4]
        goals = GOALS[np.array(episodes) % 4]
        info = shown(plane, visited[step, episodes], goals, id=100 * np.array(episodes)[:, None])
        for episode, action in zip(episodes, together(info)["actions"], strict=True):
            given[episode, step] = action.numpy()
    for episode in range(5):
        steps = [step for number, step in given if number == episode]
        alone = solver_of(road, Config(1), n_envs=1, planner="roadmap")
        for step in steps:
            info = shown(plane, visited[step, [episode]], GOALS[[episode % 4]], id=torch.tensor([[7]]))
            np.testing.assert_array_equal(alone(info)["actions"][0], given[episode, step])
    fresh = solver_of(road, Config(1, warm_start=False), planner="roadmap")
    for step in range(4):
        info = shown(plane, visited[step, :4], id=np.arange(4)[:, None])
        again = solver_of(road, Config(1), planner="roadmap")(info)["actions"]
        np.testing.assert_array_equal(fresh(info)["actions"], again)


def test_blocks_of_actions_are_driven_and_the_rest_goes_on(plane: Task, seeing: E2CAgent) -> None:
    """Plans of four blocks of two, of which two are driven; two environments are a block behind the others."""
    config = Config(4, 2, 2)
    solver = solver_of(seeing, config, iterations=0, starts=1, planner="ilqr")  # the old plan, or zeros: what is less
    wise = solver_of(seeing, config, planner="ilqr")
    first = wise(shown(plane, id=np.arange(4)[:, None]))
    assert first["actions"].shape == (4, 4, 4)
    assert (wise.horizon, wise.action_dim, wise.n_envs) == (4, 4, 4)
    agent = E2CAgent.from_embedding(seeing.embedding, replace(seeing.options, planner="ilqr", horizon=8))
    agent.set_goal(plane.system.render(GOALS))
    _, state = agent.predict(plane.system.render(PLACES))
    np.testing.assert_array_equal(first["actions"].reshape(4, 8, 2), state.plan.controls)
    np.testing.assert_array_equal(first["costs"], state.plan.cost)
    # What goes on is the plan less the four steps that were driven, and its last control.
    solver._kept = dict(wise._kept)
    for rows in ([0, 1], [2, 3], [0, 1, 2, 3]):
        left = [state.plan.controls[rows, 4:], *[state.plan.controls[rows, -1:]] * 4]
        info = shown(plane, state.plan.states[rows, 4] * 10, GOALS[rows], id=np.array(rows)[:, None])
        kept = dict(solver._kept)
        np.testing.assert_array_equal(solver(info)["actions"].reshape(len(rows), 8, 2).numpy(), np.concatenate(left, 1))
        solver._kept = kept


def test_episodes_that_are_over_are_forgotten_and_long_ones_are_not(plane: Task, seeing: E2CAgent) -> None:
    solver = solver_of(seeing, Config(2), n_envs=2)
    for step in range(12):
        solver(shown(plane, PLACES[:2], GOALS[:2], id=np.array([[-1], [step]])))
        assert solver._kept[-1][0].steps.tolist()[solver._kept[-1][1]] == step
    assert len(solver._kept) == 8


def test_frames_are_made_of_images(plane: Task, seeing: E2CAgent) -> None:
    """Of colours four times as large; by a way of one's own; several of them at once, the oldest first."""
    small = shown(plane)["pixels"].numpy()
    large = small.repeat(4, 2).repeat(4, 3).repeat(3, 4)
    info = {"pixels": large, "goal": shown(plane)["goal"], "id": np.arange(4)[:, None]}
    expected = solver_of(seeing, Config(4))(shown(plane, id=np.arange(4)[:, None]))["actions"]
    np.testing.assert_allclose(solver_of(seeing, Config(4))(info)["actions"], expected, atol=0.02)
    own = PlanningSolver(seeing, lambda images: images[:, ::4, ::4, :1] if images.shape[1] > 40 else images)
    own.configure(action_space=Box(-1, 1, (4, 2)), n_envs=4, config=Config(4))
    np.testing.assert_array_equal(own(info)["actions"], expected)

    agent = E2CAgent("E2C/PendulumBalance-v0")
    assert agent.embedding.observation_shape[-1] == 2
    frames = np.random.default_rng(0).integers(0, 256, (3, 2, *agent.embedding.observation_shape[:2], 1), np.uint8)
    stacked = np.concatenate((frames[:, 0], frames[:, 1]), -1)
    agent.set_goal(stacked[:1])
    solver = PlanningSolver(agent)
    solver.configure(action_space=Box(-1, 1, (3, 1)), n_envs=3, config=Config(agent.options.horizon))
    found = solver({"pixels": frames, "goal": frames[[0, 0, 0]], "id": np.arange(3)[:, None]})["actions"]
    np.testing.assert_allclose(found[:, 0], agent.predict(stacked)[0], rtol=1e-5)


def test_what_cannot_be_planned_is_refused(plane: Task, seeing: E2CAgent, agent: E2CAgent) -> None:
    with pytest.raises(InputError, match=r"The actions are \(4, 3\), those of the embedding \(4, 2\)"):
        PlanningSolver(seeing).configure(action_space=Box(-1, 1, (4, 3)), n_envs=4, config=Config(1))
    for options in ({"delay": 1}, {"rate_weight": 1.0}, {"frame_filter": FrameFilter((1.0, 1.0), (0.1, 0.1))}):
        with pytest.raises(InputError, match=r"several steps are driven by one plan: give PlanConfig"):
            solver_of(seeing, Config(4, 2), **options)
        with pytest.raises(InputError, match="see no single steps: leave it out"):
            EmbeddingCost(seeing.embedding, replace(seeing.options, **options))
    with pytest.raises(InputError, match="planner is 'roadmap', but several steps"):
        solver_of(surveyed(agent), Config(5, 5, 5), planner="roadmap")
    solver, info = solver_of(seeing, Config(4)), shown(plane, id=np.arange(4)[:, None])
    with pytest.raises(InputError, match="The info has no 'goal'"):
        solver({name: value for name, value in info.items() if name != "goal"})
    with pytest.raises(InputError, match="Several environments have the same episode id"):
        solver({**info, "id": np.zeros((4, 1), np.int64)})
    with pytest.raises(InputError, match=r"Images are float32 of shape \(1, 40, 40, 1\)"):
        solver({**info, "pixels": info["pixels"] / 255.0})


def test_neither_is_imported_before_it_is_asked_for() -> None:
    code = (
        "import sys, e2c_control.agents as a; print('e2c_control.agents.stable_worldmodel' in sys.modules);"
        "a.EmbeddingCost, a.PlanningSolver; print('stable_worldmodel' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\nFalse\n"
