"""Each mistake is one InputError with one sentence, before any work."""

from dataclasses import replace

import numpy as np
import pytest

from e2c_control.errors import InputError
from e2c_control.planners import (
    AICO,
    CEM,
    ICEM,
    ILQR,
    MPC,
    MPPI,
    PLANNERS,
    Cost,
    FunctionCost,
    FunctionDynamics,
    Limits,
    LinearDynamics,
    Linearization,
    Plan,
    QuadraticCost,
    Roadmap,
    Starts,
    TorchILQR,
    make_planner,
)

MODEL = LinearDynamics(np.eye(2), np.ones((2, 1)))
COST = QuadraticCost(np.zeros(2), np.eye(2), np.eye(1))
LIMITS = Limits.symmetric(1.0, 1)
STATES = np.zeros((3, 2))


class Distance(Cost):
    """A cost in three lines, without derivatives."""

    def value(self, states, controls, problems):
        return np.abs(states).sum(axis=(1, 2))


def plan(dynamics=MODEL, cost=COST, states=STATES, horizon=4, limits=LIMITS, warm_start=None, planner=None):
    return (planner or ILQR())(dynamics, cost, states, horizon, limits, warm_start)


def quadratic(goal, m=1):
    return QuadraticCost(goal, np.eye(goal.shape[-1]), np.eye(m))


MISTAKES = {
    "goal is not finite": (lambda: QuadraticCost([np.nan], [[1.0]], [[1.0]]), "the goal must be finite"),
    "goal of rank 4": (lambda: QuadraticCost(np.zeros((1, 1, 1, 1)), [[1.0]], [[1.0]]), "the goal must have shape"),
    "words for a goal": (lambda: QuadraticCost(["up"], [[1.0]], [[1.0]]), "array of real numbers"),
    "weight of another size": (lambda: QuadraticCost([0.0], np.eye(2), [[1.0]]), r"must have shape \(1, 1\)"),
    "weight that is a vector": (lambda: QuadraticCost([0.0], [1.0], [[1.0]]), "state_weight must have shape"),
    "control weight not square": (lambda: QuadraticCost([0.0], [[1.0]], np.ones((1, 2))), "must be a square"),
    "negative weight": (lambda: QuadraticCost([0.0], [[1.0]], [[-1.0]]), "control_weight must be positive"),
    "indefinite weight": (lambda: QuadraticCost(np.zeros(2), [[0, 1], [1, 0]], [[1.0]]), "positive semidefinite"),
    "asymmetric weight": (lambda: QuadraticCost(np.zeros(2), [[1, 1], [0, 1]], [[1.0]]), "must be symmetric"),
    "infinite terminal weight": (lambda: QuadraticCost([0.0], [[1.0]], [[1.0]], [[np.inf]]), "must be finite"),
    "complex goal": (lambda: QuadraticCost([1j], [[1.0]], [[1.0]]), "array of real numbers"),
    "limits that are none": (lambda: plan(limits=(-1, 1)), r"limits is \(-1, 1\): give Limits"),
    "warm start that is no plan": (lambda: plan(warm_start=np.zeros((3, 4, 1))), "warm_start is array.*give the Plan"),
    "limits crossed": (lambda: Limits(np.array([0.0, 1.0]), np.array([1.0, 0.0])), "Control 1 has its low limit above"),
    "limits of two sizes": (lambda: Limits(np.zeros(1), np.ones(2)), "differ in shape"),
    "limit is NaN": (lambda: Limits(np.array([np.nan]), np.ones(1)), "must be a number"),
    "limits exclude everything": (lambda: Limits(np.array([np.inf]), np.array([np.inf])), "must be a number"),
    "limits for other controls": (lambda: plan(limits=Limits.symmetric(1.0, 2)), "limits are for 2 controls"),
    "horizon zero": (lambda: plan(horizon=0), "horizon is 0: give a whole number from 1 to 1000000"),
    "horizon is a fraction": (lambda: plan(horizon=2.5), "^horizon is .*: give a whole number"),
    "horizon is a truth": (lambda: plan(horizon=True), "^horizon is .*: give a whole number"),
    "MPC with horizon zero": (lambda: MPC(ILQR(), MODEL, COST, 0, LIMITS), "^MPC.horizon is 0: give a whole number"),
    "MPC without limits": (lambda: MPC(ILQR(), MODEL, COST, 3, (-1, 1)), "^MPC.limits is .*: give one of class Limits"),
    "no steps left": (lambda: MPC(ILQR(), MODEL, COST, 3, LIMITS).replan(STATES, None, 0), "steps_left is 0"),
    "states of another size": (lambda: plan(states=np.zeros((3, 4))), r"initial states must have shape \(any, 2\)"),
    "one state, not a batch": (lambda: plan(states=np.zeros(2)), "initial states must have shape"),
    "no problems": (lambda: plan(states=np.zeros((0, 2))), "number of problems is 0"),
    "goals for other problems": (lambda: plan(cost=quadratic(np.zeros((2, 2)))), "has 2 goals"),
    "goal of another size": (lambda: plan(cost=quadratic(np.zeros(3))), "goal has 3 numbers"),
    "control weight for others": (lambda: plan(cost=quadratic(np.zeros(2), 2)), "is for 2 controls"),
    "cost without derivatives": (lambda: plan(cost=Distance()), "give Distance a method expand"),
    "warm start for others": (lambda: plan(warm_start=Plan.guess(np.zeros((2, 4, 1)), 2)), r"shape \(3, any, 1\)"),
    "warm start is not finite": (lambda: Plan.guess(np.full((3, 4, 1), np.nan), 2), "guessed controls must be finite"),
    "nothing to start from": (lambda: plan(planner=ILQR(starts=Starts(0, 0, 0))), "nothing to start from"),
    "negative number of starts": (lambda: Starts(uniform=-1), "^Starts.uniform is -1: give"),
    "no step sizes": (lambda: ILQR(step_sizes=()), r"^ILQR.step_sizes is \(\): give at least one"),
    "step size above one": (lambda: ILQR(step_sizes=(2.0,)), "step_sizes.0. is 2.0: give a number above 0 and up to 1"),
    "difference of nothing": (lambda: FunctionDynamics(lambda z, u: z, 2, 1, 0.0), "^difference is 0.0: give a number"),
    "lowered that is none": (lambda: FunctionDynamics(len, 2, 1, lowered=3), "^lowered is 3: give one of class Lo"),
    "A is not square": (lambda: LinearDynamics(np.zeros((2, 3)), np.zeros((2, 1))), "A of LinearDynamics"),
    "B has other rows": (lambda: LinearDynamics(np.eye(2), np.zeros((3, 1))), "B of LinearDynamics must have shape"),
    "A is a number": (lambda: LinearDynamics(1.0, np.zeros((1, 1))), "A of LinearDynamics"),
    "no states": (lambda: FunctionDynamics(lambda z, u: z, 0, 1), "^state_dim is .*: give a whole number"),
    "shift backwards": (lambda: Plan.guess(np.zeros((1, 2, 1)), 2).shift(2, -1), "^steps is .*: give a whole number"),
}  # fmt: skip


