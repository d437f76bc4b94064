"""The torch engine: the compiled engine's plans, and gradients through them against differences."""

import numpy as np
import pytest
import torch

from e2c_control.errors import InputError
from e2c_control.planners import ILQR, FunctionDynamics, Limits, QuadraticCost, Starts
from e2c_control.planners.torch_engine import TorchILQR, box_qp

A = torch.tensor([[1.0, 0.2], [-0.1, 0.95]], dtype=torch.float64)
B = torch.tensor([[0.0, 0.1], [0.3, 0.05]], dtype=torch.float64)
STATES = torch.tensor([[1.0, -0.5], [0.2, 1.5], [-1.0, 0.3]], dtype=torch.float64)
START = torch.zeros(3, 6, 2, dtype=torch.float64)
BOX = torch.full((2,), 0.4, dtype=torch.float64)


def step(states, controls, bend=0.3):
    return states @ A.T + controls @ B.T + bend * torch.sin(states).flip(1)


def cost(states, controls, goal=(0.5, 0.0), weight=1.0, effort=0.2):
    error = states - torch.as_tensor(goal, dtype=torch.float64)
    return weight * (error**2).sum((1, 2)) + effort * (controls**2).sum((1, 2))


@pytest.mark.parametrize("bound", [0.4, 10.0])
def test_it_finds_what_the_compiled_engine_finds(bound):
    box = torch.full((2,), bound, dtype=torch.float64)
    plan = TorchILQR()(step, cost, STATES, START, -box, box, differentiable=True)
    assert plan.converged.all()
    assert (plan.controls.abs() <= bound).all()
    model = FunctionDynamics(lambda z, u: step(torch.from_numpy(z), torch.from_numpy(u)).numpy(), 2, 2)
    planner = ILQR(iterations=300, starts=Starts(1, 0, 0), tolerance=1e-15)
    same = planner(model, QuadraticCost([0.5, 0.0], np.eye(2), 0.2 * np.eye(2)), STATES.numpy(), 6, Limits(-box, box))
    np.testing.assert_allclose(plan.cost.detach().numpy(), same.cost, rtol=1e-9)
    np.testing.assert_allclose(plan.controls.detach().numpy(), same.controls, atol=1e-5)


def test_a_linear_problem_takes_one_iteration():
    def linear(states, controls):
        return step(states, controls, 0.0)

    free = torch.full((2,), torch.inf, dtype=torch.float64)
    once, often = (TorchILQR(iterations=count)(linear, cost, STATES, START, -free, free) for count in (1, 5))
    torch.testing.assert_close(once.controls, often.controls, atol=1e-10, rtol=0)
    assert once.converged.all()


@pytest.mark.parametrize("bound", [0.4, 10.0])
@pytest.mark.parametrize("name", ["goal", "weight", "effort", "bend", "state"])
def test_gradients_through_the_plan_are_those_of_differences(bound, name):
    box, direction = torch.full((2,), bound, dtype=torch.float64), torch.linspace(-1, 1, 36, dtype=torch.float64)
    values = {"goal": [0.5, 0.1], "weight": 1.0, "effort": 0.2, "bend": 0.3, "state": STATES.tolist()}

    def loss(parameters):
        def move(states, controls):
            return step(states, controls, parameters["bend"])

        def price(states, controls):
            return cost(states, controls, parameters["goal"], parameters["weight"], parameters["effort"])

        planner = TorchILQR()
        plan = planner(move, price, parameters["state"], START, -box, box, True)
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

    plan = TorchILQR()(move, cost, STATES, START, -BOX, BOX, differentiable=True)
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


def test_mistakes_are_named():
    with pytest.raises(InputError, match="must fit together"):
        TorchILQR()(step, cost, STATES[:2], START, -BOX, BOX)
    with pytest.raises(InputError, match="low <= high"):
        TorchILQR()(step, cost, STATES, START, BOX, -BOX)
    with pytest.raises(InputError, match="must be finite"):
        TorchILQR()(step, cost, STATES * torch.nan, START, -BOX, BOX)
    with pytest.raises(InputError, match="one number for each of 3 problems"):
        TorchILQR()(step, lambda z, u: (z**2).sum(), STATES, START, -BOX, BOX)
    with pytest.raises(InputError, match=r"step must return the next states \(3, 2\)"):
        TorchILQR()(lambda z, u: z.sum(1, keepdim=True), cost, STATES, START, -BOX, BOX)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_the_same_on_a_gpu():
    def plan(device):
        matrices = A.to(device), B.to(device)

        def move(states, controls):
            return states @ matrices[0].T + controls @ matrices[1].T + 0.3 * torch.sin(states).flip(1)

        arguments = (STATES.to(device), START.to(device), -BOX.to(device), BOX.to(device))
        return TorchILQR()(move, lambda z, u: (z**2).sum((1, 2)) + 0.2 * (u**2).sum((1, 2)), *arguments)

    torch.testing.assert_close(plan("cuda").controls.cpu(), plan("cpu").controls, atol=1e-6, rtol=0)
