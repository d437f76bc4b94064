"""Every argument of every gradient estimator, baseline and surrogate network changes a gradient or is refused."""

from pathlib import Path
from typing import Any

import torch
from torch.distributions import Bernoulli, Gamma, Independent, Normal

from e2c_control import gradients
from e2c_control.gradients import (
    LAX,
    NVIL,
    RELAX,
    Baseline,
    Estimator,
    LeaveOneOut,
    MovingAverage,
    ScoreFunction,
    SurrogateNetwork,
    check_unbiased,
    gradient_stats,
    make_estimator,
    make_toy,
    train_estimator,
)

from .mechanism import Refused, Row, Seen, Thing, contract, print_of


def seed(value: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(value)


BITS = torch.tensor([0.3, -0.8, 1.1], dtype=torch.float64)
CONTEXT = torch.tensor([[0.5, -1.0]], dtype=torch.float64)


def network(size: int = 3, **options: Any) -> SurrogateNetwork:
    return SurrogateNetwork(size, **{"hidden": (4,), "generator": seed(1), "dtype": torch.float64, **options})


def f(x: torch.Tensor) -> torch.Tensor:
    return 9 * (x - 0.45).square().sum(-1) + x[..., 0] * x[..., 1]


def gradients_of(estimator: Estimator, context: torch.Tensor | None = None) -> Seen:
    """Several estimates, with a step of what the estimator learns between them."""
    made: Any = estimator.double()
    n = max(made.least, 3 * made.multiple)
    found: list[torch.Tensor] = []
    weights = list(made.parameters())
    optimiser = torch.optim.SGD(weights, 0.5) if weights else None
    generator, law = seed(2), Bernoulli
    for _ in range(5):
        parameters = BITS.clone().requires_grad_()
        distribution: Any = Independent(law(logits=parameters), 1)
        try:
            made.check(distribution)
        except ValueError:
            distribution = Independent(Normal(parameters, torch.ones(3, dtype=torch.float64)), 1)
        estimate = made(f, distribution, n, generator=generator, context=context)
        found.append(torch.autograd.grad(estimate.surrogate.sum(), parameters)[0])
        made.update(optimiser)
    return {"gradient": print_of(found)}


def estimating(kind: Any) -> Any:
    def run(folder: Path, **arguments: Any) -> Seen:
        if kind in (RELAX, LAX):
            arguments = {"network": network(), **arguments}
        context = CONTEXT.expand(1, 2)[0] if kind is NVIL and "network" in arguments else None
        return gradients_of(kind(**arguments), context)

    return run


def centring(kind: Any) -> Any:
    return lambda folder, **arguments: gradients_of(ScoreFunction(kind(**arguments)))


TEMPERATURE: dict[str, Any] = {"temperature": [Row("gradient", 2.0), Refused(0.0, "temperature")]}
TABLES: dict[str, Any] = {
    "ARM": {},
    "Concrete": TEMPERATURE,
    "DisARM": {},
    "GeneralisedReparameterisation": {},
    "LAX": {"network": Row("gradient", network(hidden=(5,)))},
    "LeaveOneOut": {},
    "Mean": {},
    "MovingAverage": {"decay": Row("gradient", 0.1)},
    "MuProp": {},
    "NVIL": {
        "network": Row("gradient", network(2)),
        "decay": Row("gradient", 0.1),
        "normalise": Row("gradient", True),
    },
    "NoBaseline": {},
    "OptimalConstant": {},
    "REBAR": {"scale": Row("gradient", 0.3), **TEMPERATURE},
    "RELAX": {"network": Row("gradient", network(hidden=(5,))), "relaxed_f": Row("gradient", True)},
    "RLOO": {},
    "Reparameterisation": {},
    "ScoreFunction": {"baseline": [Row("gradient", MovingAverage()), Row("gradient", LeaveOneOut())]},
    "StraightThrough": {},
    "StraightThroughGumbel": TEMPERATURE,
    "VIMCO": {"mean": [Row("gradient", "arithmetic"), Refused("harmonic", "harmonic")]},
}


def valued(folder: Path, **arguments: Any) -> Seen:
    given = {"size": 3, **arguments, "generator": seed(arguments.get("generator", 0))}
    return {"weights": print_of(SurrogateNetwork(**given))}


SURROGATE: dict[str, Any] = {
    "size": Row("weights", 2),
    "hidden": Row("weights", (3, 2)),
    "context_size": Row("weights", 2),
    "generator": Row("weights", 7),
    "dtype": Row("weights", torch.float64),
}

BIT = make_toy("bit")


def trained(folder: Path, **arguments: Any) -> Seen:
    estimator = arguments.pop("estimator", "relax")
    made = make_estimator(estimator, arguments.get("distribution", BIT.distribution), seed(3))
    seen: list[Any] = []
    watch = arguments.pop("watch", None)
    given = {"f": BIT.f, "distribution": BIT.distribution, "steps": 3, "repetitions": 4, **arguments}
    given["generator"] = seed(arguments.get("generator", 0))
    train_estimator(made, watch=watch and (lambda *numbers: seen.append(numbers)), **given)
    return {"weights": print_of(made), "watched": len(seen)}


SHIFTED = Bernoulli(logits=torch.tensor(1.0, dtype=torch.float64))
TRAINING: dict[str, Any] = {
    "estimator": Row("weights", "rebar"),
    "f": Row("weights", lambda b: b),
    "distribution": Row("weights", SHIFTED),
    "steps": Row("weights", 5),
    "learning_rate": Row("weights", 0.1),
    "repetitions": Row("weights", 8),
    "generator": Row("weights", 5),
    "watch": Row("watched", True),
}


def measured(folder: Path, **arguments: Any) -> Seen:
    given = {"estimators": {"rloo": make_estimator("rloo", BIT.distribution)}, "f": BIT.f, "draws": 50}
    given |= {"distribution": BIT.distribution, **arguments, "generator": seed(arguments.get("generator", 0))}
    rows = gradient_stats(**given)
    return {"row": print_of([(row.name, row.evaluations, row.bias, row.variance) for row in rows])}


STATISTICS: dict[str, Any] = {
    "estimators": Row("row", {"arm": make_estimator("arm", BIT.distribution)}),
    "f": Row("row", lambda b: b),
    "distribution": Row("row", SHIFTED),
    "n_samples": Row("row", 4),
    "draws": Row("row", 60),
    "generator": Row("row", 5),
}


def checked(folder: Path, **arguments: Any) -> Seen:
    given = {"estimator": make_estimator("reparameterisation", NORMAL), "f": torch.square, "distribution": NORMAL}
    given |= {"draws": 400, **arguments, "generator": seed(arguments.get("generator", 0))}
    return {"verdict": print_of(repr(check_unbiased(**given)))}


NORMAL = Normal(torch.tensor(0.7, dtype=torch.float64), torch.tensor(1.3, dtype=torch.float64))
CHECK: dict[str, Any] = {
    "estimator": Row("verdict", make_estimator("rloo", NORMAL)),
    "f": Row("verdict", torch.sin),
    "distribution": Row("verdict", Gamma(torch.tensor(2.0).double(), torch.tensor(1.0).double())),
    "n_samples": Row("verdict", 3),
    "tolerance": Row("verdict", 0.0),
    "draws": Row("verdict", 500, beside={"n_samples": 4}),
    "generator": Row("verdict", 5, beside={"n_samples": 4}),
}

CLASSES = {
    name: kind
    for name in gradients.__all__
    if isinstance(kind := getattr(gradients, name), type)
    and issubclass(kind, Estimator | Baseline)
    and kind not in (Estimator, Baseline)
}

THINGS = [
    *(
        Thing(name, kind, estimating(kind) if issubclass(kind, Estimator) else centring(kind), TABLES[name])
        for name, kind in CLASSES.items()
        if name in TABLES
    ),
    Thing("SurrogateNetwork", SurrogateNetwork, valued, SURROGATE),
    Thing("train_estimator", train_estimator, trained, TRAINING),
    Thing("gradient_stats", gradient_stats, measured, STATISTICS),
    Thing("check_unbiased", check_unbiased, checked, CHECK),
]

test_every_argument_has_a_row, test_alike, test_every_argument_counts = contract(THINGS)


def test_every_estimator_is_here() -> None:
    assert set(TABLES) == set(CLASSES), "add the estimator to TABLES in tests/contract/test_gradients.py"