OPTIONS = {
    ILQR: {"iterations": (-1, "x"), "step_sizes": ("x",), "tolerance": (-1, np.nan), "armijo": (0, 1),
           "report_gap": (1, "no"), "starts": (3,)},
    AICO: {"iterations": (-1, 0.5), "tolerance": (-1e-9,), "process_noise": (-1, np.inf)},
    CEM: {"iterations": (-1,), "samples": (0, 1.5), "elites": (0, 201), "deviation": (0,), "momentum": (1, -0.1),
          "least_deviation": (-1,)},
    ICEM: {"samples": (True,), "elites": (151,), "color": (-1, None), "kept": (1.1,), "shrink": (0.5,)},
    MPPI: {"iterations": (-1,), "samples": (0,), "deviation": (0,), "temperature": (0, np.inf)},
    Roadmap: {"samples": (1,)},
    TorchILQR: {"iterations": (-1,), "tolerance": (-1,), "step_sizes": ((0.5, 0),)},
}  # fmt: skip


@pytest.mark.parametrize(
    ("planner", "option", "value"),
    [(planner, name, value) for planner, known in OPTIONS.items() for name in known for value in known[name]],
)
def test_an_option_out_of_its_range_is_named(planner, option, value):
    with pytest.raises(InputError, match=rf"^{planner.__name__}\.{option}(\[1\])? is .*: give .*\.$"):
        planner(**{option: value})


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_clear_error(name):
    mistake, words = MISTAKES[name]
    with pytest.raises(InputError, match=words) as raised:
        mistake()
    message = str(raised.value)
    assert message.endswith(".")
    assert "\n" not in message


class OneNumber(QuadraticCost):
    def value(self, states, controls, problems):
        return np.square(states).sum()


