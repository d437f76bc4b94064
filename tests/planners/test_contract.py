"""What every planner must do, whatever its method: one signature, one record, the limits, and clear errors."""

from dataclasses import replace

import numpy as np
import pytest

from e2c_control.errors import InputError
from e2c_control.planners import (
    AICO,
    CEM,
    ICEM,
    LQR,
    MPC,
    MPPI,
    PLANNERS,
    CheckedPlanner,
    Cost,
    FunctionDynamics,
    Limits,
    LinearDynamics,
    Plan,
    QuadraticCost,
    StopReason,
    make_planner,
)

LIMITS = Limits(np.array([-0.5, -1.0]), np.array([0.7, 3.0]))
MODEL = LinearDynamics([[1.0, 0.1], [0.0, 1.0]], [[0.0, 0.05], [0.2, 0.0]])
COST = QuadraticCost([[2.0, 0.0], [-1.0, 0.0], [0.0, 0.5]], np.eye(2), 0.01 * np.eye(2))
STATES = np.array([[0.0, 0.0], [1.0, 0.5], [0.3, -1.0]])
SAMPLERS = {"cem": CEM, "icem": ICEM, "mppi": MPPI}


@pytest.fixture(params=sorted(PLANNERS))
def planner(request):
    return make_planner(request.param)


class Distance(Cost):
    """A cost without derivatives."""

    def value(self, states, controls, problems):
        return np.abs(states - COST.goal[problems, None]).sum(axis=(1, 2))


def test_the_plan_is_what_the_record_says(planner):
    plan = planner(MODEL, COST, STATES, 7, LIMITS)
    assert plan.states.shape == (3, 8, 2)
    assert plan.controls.shape == (3, 7, 2)
    assert plan.gains is None or plan.gains.shape == (3, 7, 2, 2)
    assert (plan.controls >= LIMITS.low).all()
    assert (plan.controls <= LIMITS.high).all()
    np.testing.assert_allclose(MODEL.rollout(STATES, plan.controls), plan.states, atol=1e-12)
    np.testing.assert_allclose(COST.value(plan.states, plan.controls, np.arange(3)), plan.cost, rtol=1e-12)
    assert (np.diff(plan.cost_history, axis=1) <= 0).all()
    np.testing.assert_allclose(plan.cost_history[:, -1], plan.cost)
    assert not plan.failed.any()
    assert all(isinstance(reason, StopReason) for reason in plan.reasons)
    for field in ("iterations", "stop_reason", "optimality_residual", "regularisation"):
        assert getattr(plan, field).shape == (3,)


def test_a_warm_start_is_never_made_worse(planner):
    first = planner(MODEL, COST, STATES, 7, LIMITS)
    again = planner(MODEL, COST, STATES, 7, LIMITS, first)
    assert (again.cost <= first.cost * (1 + 1e-12)).all()
    longer = planner(MODEL, COST, STATES, 9, LIMITS, first.shift(9))
    assert longer.controls.shape == (3, 9, 2)


def test_the_same_rng_makes_the_same_plan_and_problems_do_not_mix(planner):
    plan = planner(MODEL, COST, STATES, 7, LIMITS, None, np.random.default_rng(4))
    same = planner(MODEL, COST, STATES, 7, LIMITS, None, np.random.default_rng(4))
    np.testing.assert_array_equal(plan.controls, same.controls)
    alone = QuadraticCost(COST.goal[1], COST.state_weight, COST.control_weight)
    one = planner(MODEL, alone, STATES[1:2], 7, LIMITS, None, np.random.default_rng(4))
    np.testing.assert_allclose(one.controls[0], plan.controls[1], atol=1e-10)


def test_a_state_that_is_not_finite_fails_alone(planner):
    states = STATES.copy()
    states[1, 0] = np.inf
    plan = planner(MODEL, COST, states, 5, LIMITS)
    assert plan.reasons[1] == StopReason.NON_FINITE
    np.testing.assert_array_equal(plan.failed, [False, True, False])
    assert np.isfinite(plan.controls).all()
    np.testing.assert_allclose(
        plan.controls[[0, 2]], planner(MODEL, COST, STATES, 5, LIMITS).controls[[0, 2]], atol=1e-10
    )


