"""The torch engine: the compiled engine's plans, and gradients through them against differences."""

import numpy as np
import pytest
import torch

from e2c_control.errors import InputError
from e2c_control.planners import (
    ILQR,
    FunctionDynamics,
    Limits,
    QuadraticCost,
    Starts,
    StopReason,
    TorchILQR,
    TorchPlan,
)
from e2c_control.planners.torch_engine import box_qp

A = torch.tensor([[1.0, 0.2], [-0.1, 0.95]], dtype=torch.float64)
B = torch.tensor([[0.0, 0.1], [0.3, 0.05]], dtype=torch.float64)
STATES = torch.tensor([[1.0, -0.5], [0.2, 1.5], [-1.0, 0.3]], dtype=torch.float64)
BOX = Limits.symmetric(0.4, 2)


def step(states, controls, bend=0.3):
    return states @ A.T + controls @ B.T + bend * torch.sin(states).flip(1)


def cost(states, controls, goal=(0.5, 0.0), weight=1.0, effort=0.2):
    error = states - torch.as_tensor(goal, dtype=torch.float64)
    return weight * (error**2).sum((1, 2)) + effort * (controls**2).sum((1, 2))


@pytest.mark.parametrize("bound", [0.4, 10.0])
def test_it_finds_what_the_compiled_engine_finds(bound):
    limits = Limits.symmetric(bound, 2)
    plan = TorchILQR()(step, cost, STATES, 6, limits, differentiable=True)
    assert plan.converged.all()
    assert (plan.controls.abs() <= bound).all()
    model = FunctionDynamics(lambda z, u: step(torch.from_numpy(z), torch.from_numpy(u)).numpy(), 2, 2)
    planner = ILQR(iterations=300, starts=Starts(1, 0, 0), tolerance=1e-15)
    same = planner(model, QuadraticCost([0.5, 0.0], np.eye(2), 0.2 * np.eye(2)), STATES.numpy(), 6, limits)
    np.testing.assert_allclose(plan.cost.detach().numpy(), same.cost, rtol=1e-9)
    np.testing.assert_allclose(plan.controls.detach().numpy(), same.controls, atol=1e-5)


def test_a_linear_problem_takes_one_iteration():
    def linear(states, controls):
        return step(states, controls, 0.0)

    once, often = (TorchILQR(iterations=count)(linear, cost, STATES, 6, Limits.none(2)) for count in (1, 5))
    torch.testing.assert_close(once.controls, often.controls, atol=1e-10, rtol=0)
    assert once.converged.all()


@pytest.mark.parametrize("bound", [0.4, 10.0])
@pytest.mark.parametrize("name", ["goal", "weight", "effort", "bend", "state"])
def test_gradients_through_the_plan_are_those_of_differences(bound, name):
    limits, direction = Limits.symmetric(bound, 2), torch.linspace(-1, 1, 36, dtype=torch.float64)
    values = {"goal": [0.5, 0.1], "weight": 1.0, "effort": 0.2, "bend": 0.3, "state": STATES.tolist()}

    def loss(parameters):
        def move(states, controls):
            return step(states, controls, parameters["bend"])

        def price(states, controls):
            return cost(states, controls, parameters["goal"], parameters["weight"], parameters["effort"])

        plan = TorchILQR()(move, price, parameters["state"], 6, limits, differentiable=True)
        return (plan.controls.flatten() * direction).sum() + (plan.states[:, -1] ** 2).sum()

    parameters = {key: torch.tensor(value, dtype=torch.float64) for key, value in values.items()}
    parameters[name].requires_grad_()
    loss(parameters).backward()
    gradient, chosen = parameters[name].grad.flatten(), parameters[name].detach()
    for i in range(min(chosen.numel(), 3)):
        found = []
        for move in (1e-5, -1e-5):
            moved = chosen.clone()
            moved.view(-1)[i] += move
            found.append(loss(parameters | {name: moved}).item())
        assert gradient[i].item() == pytest.approx((found[0] - found[1]) / 2e-5, rel=1e-4, abs=1e-6)


def test_a_network_learns_through_its_plan():
    torch.manual_seed(0)
    network = torch.nn.Linear(2, 2).double()

    def move(states, controls):
        return states + 0.1 * torch.tanh(network(states)) + controls @ B.T

    plan = TorchILQR()(move, cost, STATES, 6, BOX, differentiable=True)
    plan.cost.sum().backward()
    assert all(torch.isfinite(p.grad).all() and p.grad.abs().max() > 0 for p in network.parameters())


def test_the_box_qp_satisfies_its_optimality_conditions():
    torch.manual_seed(1)
    root = torch.randn(200, 3, 3, dtype=torch.float64)
    H, g = root @ root.mT + 0.05 * torch.eye(3), 3 * torch.randn(200, 3, dtype=torch.float64)
    low, high = -torch.rand(200, 3, dtype=torch.float64), torch.rand(200, 3, dtype=torch.float64)
    x, free = box_qp(H, g, low, high)
    w = g + (H @ x.unsqueeze(-1)).squeeze(-1)
    assert ((x >= low) & (x <= high)).all()
    assert ((x - w).clamp(low, high) - x).abs().max() < 1e-7
    assert (free | (x == low) | (x == high)).all()


