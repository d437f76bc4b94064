"""Landmarks and their paths, places that look alike, the planner that goes around walls, and the episode's memory."""

import numpy as np
import pytest

from e2c_control.errors import InputError
from e2c_control.planners import (
    CEM,
    MPC,
    FunctionDynamics,
    Landmarks,
    Limits,
    LinearDynamics,
    Memory,
    QuadraticCost,
    RaisedCost,
    Remembering,
    Roadmap,
    RoadmapCost,
)
from e2c_control.planners.landmarks import EXCESS, excess, farthest_points, steps_between

SIDE = 6
GRID = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij"), axis=-1).reshape(-1, 2)


def on_the_grid(passable=lambda a, b: True):
    """Moves between neighbours of a grid of SIDE x SIDE nodes."""
    near = np.abs(GRID[:, None] - GRID).sum(2) == 1
    return near & np.array([[passable(a, b) for b in GRID] for a in GRID])


def test_paths_on_a_grid_are_as_long_as_the_closed_form_says():
    sources = np.array([0, 7, 35])
    steps = steps_between(on_the_grid(), sources)
    np.testing.assert_array_equal(steps, np.abs(GRID[sources][:, None] - GRID).sum(2))
    near = steps_between(on_the_grid(), sources, most=3)
    np.testing.assert_array_equal(near, np.where(steps <= 3, steps, np.inf))


def test_paths_go_around_a_wall_and_none_leads_out_of_a_closed_room():
    def through(gap):
        return on_the_grid(lambda a, b: {a[1], b[1]} != {2, 3} or a[0] in gap)

    around = steps_between(through([5]), np.array([2]))[0, 3]  # from (0, 2) to (0, 3): down, across, up
    assert around == 5 + 1 + 5
    assert np.isinf(steps_between(through([]), np.array([2]))[0, GRID[:, 1] > 2]).all()


def test_edges_are_one_way():
    line = np.eye(4, k=1, dtype=bool)
    np.testing.assert_array_equal(steps_between(line, np.array([0, 3])), [[0, 1, 2, 3], [np.inf, np.inf, np.inf, 0]])


def test_farthest_points_spread_and_end_where_all_is_covered():
    states = np.repeat(GRID.astype(float), 3, axis=0)
    assert len(farthest_points(states, 100)) == SIDE**2
    few = farthest_points(states, 4)
    assert {tuple(states[row]) for row in few} == {(0, 0), (0, 5), (5, 0), (5, 5)}
    for within in (1.0, 2.0, 4.0):
        rows = farthest_points(states, 4, 100, within)
        assert np.linalg.norm(states[:, None] - states[rows], axis=2).min(1).max() <= within
        assert np.linalg.norm(states[:, None] - states[rows[:-1]], axis=2).min(1).max() > within or len(rows) == 4
    assert len(farthest_points(states, 4, 7, 1.0)) == 7


def corridor(alike, seed=0, episodes=200, length=12):
    """Random walks along 30 places in a row, each seen as a unit vector; `alike` maps places to what is seen."""
    rng, walks = np.random.default_rng(seed), []
    for _ in range(episodes):
        place = [int(rng.integers(30))]
        for step in rng.choice([-1, 1], length):
            place.append(int(np.clip(place[-1] + step, 0, 29)))
        walks.append(np.eye(30)[[alike.get(p, p) for p in place]])
    return walks


def test_the_graph_of_a_corridor_counts_its_steps():
    graph, rows = Landmarks.of(corridor({}), 100)
    places = graph.places.argmax(1)
    assert len(rows) == len(places) == 30
    assert not graph.aliased.any()
    steps = graph.steps_to(np.eye(30)[[4, 20]])
    np.testing.assert_array_equal(steps, np.abs(places - np.array([[4], [20]])))
    way = places[graph.way(np.eye(30)[2], np.eye(30)[6], 7)]
    np.testing.assert_array_equal(way, [2, 3, 4, 5, 6, 6, 6])