def test_dynamics_that_break_are_named_and_survived(planner):
    broken = FunctionDynamics(lambda states, controls: states * np.nan, 2, 2)
    assert planner(broken, COST, STATES, 4, LIMITS).reasons == [StopReason.NON_FINITE] * 3
    plan, record = MPC(planner, broken, COST, 4, LIMITS).replan(STATES)
    assert record.fallback.all()
    assert np.isfinite(plan.controls).all()


def test_it_drives_a_closed_loop(planner):
    mpc, states, plan, rng = MPC(planner, MODEL, COST, 15, LIMITS), STATES, None, np.random.default_rng(0)
    for _ in range(60):
        plan, record = mpc.replan(states, plan, rng=rng)
        assert not record.fallback.any()
        states = MODEL.step(states, plan.controls[:, 0])
    assert np.abs(states - COST.goal)[:, 0].max() < 0.5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"horizon": 0}, "horizon is 0: give a whole number"),
        ({"limits": Limits.none(1)}, "limits are for 1 controls"),
        ({"initial_states": np.zeros((3, 3))}, "initial states must have shape"),
        ({"warm_start": Plan.guess(np.zeros((1, 4, 2)), 2)}, "warm start's controls must have shape"),
    ],
    ids=["horizon", "limits", "states", "warm start"],
)
def test_each_door_is_guarded(planner, change, words):
    arguments = {"dynamics": MODEL, "cost": COST, "initial_states": STATES, "horizon": 4, "limits": LIMITS}
    with pytest.raises(InputError, match=words):
        planner(**(arguments | change))


@pytest.mark.parametrize("name", ["ilqr", "aico", "lqr", "adam", "grasp"])
def test_those_that_need_derivatives_say_so(name):
    with pytest.raises(InputError, match="needs derivatives: give Distance a method expand"):
        make_planner(name)(MODEL, Distance(), STATES, 4, LIMITS)


@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers_need_no_derivatives(name):
    zeros = Distance().value(MODEL.rollout(STATES, np.zeros((3, 6, 2))), np.zeros((3, 6, 2)), np.arange(3))
    assert (SAMPLERS[name]()(MODEL, Distance(), STATES, 6, LIMITS).cost < zeros).all()


@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers_come_near_the_optimum(name):
    optimum = make_planner("ilqr")(MODEL, COST, STATES, 8, Limits.symmetric(1.0, 2)).cost
    found = SAMPLERS[name](iterations=30)(MODEL, COST, STATES, 8, Limits.symmetric(1.0, 2)).cost
    assert (found >= optimum - 1e-9).all()
    assert (found <= 1.05 * optimum + 0.05).all()


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("side", [Limits.none(2), Limits(np.array([-1.0, -np.inf]), np.ones(2))], ids=["none", "one"])
def test_samplers_refuse_an_open_side(name, side):
    with pytest.raises(InputError, match=r"Control \d has no limit on some side"):
        SAMPLERS[name]()(MODEL, COST, STATES, 6, side)


class Penalised(Distance):
    """Pays for each step where the second control is above a bound."""

    def __init__(self, bound, penalty):
        self.bound, self.penalty = bound, penalty

    def value(self, states, controls, problems):
        bad = (controls[..., 1] > self.bound).any(axis=1)
        return super().value(states, controls, problems) + np.where(bad, self.penalty, 0.0)


@pytest.mark.parametrize("bound", [2.6, 1.8, 1.2])  # some samples pay, half of them, most of them
@pytest.mark.parametrize("name", SAMPLERS)
def test_it_does_not_matter_what_bad_samples_pay(name, bound):
    plans = [SAMPLERS[name]()(MODEL, Penalised(bound, pay), STATES, 6, LIMITS) for pay in (1e4, 1e9, np.inf)]
    assert (plans[0].controls[..., 1] <= bound).all()
    for plan in plans[1:]:
        np.testing.assert_array_equal(plan.controls, plans[0].controls)
    assert (plans[0].cost <= plans[0].cost_history[:, 0]).all()


