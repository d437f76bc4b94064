"""What a user may get wrong: one sentence that names the thing and what would work instead."""

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Gamma, Independent, Normal, OneHotCategorical

from e2c_control.errors import InputError
from e2c_control.gradients import (
    ARM,
    LAX,
    NVIL,
    REBAR,
    RELAX,
    RLOO,
    VIMCO,
    Concrete,
    GradientMonitor,
    MovingAverage,
    MuProp,
    Reparameterisation,
    ScoreFunction,
    StraightThrough,
    StraightThroughGumbel,
    SurrogateNetwork,
    gradient_stats,
    make_estimator,
    train_estimator,
)
from e2c_control.gradients.toys import bit, bits, gamma, gaussian

BITS = Independent(Bernoulli(logits=torch.zeros(4, 3, requires_grad=True)), 1)
NUMBERS = Normal(torch.zeros(3, requires_grad=True), torch.ones(3))


def test_values_of_the_wrong_shape():
    with pytest.raises(InputError, match=r"f must give a tensor \(2, 4\).*it gave \(2, 4, 3\): sum over the event"):
        RLOO()(lambda b: b, BITS)
    with pytest.raises(InputError, match="it gave float"):
        RLOO()(lambda b: 1.0, BITS)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite(bad):
    with pytest.raises(InputError, match="f is not finite at 8 of 8 samples"):
        RLOO()(lambda b: b.sum(-1) + bad, BITS)


@pytest.mark.parametrize(
    ("estimator", "distribution", "sentence"),
    [
        (Reparameterisation(), BITS, "Reparameterisation cannot take a Bernoulli: RLOO, REBAR and RELAX can"),
        (REBAR(), NUMBERS, "REBAR cannot take a Normal: Reparameterisation, RLOO and LAX can"),
        (LAX(SurrogateNetwork(1)), BITS, "LAX cannot take a Bernoulli"),
        (ARM(), OneHotCategorical(logits=torch.zeros(3)), "ARM cannot take a OneHotCategorical: RLOO"),
        (Concrete(), Categorical(logits=torch.zeros(3)), "use OneHotCategorical"),
        (MuProp(), Categorical(logits=torch.zeros(3)), "use OneHotCategorical"),
    ],
)
def test_distributions_that_a_method_cannot_take(estimator, distribution, sentence):
    with pytest.raises(InputError, match=sentence):
        estimator(lambda b: b.sum(-1), distribution)


@pytest.mark.parametrize(("kind", "count"), [(RLOO, 1), (VIMCO, 1), (ARM, 3), (ScoreFunction, 0), (RLOO, 2.5)])
def test_numbers_of_samples(kind, count):
    with pytest.raises(InputError, match=r"needs at least 2 samples|give a whole number of 1 or more"):
        kind().draw(BITS, count)


@pytest.mark.parametrize(
    "estimator", [REBAR(), MuProp(), Concrete(), StraightThrough()], ids=lambda e: type(e).__name__
)
@pytest.mark.parametrize("f", [lambda b: (b > 0.5).float().sum(-1), lambda b: torch.from_numpy(b.numpy().sum(-1))])
def test_an_f_without_gradient(estimator, f):
    with pytest.raises(InputError, match="needs the gradient of f, and f gives none: RLOO, RELAX and ScoreFunction"):
        estimator(f, BITS)


@pytest.mark.parametrize("estimator", [REBAR(), MuProp()], ids=["REBAR", "MuProp"])
def test_values_alone_are_not_enough(estimator):
    draw = estimator.draw(BITS)
    with pytest.raises(InputError, match=r"evaluates f at .* call it with f, or estimate\(draw, values, f=f\)"):
        estimator.estimate(draw, draw.samples.sum(-1))


def test_an_error_inside_f_stays_what_it_is():
    with pytest.raises(RuntimeError, match="size"):
        REBAR()(lambda b: b @ torch.zeros(5), BITS)


def test_noise_that_does_not_fit():
    with pytest.raises(InputError, match=r"The noise 'u' is \(2, 3\): it must be \(2, 4, 3\)"):
        RLOO().draw(BITS, 2, noise=torch.rand(2, 3))
    with pytest.raises(InputError, match="RLOO has no noise 'v': its noise is u"):
        RLOO().draw(BITS, 2, noise={"v": torch.rand(2, 4, 3)})


def test_a_gradient_of_nothing():
    estimate = RELAX(SurrogateNetwork(3))(lambda b: b.sum(-1), Independent(Bernoulli(logits=torch.zeros(4, 3)), 1))
    with pytest.raises(InputError, match="make the distribution from logits with requires_grad"):
        _ = estimate.gradients


def test_options():
    with pytest.raises(InputError, match="There is no mean 'harmonic': choose geometric or arithmetic"):
        VIMCO("harmonic")
    with pytest.raises(InputError, match="There is no estimator 'policy': choose one of score-function"):
        make_estimator("policy", BITS)