@pytest.mark.parametrize("seed", range(3))
def test_a_picture_of_two_places_is_found_and_no_path_leads_through_it(seed):
    graph, _ = Landmarks.of(corridor({24: 6}, seed), 100)
    assert graph.places[graph.aliased].argmax(1).tolist() == [6]
    single = graph.places.argmax(1)
    steps = dict(zip(single, graph.steps_to(np.eye(30)[[10]])[0], strict=True))
    assert steps[20] == 10  # and not along 20 .. 23, through the picture, and 7 .. 10
    assert np.isinf(steps[3])  # cut off: better than a way that is none


def test_doors_are_single_places():
    """A cell that all ways between two rooms lead through is no wormhole."""
    moves = on_the_grid(lambda a, b: {a[1], b[1]} != {2, 3} or a[0] == 3)
    rng, walks = np.random.default_rng(1), []
    for _ in range(400):
        walk = [int(rng.integers(len(GRID)))]
        for _ in range(12):
            walk.append(int(rng.choice(np.flatnonzero(moves[walk[-1]]))))
        walks.append(np.array(walk))
    assert (excess(walks, moves) < EXCESS).all()


def lifted(points):
    """Places (N, 3) of points (N, 2): the third number tells the sides of the wall apart, as reachability learns to."""
    side = np.where(points[:, 0] < 0, -1.0, 1.0) * np.clip(2 - points[:, 1], 0, 1)
    return np.column_stack((points, side))


def room(states, controls, walls=True):
    """A point in the plane, with a wall at x = 0 below y = 2: a move that would cross it has no effect."""
    points = states[:, :2]
    landing = np.clip(points + controls, -3, 3)
    ahead = (points[:, 0] < 0) != (landing[:, 0] < 0)
    share = -points[:, 0] / np.where(ahead, landing[:, 0] - points[:, 0], 1)
    crossing = points[:, 1] + share * (landing[:, 1] - points[:, 1])
    return lifted(np.where((walls & ahead & (crossing < 2))[:, None], points, landing))


@pytest.fixture(scope="module")
def graph():
    rng = np.random.default_rng(0)
    states = [lifted(rng.uniform(-3, 3, (300, 2)))]
    for _ in range(12):
        states.append(room(states[-1], rng.uniform(-1, 1, (300, 2))))
    return Landmarks.of(list(np.stack(states, axis=1)), 150)[0]


START, GOAL, LIMITS = lifted(np.array([[-1.0, -1.0]])), lifted(np.array([[1.0, -1.0]]))[0], Limits.symmetric(1.0, 2)


def driven(planner, cost, dynamics, steps=25, horizon=1, remember=None):
    """Distances to the goal while `room` is driven in by a model of it."""
    state, plan, memory = START, None, Memory.empty(3, 2)
    distances = []
    for _ in range(steps):
        model = dynamics if remember is None else Remembering(dynamics, memory, remember)
        plan, _ = MPC(planner, model, cost, horizon, LIMITS).replan(state, plan)
        hoped, before = model.step(state, plan.controls[:, 0])[0], state[0]
        state = room(state, plan.controls[:, 0])
        memory = memory.after(before, plan.controls[0, 0], hoped, state[0], remember or 1.0)
        distances.append(float(np.linalg.norm(state[0] - GOAL)))
    return np.array(distances)


MODEL, BLIND = FunctionDynamics(room, 3, 2), FunctionDynamics(lambda x, u: room(x, u, walls=False), 3, 2)


def test_the_roadmap_goes_around_where_a_straight_cost_stands_at_the_wall(graph):
    straight = QuadraticCost(GOAL, np.diag([1.0, 1.0, 0.0]), 0.01 * np.eye(2))
    around = RoadmapCost(graph, GOAL, 1.0, 0.01 * np.eye(2))
    assert driven(Roadmap(), straight, MODEL).min() > 0.9
    assert driven(Roadmap(), around, MODEL)[-5:].max() < 0.3
    assert driven(CEM(iterations=3, samples=60), around, MODEL, horizon=3)[-5:].max() < 0.5  # a cost for all samplers
    ahead = RoadmapCost(graph, GOAL, 1.0, 0.01 * np.eye(2), terminal=True)
    assert driven(CEM(iterations=3, samples=60), ahead, MODEL, horizon=3)[-5:].max() < 0.5