class Coast(CheckedPlanner):
    """A planner of a user's own: it does nothing, or what it did."""

    def plan(self, problem, rng):
        guess = Plan.guess(problem.start(), problem.states.shape[1])
        states = problem.dynamics.rollout(problem.states, guess.controls)
        return replace(guess, states=states, cost=problem.cost.value(states, guess.controls, np.arange(len(states))))


def test_a_planner_of_ones_own_gets_what_has_been_checked():
    with pytest.raises(InputError, match="limits are for 1 controls"):
        Coast()(MODEL, COST, STATES, 4, Limits.none(1))
    plan, record = MPC(Coast(), MODEL, COST, 4, LIMITS).replan(STATES.tolist())
    assert not record.fallback.any()
    np.testing.assert_array_equal(plan.controls, np.zeros((3, 4, 2)))
    warm = Plan.guess(np.full((3, 2, 2), 9.0), 2)
    again = Coast()(MODEL, COST, STATES, 4, LIMITS, warm)
    np.testing.assert_array_equal(again.controls, np.broadcast_to(LIMITS.high, (3, 4, 2)))


def test_lqr_is_exact_on_a_linear_problem_and_stays_within_limits_on_others(pendulum, pendulum_cost):
    free = Limits.none(2)
    once, often = LQR()(MODEL, COST, STATES, 9, free), make_planner("ilqr")(MODEL, COST, STATES, 9, free)
    np.testing.assert_allclose(once.controls, often.controls, atol=1e-10)
    plan = LQR()(pendulum, pendulum_cost, [[0.5, 0.0]], 20, Limits.symmetric(2.0, 1))
    assert np.abs(plan.controls).max() <= 2.0
    assert plan.cost_history.shape == (1, 2)


def test_lqr_reaches_a_goal_that_limits_keep_far():
    """x' = x + u to 3 with |u| <= 1: a full step without a look at later limits is no improvement."""
    line, cost = LinearDynamics([[1.0]], [[1.0]]), QuadraticCost([3.0], [[1.0]], [[0.1]])
    mpc = MPC(LQR(), line, cost, 20, Limits.symmetric(1.0, 1))
    plan, record = mpc.replan([[0.0]])
    assert plan.reasons == [StopReason.CONVERGED]
    assert not record.fallback.any()
    np.testing.assert_allclose(plan.controls[0, :2, 0], 1.0)
    states = [0.0]
    for _ in range(6):
        plan, _ = mpc.replan([[states[-1]]], plan)
        states.append(states[-1] + plan.controls[0, 0, 0])
    np.testing.assert_allclose(states[-1], 3.0, atol=1e-3)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: make_planner("dijkstra"), "choose one of ilqr, aico"),
        (lambda: make_planner("ilrq"), r"no planner 'ilrq' \(did you mean 'ilqr'\?\)"),
        (lambda: make_planner("cem", speed=3), "'cem' has no option 'speed': it takes iterations"),
        (lambda: make_planner("cem", samples=50, elitez=3), r"no option 'elitez' \(did you mean 'elites'\?\)"),
        (lambda: make_planner("ilqr", step_sizes=0.5), "step_sizes is 0.5: give several values"),
        (lambda: make_planner("ilqr", starts=3), "starts is 3: give one of class Starts"),
        (lambda: make_planner("lqr", iterations=3), "'lqr' has no option 'iterations': it takes none"),
        (lambda: CEM(samples=10, elites=11), "elites is 11: give a whole number from 1 to 10"),
        (lambda: CEM(deviation=0.0), "deviation is 0.0: give a number above 0"),
        (lambda: ICEM(shrink=0.5), "shrink is 0.5: give a number of 1 or more"),
        (lambda: ICEM(kept=2.0), "kept is 2.0: give a number from 0 to 1"),
        (lambda: MPPI(temperature=np.nan), "temperature is nan: give a number above 0"),
        (lambda: AICO(process_noise=-1.0), "process_noise is -1.0: give a number of 0 or more"),
    ],
)
def test_options_that_make_no_sense(mistake, words):
    with pytest.raises(InputError, match=words):
        mistake()
