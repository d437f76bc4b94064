"""Problems that several tests of the planners share."""

from collections.abc import Callable

import numpy as np
import pytest

from e2c_control.planners import Expansion, FunctionDynamics, Linearization, Lowered, QuadraticCost

LinearQuadratic = tuple[Linearization, Expansion, np.ndarray]


def make_linear_quadratic(seed: int, N: int = 2, T: int = 6, n: int = 3, m: int = 2) -> LinearQuadratic:
    """Time-varying affine dynamics, a general convex cost with cross terms, and initial states."""
    rng = np.random.default_rng(seed)

    def convex(*shape: int) -> np.ndarray:
        root = rng.normal(size=(*shape, shape[-1]))
        return root @ root.swapaxes(-1, -2) / shape[-1] + np.eye(shape[-1])

    model = Linearization(
        rng.normal(size=(N, T, n, n)) / np.sqrt(n), rng.normal(size=(N, T, n, m)), rng.normal(size=(N, T, n))
    )
    cost = Expansion(
        q=rng.normal(size=(N, T + 1, n)),
        r=rng.normal(size=(N, T, m)),
        Q=convex(N, T + 1, n),
        R=convex(N, T, m),
        S=0.1 * rng.normal(size=(N, T, m, n)),
    )
    return model, cost, rng.normal(size=(N, n))


@pytest.fixture
def linear_quadratic() -> Callable[..., LinearQuadratic]:
    return make_linear_quadratic


def pendulum_step(states: np.ndarray, controls: np.ndarray) -> np.ndarray:
    """Gym's rod, upright at angle 0, in steps of 0.05 s."""
    angle, speed = states.T
    speed = speed + 0.05 * (15 * np.sin(angle) + 3 * controls[:, 0])
    return np.stack((angle + 0.05 * speed, speed), axis=1)


def pendulum_kernel(parameters, sizes, states, controls, after):
    for b in range(len(states)):
        after[b, 1] = states[b, 1] + 0.05 * (parameters[0] * np.sin(states[b, 0]) + 3 * controls[b, 0])
        after[b, 0] = states[b, 0] + 0.05 * after[b, 1]


def pendulum_derivatives(parameters, sizes, state, control, A, B):
    slope = 0.05 * parameters[0] * np.cos(state[0])
    A[0, 0], A[0, 1], A[1, 0], A[1, 1] = 1 + 0.05 * slope, 0.05, slope, 1.0
    B[0, 0], B[1, 0] = 0.0075, 0.15


@pytest.fixture
def pendulum() -> FunctionDynamics:
    return FunctionDynamics(pendulum_step, 2, 1)


@pytest.fixture(params=[True, False], ids=["with derivatives", "by differences"])
def compiled_pendulum(request) -> FunctionDynamics:
    """The same for the compiled engine."""
    derivatives = pendulum_derivatives if request.param else None
    lowered = Lowered(pendulum_kernel, np.array([15.0]), np.zeros(0, np.int64), derivatives)
    return FunctionDynamics(pendulum_step, 2, 1, lowered=lowered)


@pytest.fixture
def pendulum_cost() -> QuadraticCost:
    """½ (0.1 θ² + 0.01 ω² + 0.01 u²) at each step and ½ (100 θ² + 10 ω²) at the end."""
    return QuadraticCost(np.zeros(2), np.diag([0.05, 0.005]), [[0.005]], np.diag([50.0, 5.0]))
