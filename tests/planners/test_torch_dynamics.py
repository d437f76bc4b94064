"""A user's own module as dynamics: derivatives against analytic ones, plans against those of the same equations."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from e2c_control.errors import InputError
from e2c_control.planners import (
    ICEM,
    ILQR,
    MPC,
    Dynamics,
    Limits,
    Starts,
    StopReason,
    TorchDynamics,
    TorchILQR,
    make_planner,
)

LIMITS = Limits.symmetric(2.0, 1)
STATES = np.array([[0.3, 0.0], [-0.4, 1.0], [3.0, 0.0]])


class Rod(nn.Module):
    """The pendulum of conftest.py, with gravity as a weight, behind a dropout that planning must not see."""

    def __init__(self, kind: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.gravity = nn.Parameter(torch.tensor(15.0, dtype=kind))
        self.dropout = nn.Dropout(0.5)

    def forward(self, states, controls):
        angle, speed = states.unbind(1)
        speed = speed + 0.05 * (self.dropout(self.gravity) * torch.sin(angle) + 3 * controls[:, 0])
        return torch.stack((angle + 0.05 * speed, speed), 1)


@pytest.fixture
def rod():
    return TorchDynamics(Rod(), 2, 1)


def draw(rows=20):
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, 2)) * [3, 20], rng.normal(size=(rows, 1))


def test_steps_and_rollouts_are_those_of_the_equations(rod, pendulum):
    assert isinstance(rod, Dynamics)
    states, controls = draw()
    np.testing.assert_allclose(rod.step(states, controls), pendulum.step(states, controls), atol=1e-12)
    controls = np.random.default_rng(1).normal(size=(20, 7, 1))
    np.testing.assert_allclose(rod.rollout(states, controls), pendulum.rollout(states, controls), atol=1e-10)


@pytest.mark.parametrize(("kind", "near"), [(torch.float64, 1e-12), (torch.float32, 1e-5)], ids=["float64", "float32"])
def test_local_models_are_the_analytic_ones(kind, near):
    states, controls = draw()
    model = TorchDynamics(Rod(kind), 2, 1).linearize(states, controls)
    slope = 0.05 * 15 * np.cos(states[:, 0])
    A = np.stack((np.stack((1 + 0.05 * slope, np.full(20, 0.05)), -1), np.stack((slope, np.ones(20)), -1)), 1)
    np.testing.assert_allclose(model.A, A, atol=near)
    np.testing.assert_allclose(model.B, np.broadcast_to([[0.0075], [0.15]], (20, 2, 1)), atol=near)
    there = np.einsum("bij,bj->bi", model.A, states) + np.einsum("bij,bj->bi", model.B, controls) + model.o
    np.testing.assert_allclose(there, TorchDynamics(Rod(), 2, 1).step(states, controls), atol=100 * near)
    assert all(part.dtype == np.float64 for part in (model.A, model.B, model.o))


@pytest.mark.parametrize("name", ["ilqr", "lqr", "aico", "icem", "cem", "mppi"])
def test_every_planner_plans_as_with_the_equations(rod, pendulum, pendulum_cost, name):
    plans = [make_planner(name)(dynamics, pendulum_cost, STATES, 15, LIMITS) for dynamics in (rod, pendulum)]
    np.testing.assert_allclose(plans[0].cost, plans[1].cost, rtol=1e-6)
    np.testing.assert_allclose(plans[0].controls, plans[1].controls, atol=1e-3)


def test_mpc_drives_the_module(rod, pendulum, pendulum_cost):
    ends = []
    for dynamics in (rod, pendulum):
        mpc, states, plan = MPC(ILQR(starts=Starts(1, 0, 0)), dynamics, pendulum_cost, 20, LIMITS), STATES[:2], None
        for _ in range(20):
            plan, record = mpc.replan(states, plan)
            assert not record.fallback.any()
            states = pendulum.step(states, plan.controls[:, 0])
        ends.append(states)
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-5)
    assert np.abs(ends[0]).max() < 0.2


def test_the_torch_engine_plans_with_the_same_module(pendulum_cost, pendulum):
    planner = ILQR(iterations=300, starts=Starts(1, 0, 0), tolerance=1e-12)
    plan = TorchILQR()(Rod().eval(), pendulum_cost, torch.from_numpy(STATES[:2]), 15, LIMITS)
    assert plan.reasons == [StopReason.CONVERGED] * 2
    same = planner(pendulum, pendulum_cost, STATES[:2], 15, LIMITS)
    np.testing.assert_allclose(plan.cost, same.cost, rtol=1e-7)
    np.testing.assert_allclose(plan.controls, same.controls, atol=1e-4)


def test_a_module_in_float32_is_planned_with(pendulum, pendulum_cost):
    plans = [
        planner(dynamics, pendulum_cost, STATES[:2], 15, LIMITS).cost
        for planner in (ILQR(starts=Starts(1, 0, 0)), ICEM())
        for dynamics in (TorchDynamics(Rod(torch.float32), 2, 1), pendulum)
    ]
    np.testing.assert_allclose(plans[0], plans[1], rtol=1e-4)
    np.testing.assert_allclose(plans[2], plans[3], rtol=1e-4)


def test_it_leaves_the_module_as_it_was(rod):
    module = rod._module
    module.dropout.train(False)
    module.gravity.grad = torch.tensor(3.0, dtype=torch.float64)
    rod.linearize(*draw())
    rod.rollout(np.zeros((2, 2)), np.ones((2, 3, 1)))
    assert (module.training, module.dropout.training) == (True, False)
    assert module.gravity.grad == 3.0
    with pytest.raises(ValueError, match="too many values"):
        rod.step(np.zeros((1, 3)), np.zeros((1, 1)))
    assert module.training


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_derivatives_do_not_ask_what_is_around_them(rod, mode):
    with mode():
        model = rod.linearize(*draw())
    np.testing.assert_array_equal(model.A, rod.linearize(*draw()).A)


def test_it_follows_a_module_that_goes_on_learning_or_moves(rod):
    before = rod.step(*draw())
    with torch.no_grad():
        rod._module.gravity.mul_(2)
    assert (rod.step(*draw()) != before).any()
    rod._module.float()
    assert (rod.step(*draw()) == rod.step(*draw()).astype(np.float32)).all()


def test_a_method_of_a_module_is_called_as_the_module_is(rod):
    by_method = TorchDynamics(rod._module.forward, 2, 1)
    np.testing.assert_array_equal(by_method.step(*draw()), rod.step(*draw()))


@pytest.mark.parametrize("rows", [1, 300])
def test_one_call_of_the_step_for_all_rows(rows):
    calls = []

    def step(states, controls):
        calls.append(len(states))
        states += controls  # and it may write into what it is given
        return states.sin()

    states, controls = np.ones((rows, 2)), np.ones((rows, 1))
    model = TorchDynamics(step, 2, 1).linearize(states, controls)
    assert calls == [rows]
    assert (states == 1).all()
    np.testing.assert_allclose(model.A, np.broadcast_to(np.cos(2.0) * np.eye(2), (rows, 2, 2)))
    np.testing.assert_allclose(model.B, np.full((rows, 2, 1), np.cos(2.0)))


def test_a_step_that_ignores_its_control_has_no_derivative_by_it():
    model = TorchDynamics(lambda z, u: z.cos(), 2, 3).linearize(np.ones((4, 2)), np.ones((4, 3)))
    np.testing.assert_array_equal(model.B, np.zeros((4, 2, 3)))


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: TorchDynamics(Rod(), 0, 1), "state_dim is 0"),
        (lambda: TorchDynamics(Rod(), 2, 1, dtype=torch.float32), "dtype is torch.float32, but the module's"),
        (lambda: TorchDynamics(Rod(), 2, 1, device="meta"), "device is meta, but the module's weights have cpu"),
        (lambda: TorchDynamics(torch.add, 2, 1, device="mars"), "device is 'mars'.*torch has no such tensors"),
        (lambda: TorchDynamics(torch.add, 2, 1, dtype=3), "^dtype is 3: give one of class dtype"),
        (lambda: TorchDynamics(torch.add, 2, 1, dtype=torch.int64), "dtype is torch.int64: give a real one"),
        (lambda: TorchDynamics(lambda z, u: z[:, :1], 2, 1).step(*draw()), r"must return the next states \(20, 2\)"),
        (lambda: TorchDynamics(lambda z, u: (z, u), 2, 1).step(*draw()), "what step returns is .*class Tensor"),
        (lambda: TorchDynamics(lambda z, u: z.detach(), 2, 1).linearize(*draw()), "has no derivative"),
    ],
)  # fmt: skip
def test_mistakes_are_named(mistake, words):
    with pytest.raises(InputError, match=words):
        mistake()


def test_torch_is_loaded_only_when_it_is_asked_for():
    code = (
        "import sys, e2c_control.planners as p; assert 'torch' not in sys.modules and 'TorchPlan' in p.__all__; "
        "p.TorchDynamics; assert 'torch' in sys.modules; p.Missing"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip().endswith("AttributeError: module 'e2c_control.planners' has no attribute 'Missing'")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_the_same_on_a_gpu(rod):
    there = TorchDynamics(Rod().cuda(), 2, 1)
    np.testing.assert_allclose(there.step(*draw()), rod.step(*draw()), atol=1e-12)
    np.testing.assert_allclose(there.linearize(*draw()).A, rod.linearize(*draw()).A, atol=1e-12)
