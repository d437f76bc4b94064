"""Every auto-encoder over every kind of network keeps one contract."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from e2c_control.autoencoders.autoencoder import AutoEncoder, Loss
from e2c_control.autoencoders.networks import Networks, seeded, vector_networks
from e2c_control.autoencoders.plain import PlainAutoEncoder
from e2c_control.autoencoders.registry import (
    METHODS,
    AutoEncoderConfig,
    load_autoencoder,
    make_autoencoder,
    save_autoencoder,
)
from e2c_control.autoencoders.sampling import resample
from e2c_control.autoencoders.training import AutoEncoderTrainer, TrainingOptions
from e2c_control.errors import InputError

from .conftest import KINDS

every = pytest.mark.parametrize(
    "config",
    [
        pytest.param(replace(kind, method=method, gaussian=gaussian), id=f"{method}-{name}{'-gaussian' * gaussian}")
        for method in METHODS
        for name, kind in KINDS.items()
        for gaussian in (False, True)
        if not (gaussian and name in ("image conv", "signal"))
    ],
)
each_method = pytest.mark.parametrize("method", METHODS)


def seed(value: int) -> torch.Generator:
    return torch.Generator().manual_seed(value)


def data_of(config: AutoEncoderConfig, n: int = 7) -> Tensor:
    return torch.rand(n, *config.data_shape, generator=seed(9))


def of(method: str, **options: Any) -> AutoEncoder:
    return make_autoencoder(replace(KINDS["vector"], method=method, options=options), seed(1))


@every
def test_shapes_gradients_and_reproducibility(config: AutoEncoderConfig) -> None:
    before = torch.get_rng_state()
    model, x = make_autoencoder(config, seed(1)), data_of(config)
    codes = model.encode(x)
    assert codes.shape == (7, *model.code_shape)
    assert model.decode(codes).shape == x.shape
    assert model.reconstruct(x, passes=3).shape == x.shape
    torch.testing.assert_close(model.reconstruct(x), model.decode(codes))
    assert model.error(x).shape == (7,)
    torch.testing.assert_close(model.error(x)[2:4], model.error(x[2:4]))
    drawn = model.sample(4, seed(3))
    assert drawn.shape == (4, *config.data_shape)
    assert not drawn.requires_grad
    assert torch.equal(drawn, model.sample(4, seed(3)))
    loss = model.loss(x, seed(2))
    assert loss.total.shape == ()
    assert torch.equal(loss.total, model.loss(x, seed(2)).total)
    assert "reconstruction" in loss.parts
    loss.total.backward()
    unused = {"encoder"} if config.gaussian or config.method == "variational" else set[str]()  # variances, where not
    for name, p in model.named_parameters():
        assert p.grad is None or p.grad.isfinite().all()
        assert p.grad is not None or name.split(".")[0] in unused
    assert sum(float(p.grad.abs().sum()) for p in model.parameters() if p.grad is not None) > 0
    again = make_autoencoder(config, seed(1)).state_dict()
    assert all(torch.equal(again[name], value) for name, value in model.state_dict().items())
    assert torch.equal(before, torch.get_rng_state())


@every
def test_losses_one_by_one_are_the_loss(config: AutoEncoderConfig) -> None:
    model, x = make_autoencoder(config, seed(1)), data_of(config)
    parts = [loss.total.detach() for loss in model.losses(x, seed(2))]
    torch.testing.assert_close(torch.stack(parts).sum(), model.loss(x, seed(2)).total.detach())


@every
def test_saved_and_loaded(config: AutoEncoderConfig, tmp_path: Path) -> None:
    model = make_autoencoder(config, seed(1))
    save_autoencoder(tmp_path / "model", model, config)
    loaded, its = load_autoencoder(tmp_path / "model")
    assert its == config
    x = data_of(config)
    assert torch.equal(loaded.encode(x), model.encode(x))
    assert torch.equal(loaded.sample(3, seed(0)), model.sample(3, seed(0)))
    assert {path.suffix for path in (tmp_path / "model").iterdir()} == {".json", ".safetensors"}


@each_method
def test_training_lowers_the_loss(method: str, parabola: Callable[..., Tensor]) -> None:
    config = AutoEncoderConfig(method, (3,), 4, hidden=(32,), options={"passes": 3} if method == "recurrent" else {})
    trainer = AutoEncoderTrainer(make_autoencoder(config, seed(1)), TrainingOptions(batch_size=50, epochs=30))
    x = parabola(500)
    first = trainer.train(x, 1)
    last = trainer.train(x, 29)
    assert set(first) == set(last) >= {"total", "reconstruction"}
    assert last["reconstruction"] < 0.6 * first["reconstruction"]


@each_method
def test_stopped_and_resumed_to_the_bit(method: str, parabola: Callable[..., Tensor], tmp_path: Path) -> None:
    def fresh() -> AutoEncoderTrainer:
        config = AutoEncoderConfig(method, (3,), 4, hidden=(8,))
        return AutoEncoderTrainer(make_autoencoder(config, seed(1)), TrainingOptions(batch_size=20, epochs=4, seed=5))

    x = parabola(50)
    whole, half, rest = fresh(), fresh(), fresh()
    whole.train(x, 4)
    half.train(x, 2)
    half.save(tmp_path / "half")
    rest.resume(tmp_path / "half")
    rest.train(x, 2)
    assert (rest.step, rest.epoch) == (whole.step, whole.epoch) == (12, 4)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, rest.model.state_dict()[name]), name


@each_method
def test_chains_of_any_model(method: str) -> None:
    model = of(method)
    start = 0.1 * model.prior_codes(20, seed(0))
    chains = resample(model, start, 4, seed(1), guard=1e9)
    assert chains.samples.shape == (20, 5)
    assert chains.kept.all()
    assert torch.equal(chains.samples, resample(model, start, 4, seed(1), guard=1e9).samples)
    assert len(chains.report.moved) == 4


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda x: x[:, :4], r"The data have shape \(4,\) and the auto-encoder \(5,\)"),
        (lambda x: x[:1], "nothing to learn from 1 samples"),
        (lambda x: x.clone().fill_(float("nan")), "7 of 7 samples hold NaN or infinite values: remove them"),
        (lambda x: torch.full_like(x, 0.5), "All samples are the same"),
        (lambda x: 3 * x, "the decoder gives 0 to 1: scale the data, or choose a linear output"),
    ],
)
@each_method
def test_data_that_cannot_be_trained_on(method: str, change: Callable[[Tensor], Tensor], sentence: str) -> None:
    config = replace(KINDS["vector"], method=method, output="sigmoid")
    trainer = AutoEncoderTrainer(make_autoencoder(config, seed(1)))
    with pytest.raises(InputError, match=sentence):
        trainer.train(change(data_of(config)), 1)
    assert trainer.step == 0


@pytest.mark.filterwarnings("ignore:The MMD's weight")
@each_method
def test_a_loss_that_is_no_longer_finite(method: str) -> None:
    trainer = AutoEncoderTrainer(of(method), TrainingOptions(learning_rate=1e30))
    with pytest.raises(InputError, match="lower the learning rate"):
        trainer.train(1e10 * data_of(KINDS["vector"]), 5)


def test_an_epoch_leaves_no_batch_of_one() -> None:
    trainer = AutoEncoderTrainer(of("wasserstein"), TrainingOptions(batch_size=3))
    trainer.train(data_of(KINDS["vector"]), 1)  # 7 = 3 + 2 + 2, not 3 + 3 + 1
    assert trainer.step == 3


def test_any_two_modules_will_do() -> None:
    networks = Networks(nn.Linear(5, 2), nn.Linear(2, 5), (5,), (2,))
    assert PlainAutoEncoder(networks).loss(torch.rand(3, 5), seed(0)).total.isfinite()


def test_weights_come_from_the_generator() -> None:
    before = torch.get_rng_state()
    g = seed(4)
    one, two = (seeded(lambda: vector_networks(3, 2), g) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    first, second = (next(networks.encoder.parameters()) for networks in (one, two))
    assert not torch.equal(first, second)
    assert torch.equal(first, next(seeded(lambda: vector_networks(3, 2), seed(4)).encoder.parameters()))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"method": "magic"}, "There is no auto-encoder 'magic': choose one of plain"),
        ({"networks": "magic"}, "There is no kind of network 'magic'"),
        ({"options": {"depth": 3}}, "The auto-encoder 'plain' has no option 'depth': it takes penalty, reduction"),
        ({"options": {"reduction": "max"}}, "There is no reduction 'max'"),
        ({"options": {"penalty": -1.0}}, "penalty is -1.0: give a number of 0 or more"),
        ({"output": "exp"}, "There is no output 'exp'"),
        ({"networks": "image"}, "take shapes of 3 numbers"),
        ({"networks": "signal", "data_shape": (2, 7)}, "The length 7 cannot be halved 1 times"),
        ({"method": "recurrent", "options": {"passes": 0}}, "passes is 0"),
        ({"method": "recurrent", "options": {"norm": "max"}}, "There is no norm 'max'"),
        ({"method": "variational", "options": {"variance": 0.0}}, "variance is 0"),
    ],
)
def test_models_that_do_not_exist(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        make_autoencoder(replace(KINDS["vector"], **change), seed(0))


def test_a_variational_model_needs_gaussians() -> None:
    model = METHODS["variational"](vector_networks(5, 2))
    with pytest.raises(InputError, match="make it with gaussian=True"):
        model.loss(torch.rand(4, 5), seed(0))


def test_another_checkpoint(tmp_path: Path) -> None:
    trainer = AutoEncoderTrainer(of("plain"))
    trainer.save(tmp_path / "run")
    with pytest.raises(InputError, match="not of an auto-encoder"):
        load_autoencoder(tmp_path / "run")
    other = make_autoencoder(replace(KINDS["vector"], hidden=(9,)), seed(0))
    with pytest.raises(InputError, match="of other sizes"):
        AutoEncoderTrainer(other).resume(tmp_path / "run")


@pytest.mark.parametrize(
    ("decay_after", "epochs", "rates"),
    [
        (0.5, 4, [1, 1, 0.1, 0.1, 0.1, 0.1]),
        (0.75, 4, [1, 1, 1, 0.1, 0.1, 0.1]),
        (0.0, 4, [0.1] * 6),
        (None, 4, [1] * 6),
        (0.5, 100, [1] * 6),
    ],
)
@each_method
def test_the_learning_rate_is_a_tenth_after_its_share_of_the_epochs(
    method: str, decay_after: float | None, epochs: int, rates: list[float]
) -> None:
    """By how far weights move in an epoch: Adam's steps along a gradient that never changes are its learning rate."""
    model = of(method)
    weight = nn.Parameter(torch.zeros(()))
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    model.register_parameter("probe", weight)
    model.losses = lambda x, generator: iter([Loss(weight.sum(), {"reconstruction": weight.detach()})])
    options = TrainingOptions(batch_size=7, learning_rate=0.01, decay_after=decay_after, epochs=epochs)
    trainer = AutoEncoderTrainer(model, options)
    places = [0.0]
    for _ in rates:
        trainer.train(data_of(KINDS["vector"]), 1)
        places.append(float(weight.detach()))
    assert trainer.step == len(rates)
    moved = [(before - after) / 0.01 for before, after in pairwise(places)]
    assert moved == pytest.approx(rates, rel=1e-3)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"method": "denoising", "options": {"masked": 1.5}}, "masked is 1.5: give a number from 0 to 1"),
        ({"method": "denoising", "options": {"corruption": "x"}}, "corruption is 'x': give a number of 0 or more"),
        ({"method": "recurrent", "options": {"cut": "no"}}, "cut is 'no': give True or False"),
        ({"method": "recurrent", "options": {"noise": float("nan")}}, "noise is nan"),
        ({"method": "wasserstein", "options": {"scale": 0.0}}, "deviation is 0.0: give a number above 0"),
        ({"method": "adversarial", "options": {"prior": "sphere", "scale": -1.0}}, "radius is -1.0"),
        ({"method": "adversarial", "options": {"prior": "uniform", "scale": "x"}}, "radius is 'x'"),
    ],
)
def test_options_of_a_method_that_make_no_sense(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        make_autoencoder(replace(KINDS["vector"], **options), seed(0))