NOT_A_NUMBER = ["x", None, float("nan"), float("inf"), True, [1.0]]
NUMBERS_OF = {
    "temperature": [lambda x: Concrete(x), lambda x: StraightThroughGumbel(x), lambda x: REBAR(1.0, x)],
    "scale": [lambda x: REBAR(x), lambda x: gaussian(scale=x)],
    "decay": [lambda x: MovingAverage(x), lambda x: NVIL(decay=x), lambda x: GradientMonitor(x)],
    "probability": [lambda x: bit(probability=x)],
    "concentration": [lambda x: gamma(x)],
    "learning_rate": [lambda x: train_estimator(RLOO(), torch.square, NUMBERS, 1, learning_rate=x)],
    "steps": [lambda x: train_estimator(RLOO(), torch.square, NUMBERS, x)],
    "repetitions": [lambda x: train_estimator(RLOO(), torch.square, NUMBERS, 1, repetitions=x)],
    "draws": [lambda x: gradient_stats({"r": RLOO()}, torch.square, NUMBERS, draws=x)],
    "n_samples": [
        lambda x: gradient_stats({"r": RLOO()}, torch.square, NUMBERS, {"r": x if x is not None else "x"}),
        lambda x: RLOO().draw(BITS, x if x is not None else "x"),
    ],
    "size": [lambda x: SurrogateNetwork(x)],
    "a size in hidden": [lambda x: SurrogateNetwork(1, (x,))],
    "context_size": [lambda x: SurrogateNetwork(1, context_size=x)],
    "count": [lambda x: bits(count=x)],
}
OUTSIDE = {"temperature": [0.0, -1.0], "decay": [-0.1, 1.0, 2], "probability": [0.0, 1.0], "concentration": [0.0]}
OUTSIDE |= {"learning_rate": [-1e-3], "steps": [-1, 2.5], "draws": [1, 2.5], "size": [0], "a size in hidden": [0, 1.5]}
OUTSIDE |= {"scale": [], "context_size": [-1], "count": [0], "repetitions": [0], "n_samples": [0, 1.5]}


@pytest.mark.parametrize(
    ("name", "make", "value"),
    [
        pytest.param(name, make, value, id=f"{name}={value!r}-{i}")
        for name, makes in NUMBERS_OF.items()
        for i, make in enumerate(makes)
        for value in NOT_A_NUMBER + OUTSIDE[name]
    ],
)
def test_a_number_that_is_none_is_one_sentence(name, make, value):
    with pytest.raises(InputError, match=rf"^{name} is .*: give a .*number") as found:
        make(value)
    assert str(found.value).count("\n") == 0


@pytest.mark.parametrize("make", [lambda: RELAX("net"), lambda: LAX(lambda x: x), lambda: NVIL(network=3)])
def test_a_network_that_is_none(make):
    with pytest.raises(InputError, match=r"network is .*: give a torch\.nn\.Module"):
        make()


def test_a_baseline_that_is_none():
    with pytest.raises(InputError, match="baseline is 'mean': give a Baseline such as Mean"):
        ScoreFunction("mean")


@pytest.mark.parametrize("make", [lambda x: NVIL(normalise=x), lambda x: RELAX(SurrogateNetwork(1), relaxed_f=x)])
def test_a_switch_that_is_none(make):
    with pytest.raises(InputError, match="is 'no': give True or False"):
        make("no")


@pytest.mark.parametrize("bad", [-0.1, 1.5, float("nan")])
def test_noise_that_is_no_noise(bad):
    with pytest.raises(InputError, match="The noise 'u' is not from 0 to 1 everywhere"):
        RLOO().draw(BITS, noise=torch.full((2, 4, 3), bad))
    with pytest.raises(InputError, match="The noise 'u' is a list: it must be a tensor"):
        RLOO().draw(BITS, 1 + 1, noise={"u": [0.5]})
    Reparameterisation().draw(NUMBERS, noise=torch.full((2, 3), -7.0))
    with pytest.raises(InputError, match="not from -inf to inf"):
        Reparameterisation().draw(NUMBERS, noise=torch.full((2, 3), float("nan")))


def test_a_draw_of_another_estimator():
    draw = RLOO().draw(BITS)
    with pytest.raises(InputError, match="RELAX did not make this draw: take it from its own `draw`"):
        RELAX(SurrogateNetwork(3)).estimate(draw, draw.samples.sum(-1))


def test_samples_for_an_estimator_that_is_not_measured():
    with pytest.raises(InputError, match=r"n_samples has no option 'rlo' \(did you mean 'rloo'\?\)"):
        gradient_stats({"rloo": RLOO()}, torch.square, NUMBERS, {"rlo": 4})


@pytest.mark.parametrize("kind", [RELAX, LAX])
@pytest.mark.parametrize(("size", "given"), [(0, 2), (2, None), (2, 3)])
def test_a_context_of_another_size(kind, size, given):
    estimator = kind(SurrogateNetwork(3, context_size=size))
    numbers = Normal(torch.zeros(4, 3), torch.ones(4, 3))
    distribution = BITS if kind is RELAX else Independent(numbers, 1)
    context = None if given is None else torch.zeros(4, given)
    sentence = f"codes of 3 numbers and a context of {size}, not of 3 and {given or 0}"
    with pytest.raises(InputError, match=sentence):
        estimator(lambda b: b.sum(-1), distribution, context=context)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Normal(torch.zeros(2), torch.tensor([1.0, 0.0]), validate_args=False),
        lambda: Normal(torch.tensor([float("nan")]), torch.ones(1), validate_args=False),
        lambda: Gamma(torch.tensor(0.0), torch.tensor(1.0), validate_args=False),
        lambda: Gamma(torch.tensor(1.0), torch.tensor(-1.0), validate_args=False),
        lambda: Bernoulli(logits=torch.tensor(float("nan")), validate_args=False),
        lambda: Bernoulli(probs=torch.tensor(1.5), validate_args=False),
        lambda: Categorical(logits=torch.full((3,), -float("inf")), validate_args=False),
        lambda: Categorical(logits=torch.tensor([float("inf"), 0.0]), validate_args=False),
        lambda: Independent(Normal(torch.zeros(2), torch.zeros(2), validate_args=False), 1),
    ],
)
def test_parameters_that_torch_was_told_not_to_check(make):
    with pytest.raises(InputError, match=r"^The \w+ of a \w+ is not .* everywhere: check what makes it\.$"):
        ScoreFunction().draw(make())