class EachStep(QuadraticCost):
    def value(self, states, controls, problems):
        return np.square(states).sum(axis=2)


class Shared(QuadraticCost):
    """Says the same gradient for all trajectories and times."""

    def expand(self, states, controls, problems):
        return replace(super().expand(states, controls, problems), q=np.zeros(2))


@pytest.mark.parametrize("name", PLANNERS)
@pytest.mark.parametrize("kind", [OneNumber, EachStep])
def test_a_cost_that_is_not_one_number_for_each_trajectory_is_named(name, kind):
    with pytest.raises(InputError, match=f"value of {kind.__name__} must be one number for each of"):
        plan(cost=kind(np.zeros(2), np.eye(2), np.eye(1)), planner=make_planner(name))


@pytest.mark.parametrize("name", ["ilqr", "lqr", "aico"])
def test_an_expansion_of_the_wrong_shape_is_named(name):
    with pytest.raises(InputError, match=r"q of Shared's expand must have shape .*, but has \(2,\)"):
        plan(cost=Shared(np.zeros(2), np.eye(2), np.eye(1)), planner=make_planner(name))


@pytest.mark.parametrize("name", PLANNERS)
@pytest.mark.parametrize(
    "step", [lambda z, u: z[:, :1], lambda z, u: z[0], lambda z, u: 0.0], ids=["column", "row", "0"]
)
def test_a_step_of_the_wrong_shape_is_named(name, step):
    with pytest.raises(InputError, match=r"step of FunctionDynamics must return the next states"):
        plan(dynamics=FunctionDynamics(step, 2, 1), planner=make_planner(name))


@pytest.mark.parametrize("part", ["stage", "final"])
def test_a_function_cost_of_one_number_is_named(part):
    def each(states, *rest):
        return np.square(states).sum(axis=1)

    functions = {"stage": each, "final": each, part: lambda *rows: 1.0}
    with pytest.raises(InputError, match=f"FunctionCost's {part} must return one number for each of"):
        plan(cost=FunctionCost(**functions), planner=make_planner("cem"))


def test_a_rollout_of_the_wrong_shape_is_named():
    class Short(LinearDynamics):
        def rollout(self, initial_states, controls):
            return super().rollout(initial_states, controls)[:, 1:]

    with pytest.raises(InputError, match=r"rollout must have shape \(3, 5, 2\)"):
        plan(dynamics=Short(np.eye(2), np.ones((2, 1))), planner=ILQR(starts=Starts(1, 0, 0)))


def test_a_local_model_of_the_wrong_shape_is_named():
    class Flat(LinearDynamics):
        def linearize(self, states, controls):
            local = super().linearize(states, controls)
            return Linearization(local.A[0], local.B, local.o)

    with pytest.raises(InputError, match=r"A of the dynamics' linearize must have shape \(12, 2, 2\)"):
        plan(dynamics=Flat(np.eye(2), np.ones((2, 1))), planner=ILQR(starts=Starts(1, 0, 0)))


@pytest.mark.parametrize("name", PLANNERS)
def test_a_horizon_without_a_fraction_is_a_whole_number(name):
    planner = make_planner(name)
    assert plan(horizon=4.0, planner=planner).controls.tolist() == plan(planner=planner).controls.tolist()


@pytest.mark.parametrize("name", PLANNERS)
def test_functions_may_write_into_what_they_are_given(name):
    def step(z, u):
        return z + 0.5 * u

    def stage(z, u, problems):
        return np.square(z - 1).sum(axis=1) + np.square(u).sum(axis=1)

    def final(z, problems):
        return np.square(z - 1).sum(axis=1)

    def step_in_place(z, u):
        z += 0.5 * u
        return z

    def stage_in_place(z, u, problems):
        z -= 1
        u *= u
        return np.square(z).sum(axis=1) + u.sum(axis=1)

    def final_in_place(z, problems):
        z -= 1
        return np.square(z).sum(axis=1)

    planner, states = make_planner(name), np.array([[0.0, 0.5]])
    pure = plan(FunctionDynamics(step, 2, 1), FunctionCost(stage, final), states, planner=planner)
    there = plan(
        FunctionDynamics(step_in_place, 2, 1), FunctionCost(stage_in_place, final_in_place), states, planner=planner
    )
    assert np.abs(pure.controls).min() > 0.01
    assert (there.controls == pure.controls).all()
    assert (there.states == pure.states).all()
    assert there.cost == pure.cost
