"""Every option of every planner, of MPC and of `PlanningOptions` changes a plan or is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from e2c_control.agents import E2CAgent, FrameFilter, PlanningOptions
from e2c_control.data import Choices
from e2c_control.models.embedding import Embedding, EmbeddingConfig
from e2c_control.planners import (
    ILQR,
    MPC,
    PLANNERS,
    FunctionDynamics,
    Limits,
    QuadraticCost,
    Starts,
    TorchDynamics,
    TorchILQR,
    make_planner,
)

from .mechanism import Refused, Row, Seen, Thing, contract, print_of

STATES = np.array([[2.5, 0.0], [-1.0, 0.5]])
LIMITS = Limits.symmetric(0.6, 1)
COST = QuadraticCost(np.zeros(2), np.eye(2), [[0.05]])


def _pendulum(states: Any, controls: Any) -> Any:
    angle, rate = states[:, 0], states[:, 1] + 0.1 * (10 * np.sin(states[:, 0]) + 20 * controls[:, 0])
    return np.stack([angle + 0.1 * rate, rate], axis=1)


PENDULUM = FunctionDynamics(_pendulum, 2, 1)


def planned(name: str) -> Any:
    """Runs a planner with its own options, from a fixed generator."""

    def run(folder: Path, **options: Any) -> Seen:
        planner = make_planner(name, **options)
        plan = planner(PENDULUM, COST, STATES, 12, LIMITS, rng=np.random.default_rng(3))
        gap = None if plan.model_gap is None else print_of(plan.model_gap)
        return {"plan": print_of(plan.controls), "model gap": gap, "iterations": print_of(plan.iterations)}

    return run


SAMPLES: dict[str, Any] = {
    "iterations": Row("plan", 2),
    "samples": Row("plan", 60),
    "deviation": Row("plan", 0.2),
}
ELITES: dict[str, Any] = {"elites": Row("plan", 5), "momentum": Row("plan", 0.5)}
OPTIONS: dict[str, Any] = {
    "ilqr": {
        "iterations": Row("plan", 1),
        "starts": Row("plan", Starts(1, 0, 0), beside={"iterations": 3}),
        "step_sizes": Row("plan", (0.5,), beside={"iterations": 1}),
        "tolerance": Row("iterations", 0.5),
        "armijo": Row("plan", 0.99, beside={"iterations": 2}),
        "report_gap": Row("model gap", True),
    },
    "aico": {
        "iterations": Row("plan", 1),
        "tolerance": Row("plan", 0.5),
        "process_noise": Row("plan", 0.3),
    },
    "cem": {**SAMPLES, **ELITES, "least_deviation": Row("plan", 0.4)},
    "icem": {**SAMPLES, **ELITES, "color": Row("plan", 0.0), "kept": Row("plan", 0.0), "shrink": Row("plan", 2.0)},
    "mppi": {**SAMPLES, "temperature": Row("plan", 10.0)},
    "lqr": {},
    "adam": {
        "iterations": Row("plan", 5),
        "starts": Row("plan", Starts(1, 2, 2)),
        "learning_rate": Row("plan", 0.02),
    },
    "grasp": {
        "iterations": Row("plan", 1),
        "starts": Row("plan", Starts(1, 2, 2)),
        "lifted": Row("plan", 3),
        "refined": Row("plan", 5),
        "learning_rate": Row("plan", 0.02),
        "state_rate": Row("plan", 0.3),
        "noise": Row("plan", 0.5),
        "dynamics_weight": Row("plan", 30.0),
        "goal_weight": Row("plan", 0.0),
    },
    "roadmap": {"samples": Row("plan", 5)},
}


def replanned(folder: Path, **changes: Any) -> Seen:
    """Two replans, the second from the plan of the first."""
    made: dict[str, Any] = {"planner": make_planner("ilqr"), "dynamics": PENDULUM, "cost": COST, "limits": LIMITS}
    called = {name: changes.pop(name) for name in ("steps_left", "restarted", "rng") if name in changes}
    mpc = MPC(**{**made, "horizon": 8, **changes})
    first, _ = mpc.replan(STATES, rng=np.random.default_rng(0))
    second, _ = mpc.replan(STATES, first, **{"rng": np.random.default_rng(1), **called})
    return {"plan": print_of(second.controls)}


FEW: Any = {"planner": make_planner("ilqr", iterations=1, starts=Starts(0, 0, 0))}
MPC_TABLE: dict[str, Any] = {
    "planner": Row("plan", make_planner("cem")),
    "dynamics": Row("plan", FunctionDynamics(lambda x, u: _pendulum(x, 2 * u), 2, 1)),
    "cost": Row("plan", QuadraticCost(np.ones(2), np.eye(2), [[0.05]])),
    "horizon": Row("plan", 5),
    "limits": Row("plan", Limits.symmetric(0.1, 1)),
}


def _rod(gravity: float, kind: torch.dtype = torch.float64) -> torch.nn.Module:
    """The pendulum in torch, with gravity as its only weight."""

    class Rod(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gravity = torch.nn.Parameter(torch.tensor(gravity, dtype=kind))

        def forward(self, states: torch.Tensor, controls: torch.Tensor) -> torch.Tensor:
            rate = states[:, 1] + 0.1 * (self.gravity * states[:, 0].sin() + 20 * controls[:, 0])
            return torch.stack((states[:, 0] + 0.1 * rate, rate), 1)

    return Rod()


def in_torch(folder: Path, **options: Any) -> Seen:
    """A plan with a torch model, whose types are those of the tensors that the step was given."""
    rod, seen = _rod(10.0), set[torch.dtype]()

    def step(states: torch.Tensor, controls: torch.Tensor) -> torch.Tensor:
        seen.add(states.dtype)
        return rod.to(states.dtype)(states, controls)

    dynamics = TorchDynamics(**{"step": step, "state_dim": 2, "control_dim": 1, **options})
    plan = ILQR(starts=Starts(1, 0, 0))(dynamics, COST, STATES, 12, LIMITS)
    return {"plan": print_of(plan.controls), "types": sorted(map(str, seen))}


TORCH_DYNAMICS: dict[str, Any] = {
    "step": Row("plan", _rod(5.0)),
    "state_dim": Refused(3, r"initial states must have shape \(any, 3\)"),
    "control_dim": Refused(2, "limits are for 1 controls"),
    "device": [Refused("mars", "device is 'mars'"), Refused("meta", "device is meta", {"step": _rod(10.0)})],
    "dtype": Row("types", torch.float32),
}


def by_torch(folder: Path, **options: Any) -> Seen:
    """A plan by the torch engine."""
    made = TorchILQR(**options)(_rod(10.0), COST, torch.from_numpy(STATES), 12, LIMITS)
    return {"plan": print_of(made.controls), "iterations": print_of(made.iterations)}


TORCH_ILQR: dict[str, Any] = {
    "iterations": Row("plan", 2),
    "tolerance": Row("iterations", 0.5),
    "step_sizes": Row("plan", (0.03,), beside={"iterations": 2}),
}


def _embedding() -> Embedding:
    sizes: Any = {"encoder_hidden": (8,), "decoder_hidden": (8,), "transition_hidden": (8,)}
    config = EmbeddingConfig(latent_dim=2, ensemble=2, heads=("reward",), **sizes)
    return Embedding(config, (8, 8, 1), 1, torch.Generator().manual_seed(0)).eval()


FRAMES = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1), np.uint8)


def driven(folder: Path, **options: Any) -> Seen:
    """Two actions of an agent that replans."""
    agent = E2CAgent.from_embedding(_embedding(), PlanningOptions(**options), seed=0)
    agent.set_goal(FRAMES[0])
    first, state = agent.predict(FRAMES[1:2], None, np.array([True]))
    second, _ = agent.predict(FRAMES[2:3], state, np.array([False]))
    return {"plan": print_of([first, second])}


class Near(QuadraticCost):
    """The same with a hundredth of the weight of states."""

    def __init__(self, goal: Any, state_weight: Any, control_weight: Any) -> None:
        super().__init__(goal, state_weight / 100, control_weight)


PLANNING: dict[str, Any] = {
    "horizon": Row("plan", 3),
    "state_weight": [Row("plan", 0.1), Refused(-1.0, "state_weight")],
    "action_weight": Row("plan", (5.0,)),
    "planner": [Row("plan", "mppi"), Refused("ilqrr", "no planner 'ilqrr'")],
    "iterations": [Row("plan", 0), Refused(3, "iterations", {"planner": "lqr"})],
    "starts": Refused(3, "starts", {"planner": "cem"}),
    "samples": [Row("plan", 9, beside={"planner": "cem"}), Refused(9, "samples")],
    "settings": [
        Row("plan", {"temperature": 10.0}, beside={"planner": "mppi"}),
        Refused({"temperatur": 1.0}, "no option 'temperatur'", {"planner": "mppi"}),
    ],
    "linearization": Row("plan", "model"),
    "disagreement": Row("plan", 100.0),
    "rate_weight": Row("plan", 5.0),
    "delay": [Row("plan", 2), Refused(1, "delay", {"planner": "roadmap"})],
    "action_repeat": Row("plan", 2),
    "ways": [Row("refused", "cost", beside={"planner": "cem"}), Refused("terminal", "without slopes")],
    "goal_cost": [Row("plan", Near, beside={"planner": "cem"}), Refused("quadratik", "no cost 'quadratik'")],
    "objective": [Row("plan", "reward"), Refused("reward", "planned for in the map", {"planner": "roadmap"})],
    "discount": [Row("plan", 0.1, beside={"objective": "reward", "planner": "cem"}), Refused(0.9, "of rewards")],
    "choices": [
        Refused(Choices((2,), (0,)), "the embedding has 1 actions", {"planner": "cem"}),
        Refused(Choices((1,), (0,)), "take a planner that samples"),
    ],
    "frame_filter": Row("plan", FrameFilter((1.0, 1.0), (0.1, 0.1))),
    "episode_steps": Row("plan", 2),
}

THINGS = [
    *(Thing(f"planner {name}", type(make_planner(name)), planned(name), OPTIONS[name]) for name in OPTIONS),
    Thing("TorchDynamics", TorchDynamics, in_torch, TORCH_DYNAMICS),
    Thing("TorchILQR", TorchILQR, by_torch, TORCH_ILQR),
    Thing("MPC", MPC, replanned, MPC_TABLE),
    Thing("PlanningOptions", PlanningOptions, driven, PLANNING),
]

test_every_argument_has_a_row, test_alike, test_every_argument_counts = contract(THINGS)


def test_every_planner_is_here() -> None:
    assert set(OPTIONS) == set(PLANNERS), "add the planner's options to OPTIONS in tests/contract/test_planners.py"