def test_the_plan_is_the_record_of_all_planners():
    plan = TorchILQR()(step, cost, STATES, 6, BOX)
    assert plan.reasons == [StopReason.CONVERGED] * 3
    assert (len(plan), plan.horizon) == (3, 6)
    assert plan.gains.shape == (3, 6, 2, 2)
    assert (plan.gains[(plan.controls.abs() == 0.4)] == 0).all()
    assert (plan.cost_history.diff(dim=1) <= 0).all()
    assert torch.equal(plan.cost_history[:, -1], plan.cost)
    assert ((plan.iterations > 0) & (plan.iterations < plan.cost_history.shape[1])).all()
    same = ILQR(iterations=300, starts=Starts(1, 0, 0), tolerance=1e-15)(
        FunctionDynamics(lambda z, u: step(torch.from_numpy(z), torch.from_numpy(u)).numpy(), 2, 2),
        QuadraticCost([0.5, 0.0], np.eye(2), 0.2 * np.eye(2)), STATES.numpy(), 6, BOX
    )  # fmt: skip
    in_numpy = plan.select([2, 0]).numpy()
    assert in_numpy.reasons == [StopReason.CONVERGED] * 2
    np.testing.assert_allclose(in_numpy.gains, same.gains[[2, 0]], atol=1e-4)
    assert TorchILQR(iterations=0)(step, cost, STATES, 6, BOX).reasons == [StopReason.ITERATIONS] * 3


@pytest.mark.parametrize("warm", ["plan", "arrays", "guess"])
def test_it_starts_from_a_plan(warm):
    plan = TorchILQR()(step, cost, STATES, 6, BOX)
    start = {"plan": plan, "arrays": plan.numpy(), "guess": TorchPlan.guess(plan.controls, 2)}[warm]
    again = TorchILQR(iterations=0)(step, cost, STATES, 6, BOX, start)
    torch.testing.assert_close(again.controls, plan.controls, atol=0, rtol=0)
    longer = TorchILQR(iterations=0)(step, cost, STATES, 8, BOX, start)
    torch.testing.assert_close(longer.controls[:, 6:], plan.controls[:, 5:].repeat(1, 2, 1), atol=0, rtol=0)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("goal", [[0.5, 0.0], [[0.5, 0.0], [0.1, 0.2], [0.0, 1.0]]], ids=["one goal", "each its own"])
def test_a_quadratic_cost_serves_tensors_too(kind, goal):
    quadratic = QuadraticCost(goal, np.eye(2), 0.2 * np.eye(2), [[3.0, 0.5], [0.5, 2.0]])
    plan = TorchILQR()(lambda z, u: step(z.double(), u.double()).to(kind), quadratic, STATES.to(kind), 6, BOX)
    assert plan.cost.dtype == plan.controls.dtype == kind
    wanted = quadratic.value(plan.states.double().numpy(), plan.controls.double().numpy(), np.arange(3))
    np.testing.assert_allclose(plan.cost.numpy(), wanted, rtol=1e-5 if kind == torch.float32 else 1e-12)


def test_a_state_that_is_not_finite_fails_alone():
    states = STATES.clone()
    states[1, 0] = torch.nan
    plan, whole = (TorchILQR()(step, cost, start, 6, BOX) for start in (states, STATES))
    assert plan.reasons[1] == StopReason.NON_FINITE
    assert plan.failed.tolist() == [False, True, False]
    assert plan.controls.isfinite().all()
    torch.testing.assert_close(plan.controls[[0, 2]], whole.controls[[0, 2]], atol=1e-8, rtol=0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"initial_states": STATES[0]}, r"initial_states must be real with shape \(N, n\)"),
        ({"initial_states": STATES.numpy()}, "initial_states is array.*: give one of class Tensor"),
        ({"initial_states": STATES.long()}, "initial_states must be real"),
        ({"horizon": 0}, "horizon is 0"),
        ({"limits": (-1, 1)}, "limits is .*: give one of class Limits"),
        ({"warm_start": TorchPlan.guess(torch.zeros(2, 6, 2), 2)}, r"controls must have shape \(3, 6, 2\)"),
        ({"warm_start": torch.zeros(3, 6, 2)}, "warm_start is .*: give the plan"),
        ({"cost": lambda z, u: (z**2).sum()}, "one number for each of 3 problems"),
        ({"cost": QuadraticCost(np.zeros(3), np.eye(3), np.eye(2))}, "goal has 3 numbers"),
        ({"dynamics": lambda z, u: z.sum(1, keepdim=True)}, r"step must return the next states \(3, 2\)"),
        ({"dynamics": FunctionDynamics(lambda z, u: z, 2, 2)}, "dynamics is .*: give a function of tensors"),
    ],
    ids=["state", "array", "whole", "horizon", "limits", "warm start", "tensor", "cost", "goal", "step", "dynamics"],
)  # fmt: skip
def test_mistakes_are_named(change, words):
    arguments = {"dynamics": step, "cost": cost, "initial_states": STATES, "horizon": 6, "limits": BOX}
    with pytest.raises(InputError, match=words):
        TorchILQR()(**(arguments | change))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_the_same_on_a_gpu():
    def plan(device):
        matrices = A.to(device), B.to(device)

        def move(states, controls):
            return states @ matrices[0].T + controls @ matrices[1].T + 0.3 * torch.sin(states).flip(1)

        return TorchILQR()(move, lambda z, u: (z**2).sum((1, 2)) + 0.2 * (u**2).sum((1, 2)), STATES.to(device), 6, BOX)

    torch.testing.assert_close(plan("cuda").controls.cpu(), plan("cpu").controls, atol=1e-6, rtol=0)
