"""The term that learns through the planner: against the linear-quadratic solution, its gradient against differences."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest
import torch

from e2c_control.errors import InputError
from e2c_control.models.gaussian import DiagonalGaussian
from e2c_control.objectives.hindsight import Hindsight
from e2c_control.objectives.unrolled import Unrolled, alone
from e2c_control.planners.torch_engine import TorchILQR

A = torch.tensor([[1.0, 0.2, 0.0], [-0.1, 0.9, 0.1], [0.0, 0.0, 0.8]], dtype=torch.float64)
B = torch.tensor([[0.0, 0.1], [0.3, 0.0], [0.0, 0.0]], dtype=torch.float64)
STEPS, COUNT, WEIGHT = 4, 5, 7.0


def linear(error: torch.Tensor) -> Unrolled:
    """Windows of a linear system, z' = A z + B u, whose last codes are off by so much (N, 3)."""
    g = torch.Generator().manual_seed(0)
    actions = torch.rand(STEPS, COUNT, 2, generator=g, dtype=torch.float64) - 0.5
    means = [torch.randn(COUNT, 3, generator=g, dtype=torch.float64)]
    for u in actions:
        means.append(means[-1] @ A.T + u @ B.T)
    means[-1] = means[-1] + error
    mean = torch.stack(means)
    transition = SimpleNamespace(predict=lambda z, u: z @ A.T + u @ B.T)
    parts = {"posterior": DiagonalGaussian(mean, mean), "actions": actions, "gather": alone}
    return cast(Unrolled, SimpleNamespace(embedding=SimpleNamespace(transition=transition), **parts))


def test_a_model_that_predicts_plans_what_was_done() -> None:
    assert Hindsight(WEIGHT)(linear(torch.zeros(COUNT, 3))).item() == pytest.approx(0.0, abs=1e-20)


def test_an_error_counts_by_the_actions_that_make_up_for_it() -> None:
    # The last state moves by C du; du minimises |du|^2 + w |C du - e|^2 / s^2.
    C = torch.cat([torch.linalg.matrix_power(A, STEPS - 1 - t) @ B for t in range(STEPS)], dim=1)
    e = 0.05 * torch.randn(COUNT, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    unrolled = linear(e)
    variance = unrolled.posterior.mean.flatten(0, 1).var(0, correction=0).mean()
    move = e @ torch.linalg.solve(C.T @ C + torch.eye(2 * STEPS) * variance / WEIGHT, C.T).T
    found = Hindsight(WEIGHT)(unrolled)
    torch.testing.assert_close(found, move.square().mean())
    # What no action reaches, the third coordinate, costs nothing.
    unreachable = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).expand(COUNT, 3)
    assert Hindsight(WEIGHT)(linear(unreachable)).item() == pytest.approx(0.0, abs=1e-20)


def test_only_so_many_windows_are_planned() -> None:
    e = torch.zeros(COUNT, 3, dtype=torch.float64)
    e[2:] = 0.3
    assert Hindsight(WEIGHT, windows=2)(linear(e)).item() == pytest.approx(0.0, abs=1e-20)
    assert Hindsight(WEIGHT, windows=3)(linear(e)).item() > 1e-5


@pytest.mark.parametrize("form", ["full", "nonlinear"])
def test_gradients_through_the_plan_are_those_of_differences(unroll: Callable[..., Unrolled], form: str) -> None:
    embedding = unroll(matrix_form=form).embedding.double()
    torch.nn.init.normal_(embedding.transition.head.weight, std=0.1, generator=torch.Generator().manual_seed(0))
    term = Hindsight(0.01)  # codes of a new encoder lie close together
    term.planner = TorchILQR(tolerance=1e-10)
    parameters = [p for part in (embedding.encoder, embedding.transition) for p in part.parameters()]
    g = torch.Generator().manual_seed(1)
    directions = [torch.randn(p.shape, generator=g, dtype=p.dtype) for p in parameters]

    def value() -> torch.Tensor:
        return term(unroll(embedding=embedding))

    gradients = torch.autograd.grad(value(), parameters, allow_unused=True, materialize_grads=True)
    for part in (slice(0, 2), slice(len(parameters) - 2, None), slice(None)):
        moved: list[float] = []
        for h in (1e-5, -2e-5):
            with torch.no_grad():
                for p, d in zip(parameters[part], directions[part], strict=True):
                    p += h * d
            moved.append(value().item())
        with torch.no_grad():
            for p, d in zip(parameters[part], directions[part], strict=True):
                p += 1e-5 * d
        along = sum((g * d).sum().item() for g, d in zip(gradients[part], directions[part], strict=True))
        assert abs(along) > 1e-4
        assert (moved[0] - moved[1]) / 2e-5 == pytest.approx(along, rel=1e-4)


@pytest.mark.parametrize("options", [{"windows": 0}, {"iterations": 0}, {"goal_weight": 0.0}])
def test_options_out_of_range(options: dict[str, float]) -> None:
    with pytest.raises(InputError, match="'hindsight' needs windows, iterations and a goal weight above 0"):
        Hindsight(**options)  # type: ignore[arg-type]