def test_a_terminal_cost_is_of_the_steps_taken_and_those_left_at_the_end(graph):
    rng, whose = np.random.default_rng(0), np.zeros(5, np.int64)
    states, controls = rng.uniform(-1, 1, (5, 4, graph.places.shape[1])), rng.uniform(-1, 1, (5, 3, 2))
    along, ahead = (RoadmapCost(graph, GOAL, 2.0, np.eye(2), terminal) for terminal in (False, True))
    first, second, last = (along.value(states[:, t : t + 2], np.zeros((5, 1, 2)), whose) for t in range(3))
    expected = np.minimum(first, 2.0) + np.minimum(second, 2.0) + last + np.square(controls).sum((1, 2))
    np.testing.assert_allclose(ahead.value(states, controls, whose), expected)


def test_a_model_that_is_blind_to_walls_gets_around_by_its_memory(graph):
    cost = RoadmapCost(graph, GOAL, 1.0, 0.01 * np.eye(2))

    assert driven(Roadmap(), cost, BLIND, steps=40).min() > 0.9
    assert driven(Roadmap(), cost, BLIND, steps=40, remember=graph.scale)[-5:].max() < 0.3


def test_memory_replaces_the_model_near_what_it_saw_and_nowhere_else():
    memory, free = Memory.empty(2, 2), LinearDynamics(np.eye(2), np.eye(2))
    state, control = np.array([0.0, 0.0]), np.array([1.0, 0.0])
    assert memory.after(state, control, state + control, np.array([0.9, 0.0]), 1.0) is memory  # as expected
    little = np.array([0.1, 0.0])
    assert (
        memory.after(state, control, state + control, little, 1.0, usual=0.8) is memory
    )  # noise, for all one can tell
    assert len(memory.after(state, control, state + 0.2 * control, state, 1.0, usual=0.8).states) == 1  # it stood
    memory = memory.after(state, control, state + control, state, 1.0, usual=0.4)
    model = Remembering(free, memory, 1.0)
    states = np.array([[0.0, 0.0], [0.1, 0.0], [2.0, 0.0], [0.0, 0.0]])
    controls = np.array([[1.0, 0.0], [0.9, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    after = np.array([[0.0, 0.0], [0.1, 0.0], [3.0, 0.0], [-1.0, 0.0]])
    np.testing.assert_allclose(model.step(states, controls), after)
    np.testing.assert_allclose(model.moves(states, controls)[1], after)
    local = model.linearize(states, controls)
    predicted = np.einsum("bij,bj->bi", local.A, states) + np.einsum("bij,bj->bi", local.B, controls) + local.o
    np.testing.assert_allclose(predicted, after)
    np.testing.assert_allclose(model.rollout(states, controls[:, None])[:, 1], after)


class Hollow(QuadraticCost):
    """Steps to go that are wrong around -1: what comes next is no nearer to the goal at 0."""

    def value(self, states, controls, problems):
        x = states[:, 1:, 0]
        return (np.abs(x) - 1.5 * np.maximum(1 - np.abs(x + 1), 0)).sum(1)


def test_what_was_left_without_coming_nearer_is_raised_until_another_way_is_shorter():
    cost, model, state, memory = Hollow([0.0], [[1.0]], [[1.0]]), LinearDynamics([[1.0]], [[1.0]]), -2.5, None
    visited = {False: list[float](), True: list[float]()}
    for raising, places in visited.items():
        state, memory = np.array([[-2.5]]), Memory.empty(1, 1)
        for _ in range(20):
            seen = RaisedCost(cost, memory, 1.0, 1.0) if raising else cost
            plan = Roadmap(samples=9)(model, seen, state, 1, Limits.symmetric(0.5, 1))
            after = state + plan.controls[:, 0]
            to_go, left = (float(seen.value(np.stack((x, x), 1), np.zeros((1, 1, 1)), [0])[0]) for x in (state, after))
            memory, state = memory.nearer(state[0], 2 + to_go, 2 + left), after
            places.append(float(state[0, 0]))
    assert set(visited[False][-5:]) == {-1.0}
    assert max(visited[True]) > -0.3


@pytest.mark.parametrize(
    ("to_go", "left", "height"),
    [(5.0, 4.0, 0.0), (5.0, 5.0, 1.0), (5.0, 5.5, 1.5), (0.5, 0.8, 0.0), (np.inf, np.inf, 0.0), (5.0, np.nan, 0.0)],
)
def test_a_stalled_place_has_a_step_more_to_go_than_what_followed(to_go, left, height):
    memory = Memory.empty(2, 1).nearer(np.zeros(2), to_go, left)
    np.testing.assert_allclose(
        memory.raised(np.array([[0.0, 0.0], [0.0, 0.5], [2.0, 0.0]]), 2.0), [height, height / 2, 0]
    )


def test_what_may_be_blocked_is_weighed_by_its_chance():
    """Two ways to gain: a long step that mostly fails, and a shorter one that never does."""

    class Risky(LinearDynamics):
        def moves(self, states, controls):
            return np.where(controls[:, 0] > 0.5, 0.3, 1.0), states + controls

        def step(self, states, controls):
            chance, landings = self.moves(states, controls)
            return np.where(chance[:, None] > 0.5, landings, states)

        def rollout(self, initial_states, controls):
            return np.stack((initial_states, self.step(initial_states, controls[:, 0])), axis=1)

    class Left(QuadraticCost):
        def value(self, states, controls, problems):
            return -states[:, -1, 0]

    cost = Left([0.0], [[1.0]], [[1.0]])
    plan = Roadmap(samples=9)(Risky([[1.0]], [[1.0]]), cost, np.zeros((1, 1)), 1, Limits.symmetric(1.0, 1))
    assert plan.controls[0, 0, 0] == 0.5


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"goals": np.zeros(2)}, r"the goals must have shape \(any, 3\)"),
        ({"goals": np.zeros((2, 3))}, "The cost has 2 goals, but there are 1 problems"),
        ({"control_weight": np.eye(3)}, "control_weight is for 3 controls"),
    ],
)
def test_a_cost_that_does_not_fit_is_refused(graph, change, sentence):
    given = {"landmarks": graph, "goals": GOAL, "step_weight": 1.0, "control_weight": np.eye(2)}
    with pytest.raises(InputError, match=sentence):
        Roadmap()(MODEL, RoadmapCost(**(given | change)), START, 1, LIMITS)


