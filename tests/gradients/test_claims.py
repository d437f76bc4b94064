"""What an estimator says of its bias holds with every option that it takes."""

import inspect
import itertools

import pytest
import torch
from torch.distributions import Bernoulli, Normal

from e2c_control.gradients import (
    ESTIMATORS,
    LAX,
    NVIL,
    REBAR,
    RELAX,
    VIMCO,
    Concrete,
    Estimator,
    LeaveOneOut,
    Mean,
    MovingAverage,
    NoBaseline,
    OptimalConstant,
    ScoreFunction,
    StraightThroughGumbel,
    SurrogateNetwork,
    check_unbiased,
    estimators_for,
)

from .problems import PROBLEMS, D, double, unsettle


def network():
    return SurrogateNetwork(1, (4,), generator=torch.Generator().manual_seed(1), dtype=D)


OPTIONS = {
    ScoreFunction: {
        "baseline": (None, NoBaseline(), Mean(), MovingAverage(0.5), OptimalConstant(), LeaveOneOut()),
    },
    # A network looks at a context, which the check does not give.
    NVIL: {"network": (None,), "decay": (0.0, 0.9), "normalise": (False, True)},
    VIMCO: {"mean": ("geometric", "arithmetic")},
    REBAR: {"scale": (0.0, 1.7), "temperature": (0.1, 3.0)},
    RELAX: {"network": (network(),), "relaxed_f": (False, True)},
    LAX: {"network": (network(),)},
    Concrete: {"temperature": (0.2, 1.0)},
    StraightThroughGumbel: {"temperature": (0.2, 1.0)},
}


def every_option():
    for kind, options in OPTIONS.items():
        for values in itertools.product(*options.values()):
            chosen = dict(zip(options, values, strict=True))
            words = ", ".join(
                f"{name}={value if isinstance(value, (int, float, str, type(None))) else type(value).__name__}"
                for name, value in chosen.items()
            )
            yield pytest.param(kind, chosen, id=f"{kind.__name__}({words})")


def twenty_times(b):
    return 20 * (b - 0.45).square() + 6 * torch.sin(2 * b)


@pytest.mark.parametrize(("kind", "options"), [*every_option()])
def test_bias_with_every_option(kind, options):
    continuous = kind is LAX
    distribution = (
        Normal(double(0.7, -0.2), double(1.3, 0.4)) if continuous else Bernoulli(logits=double(-3.0, -0.5, 1.5))
    )
    estimator = kind(**options)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):  # running statistics are those of a training under way
        estimator(twenty_times, distribution, 4, generator=generator)
        estimator.update()
    if kind in (RELAX, LAX):
        unsettle(estimator)
    check = check_unbiased(estimator, twenty_times, distribution, max(estimator.least, 2 if kind is NVIL else 1))
    assert check.unbiased is estimator.unbiased, str(check)
    assert check.method != "z-test"


def test_no_option_of_an_estimator_is_missing_above():
    found = {type(e) for distribution, _ in PROBLEMS.values() for e in estimators_for(distribution).values()}
    assert len(ESTIMATORS) >= len(found) > 10
    for kind in found:
        parameters = [] if kind.__init__ is Estimator.__init__ else [*inspect.signature(kind).parameters]
        assert [*OPTIONS.get(kind, {})] == parameters, kind.__name__


def test_leave_one_out_needs_two_samples_wherever_it_is_used():
    estimator = ScoreFunction(LeaveOneOut())
    assert estimator.least == 2
    with pytest.raises(ValueError, match="ScoreFunction needs at least 2 samples, not 1"):
        estimator(twenty_times, Bernoulli(logits=double(0.3)), 1)


def test_nvil_that_normalises_says_so_and_is_found_out():
    """A spread of 14.5 around 0 divides the gradient of f = 30 b by 14.5: a bias of about 4.5 on 7.5 / 1.6."""
    estimator, distribution = NVIL(normalise=True), Bernoulli(logits=double(0.0))
    f = lambda b: 30 * b  # noqa: E731
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        estimator(f, distribution, 8, generator=generator)
        estimator.update()
    check = check_unbiased(estimator, f, distribution)
    assert not estimator.unbiased
    assert not check.unbiased
    assert float(check.mean) == pytest.approx(float(check.exact) / float(estimator.variance.sqrt()))


def test_the_spread_that_nvil_normalises_by_holds_single_samples_too():
    """Updates of one sample each: the spread is between them."""
    estimator, distribution = NVIL(decay=0.95, normalise=True), Normal(double(1e9), double(20.0))
    generator = torch.Generator().manual_seed(0)
    for _ in range(400):
        estimator(lambda z: z, distribution, 1, generator=generator)
        estimator.update()
    assert float(estimator.variance.sqrt()) == pytest.approx(20.0, rel=0.3)
