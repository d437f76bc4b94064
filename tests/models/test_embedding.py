from typing import Any

import numpy as np
import pytest
import torch

from e2c_control.errors import InputError
from e2c_control.models.embedding import TRANSITIONS, Embedding, EmbeddingConfig
from e2c_control.models.networks import NETWORKS
from e2c_control.models.pixels import DEVIATION_OFFSET

RNG = np.random.default_rng(0)


def make(shape: tuple[int, int, int] = (8, 6, 1), seed: int = 0, **options: Any) -> Embedding:
    config = EmbeddingConfig(3, encoder_hidden=(16, 8), decoder_hidden=(8, 16), transition_hidden=(8,), **options)
    return Embedding(config, shape, 2, torch.Generator().manual_seed(seed))


def images(*shape: int) -> torch.Tensor:
    return torch.from_numpy(RNG.integers(0, 256, shape, np.uint8))


KINDS: list[dict[str, Any]] = [*({"network": name} for name in NETWORKS), {"network": "mlp", "pool": 2}]
FORMS: list[dict[str, Any]] = [{"matrix_form": form} for form in TRANSITIONS]


@pytest.mark.parametrize("options", KINDS, ids=str)
@pytest.mark.parametrize("shape", [(16, 16, 1), (40, 40, 1), (37, 29, 3), (13, 17, 2), (48, 48, 2)])
@pytest.mark.parametrize("batch", [(), (1,), (4,), (2, 3), (0,)])
def test_shapes(options: dict[str, Any], shape: tuple[int, int, int], batch: tuple[int, ...]) -> None:
    embedding = make(shape, **options)
    q = embedding.encode(images(*batch, *shape))
    assert q.mean.shape == q.log_var.shape == (*batch, 3)
    assert embedding.decode(q.mean).shape == (*batch, *shape)
    step = embedding.step(q.mean, torch.zeros(*batch, 2))
    assert step.A.shape == (*batch, 3, 3)
    assert step.B.shape == (*batch, 3, 2)
    assert step.o.shape == (*batch, 3)
    assert step.predict(q.mean, torch.zeros(*batch, 2)).shape == (*batch, 3)


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_an_image_is_encoded_alike_alone_and_in_any_batch(options: dict[str, Any]) -> None:
    embedding, observations = make((12, 10, 1), **options), images(2, 3, 12, 10, 1)
    together = embedding.encode(observations).mean
    alone = torch.stack([embedding.encode(row).mean for row in observations])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("options", [*KINDS, *FORMS], ids=str)
def test_weights_come_from_the_generator_alone(options: dict[str, Any]) -> None:
    before = torch.get_rng_state()
    first, again, other = make(seed=1, **options), make(seed=1, **options), make(seed=2, **options)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(123)
    later = make(seed=1, **options)
    for name, weights in first.state_dict().items():
        assert torch.equal(weights, again.state_dict()[name]), name
        assert torch.equal(weights, later.state_dict()[name]), name
    assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


def test_the_generator_goes_on() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (Embedding(EmbeddingConfig(2), (8, 8, 1), 1, generator) for _ in range(2))
    assert not torch.equal(first.transition.head.weight, second.transition.head.weight)


@pytest.mark.parametrize("shape", [(8, 6, 2), (6, 8, 1), (8, 6)])
def test_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"shape \(8, 6, 1\)"):
        make().encode(images(5, *shape))


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
def test_another_type_is_refused_and_left_alone(dtype: torch.dtype) -> None:
    observations = torch.ones(5, 8, 6, 1, dtype=dtype)
    with pytest.raises(InputError, match="uint8"):
        make().encode(observations)
    assert (observations == 1).all()


def test_pixels_are_standardised() -> None:
    embedding = make()
    mean, deviation = torch.rand(8, 6, 1), torch.rand(8, 6, 1)
    embedding.fit_pixels(mean, deviation)
    seen: list[torch.Tensor] = []
    embedding.encoder.register_forward_pre_hook(lambda _module, arguments: seen.append(arguments[0]))
    observations = images(5, 8, 6, 1)
    embedding.encode(observations)
    expected = (observations / 255.0 - mean) / (deviation + DEVIATION_OFFSET)
    torch.testing.assert_close(seen[0], expected, atol=1e-5, rtol=1e-5)


def test_encoding_leaves_the_images_alone() -> None:
    observations = images(5, 8, 6, 1)
    before = observations.clone()
    make().encode(observations)
    assert torch.equal(before, observations)


@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_decoding_starts_at_the_mean_image(network: str) -> None:
    embedding = make((16, 16, 1), network=network)
    mean = 0.05 + 0.9 * torch.rand(16, 16, 1)
    embedding.fit_pixels(mean, torch.ones(16, 16, 1))
    decoded = torch.sigmoid(embedding.decode(torch.zeros(1, 3)))
    assert (decoded - mean).abs().mean() < 0.05


def test_log_variances_stay_in_range() -> None:
    embedding = make()
    with torch.no_grad():
        for parameter in embedding.encoder.parameters():
            parameter.mul_(1e3)
    log_var = embedding.encode(images(50, 8, 6, 1)).log_var
    assert log_var.abs().max() <= 10.0


def test_the_step_starts_near_standing_still() -> None:
    z = torch.randn(50, 3)
    moved = make().transition.predict(z, torch.zeros(50, 2))
    assert (moved - z).abs().mean() < 0.2


@pytest.mark.parametrize("form", ["rank1", "low_rank"])
def test_the_matrix_is_identity_plus_its_factors(form: str) -> None:
    step = make(matrix_form=form).step(torch.randn(5, 3), torch.zeros(5, 2))
    assert step.v is not None
    assert step.r is not None
    assert step.v.shape == step.r.shape == (5, 3, 1 if form == "rank1" else 2)
    torch.testing.assert_close(step.A, torch.eye(3) + step.v @ step.r.mT)
    torch.testing.assert_close(step.log_abs_det(1e-6), torch.det(step.A).abs().log(), atol=1e-5, rtol=1e-4)