def grid_walks(steps=400, episodes=40, wall=()):
    """Random walks on the grid by one or no node, which never enter the nodes of the wall."""
    rng, walks = np.random.default_rng(0), []
    free = [tuple(node) for node in GRID if tuple(node) not in wall]
    for _ in range(episodes):
        walk = [np.array(free[rng.integers(len(free))])]
        for move in rng.integers(-1, 2, (steps, 2)):
            onward = walk[-1] + move
            walk.append(onward if tuple(onward) in free else walk[-1])
        walks.append(np.array(walk, float))
    return walks


def test_steps_in_a_model_are_those_of_its_longest_moves_and_count_the_attempts(monkeypatch):
    monkeypatch.setattr("e2c_control.planners.landmarks.BLUR", 0.02)  # every state is a landmark here

    def moves(states, controls):  # two nodes a step, and half of all steps downwards fail
        landings = np.clip(states + 2 * controls, 0, SIDE - 1)
        return np.where(controls[:, 0] > 0, 0.5, 1.0), landings

    graph, _ = Landmarks.of(grid_walks(), 100)
    assert len(graph.places) == SIDE**2
    known = graph.in_model(moves, Limits.symmetric(1.0, 2))
    recorded, expected = graph.steps_to(np.array([[5.0, 0.0]]))[0], known.steps_to(np.array([[5.0, 0.0]]))[0]
    at = {tuple(place): i for i, place in enumerate(graph.places.astype(int).tolist())}
    assert recorded[at[5, 4]] == 4
    assert expected[at[5, 0]] == 0
    assert expected[at[5, 4]] == pytest.approx(2.0)  # along the row, two nodes at a time
    assert expected[at[1, 0]] == pytest.approx(4.0)  # down, where every move is tried twice
    assert (graph.steps_to(np.array([[5.0, 0.0]]))[0] == recorded).all()  # the graph stays what it was


def test_far_parts_of_a_long_corridor_are_told_apart():
    """Ways of hundreds of steps, as in a maze: nearer is less, however far."""
    line = np.arange(300.0)[:, None]
    there_and_back = [np.concatenate((line, line[::-1]))]
    graph, _ = Landmarks.of(there_and_back, 300)
    known = graph.in_model(
        lambda states, controls: (np.ones(len(states)), np.clip(states + controls, 0, 299)), Limits.symmetric(1.0, 1)
    )
    cost = RoadmapCost(known, [0.0], 1.0, np.zeros((1, 1)))
    left = np.concatenate([cost.to_go(line[place : place + 1]) for place in range(0, 300, 10)])
    assert (np.diff(left) > 5).all()
    assert cost.doubt(line[-1:]) is None


def test_a_wall_that_the_model_does_not_know_is_known_from_what_was_recorded():
    wall = {(row, 3) for row in range(SIDE - 1)}
    graph, _ = Landmarks.of(grid_walks(wall=wall), 100)
    known = graph.in_model(
        lambda states, controls: (np.ones(len(states)), states + 2 * controls), Limits.symmetric(1.0, 2)
    )
    cost = RoadmapCost(known, [0.0, 5.0], 1.0, np.zeros((2, 2)))
    here, beyond = np.array([[0.0, 2.0]]), np.array([[0.0, 4.0]])
    jumped = cost.value(np.stack((here, beyond), 1), np.zeros((1, 1, 2)), np.zeros(1, np.int64))
    assert cost.to_go(beyond) < 1.5
    assert jumped > 4  # a step from this side is valued by what recorded steps lead to from here
    rows = np.repeat(np.stack((here, here + np.array([1.0, 0.0])), 1), 5, axis=0)
    value = cost.value(rows, np.zeros((5, 1, 2)), np.zeros(5, np.int64))
    assert (value == value[0]).all()


def test_one_stays_at_the_goal_by_standing_still_and_not_by_running_into_a_wall():
    class Corner(FunctionDynamics):
        def moves(self, states, controls):
            surely_blocked = controls[:, 0] > 0.9
            return np.where(surely_blocked, 1e-4, np.abs(controls).max(1).clip(0.02)), states + controls

    graph, _ = Landmarks.of(grid_walks(), 100)
    dynamics = Corner(lambda states, controls: states + controls, 2, 2)
    cost = RoadmapCost(graph, [2.0, 2.0], 1000.0, np.eye(2))
    plan = Roadmap()(dynamics, cost, np.array([[2.0, 2.0]]), horizon=1, limits=Limits.symmetric(1.0, 2))
    np.testing.assert_array_equal(plan.controls, np.zeros((1, 1, 2)))


def test_a_goal_that_nothing_recorded_leads_to_is_said_and_the_nearest_place_is_driven_to():
    wall = {(row, 3) for row in range(SIDE)}  # it closes the two columns behind it off
    graph, _ = Landmarks.of(grid_walks(wall=wall), 100)

    def onward(states, controls):
        landings = np.clip(states + controls, 0, SIDE - 1)
        return np.where(landings[:, 1:] > 2.4, states, landings)

    dynamics, limits, here = FunctionDynamics(onward, 2, 2), Limits.symmetric(1.0, 2), np.array([[5.0, 0.0]])

    def end(goal):
        cost, states = RoadmapCost(graph, goal, 1.0, 1e-6 * np.eye(2)), here
        for _ in range(12):
            plan = Roadmap()(dynamics, cost, states, horizon=1, limits=limits)
            states = plan.states[:, 1]
        return cost.doubt(here), states[0]

    said, reached = end([0.0, 2.0])
    assert said is None
    assert np.abs(reached - [0, 2]).max() < 0.3
    said, reached = end([0.0, 4.0])
    assert said is not None
    assert said.startswith("No recorded steps lead from the start to the goal")
    assert np.abs(reached - [0, 2]).max() < 0.6
    said, _ = end([30.0, 0.0])
    assert said is not None
    assert said.startswith("No recorded image is nearer to the goal than ")
