"""What an encoder sees of an image."""

from dataclasses import replace
from typing import Literal

import pytest
import torch

from e2c_control.errors import InputError
from e2c_control.models.embedding import Embedding, EmbeddingConfig
from e2c_control.models.pixels import DEVIATION_OFFSET, Standardise
from e2c_control.runs.config import from_json, to_json
from e2c_control.training.presets import default_embedding


@pytest.mark.parametrize(
    ("shape", "pool"),
    [
        *(((8, 6, 2), 2), ((7, 10, 1), 3), ((4, 4, 3), 4), ((5, 3, 2), 1)),
        *(((2, 9, 1), (1, 4)), ((9, 2, 3), (4, 2)), ((6, 6, 1), (3, 2))),
    ],
)
def test_views_are_means_of_standardised_blocks(shape: tuple[int, int, int], pool: int | tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    mean, deviation = torch.rand(shape, generator=generator), torch.rand(shape, generator=generator)
    look = Standardise(shape, pool)
    look.fit(mean, deviation)
    pixels = torch.rand((3, 2, *shape), generator=generator)
    expected = ((pixels - mean) / (deviation + DEVIATION_OFFSET)).flatten(0, 1).movedim(-1, -3)
    expected = torch.nn.functional.avg_pool2d(expected, pool).movedim(-3, -1).unflatten(0, (3, 2))
    assert look.view_shape == expected.shape[2:]
    torch.testing.assert_close(look(pixels), expected, atol=1e-5, rtol=1e-5)


def test_single_frames_are_seen_as_in_a_stack() -> None:
    generator = torch.Generator().manual_seed(0)
    mean, deviation = torch.rand(6, 6, 3, generator=generator), torch.rand(6, 6, 3, generator=generator)
    look = Standardise((6, 6, 6), 2)
    look.fit(mean.repeat(1, 1, 2), deviation.repeat(1, 1, 2))
    first, second = torch.rand(2, 5, 6, 6, 3, generator=generator)
    stacked = look(torch.cat([first, second], dim=-1))
    assert torch.equal(stacked, torch.cat([look(first), look(second)], dim=-1))


@pytest.mark.parametrize("shape", [(16, 400, 1), (400, 16, 3), (5, 100, 2), (1, 300, 1), (16, 16, 1), (100, 100, 1)])
@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_frames_of_any_proportions_are_embedded(shape: tuple[int, int, int], network: Literal["mlp", "conv"]) -> None:
    """Each side is pooled for itself, to 24 pixels at most, and none to less than there is."""
    config = replace(default_embedding(shape), network=network, encoder_hidden=(8,), decoder_hidden=(8,))
    config = from_json(EmbeddingConfig, to_json(config))
    embedding = Embedding(config, shape, 1, torch.Generator().manual_seed(0))
    if network == "mlp":
        for seen, side in zip(embedding.pixels.view_shape, shape[:2], strict=False):
            assert seen == side if side <= 24 else 12 < seen <= 24
    q = embedding.encode(torch.zeros((2, *shape), dtype=torch.uint8))
    assert embedding.decode(q.mean).shape == (2, *shape)


@pytest.mark.parametrize("pool", [17, (17, 1), (1, 401)])
def test_blocks_that_do_not_fit(pool: int | tuple[int, int]) -> None:
    with pytest.raises(InputError, match=r"pool is .*, and frames are 16 x 400: give blocks that fit"):
        Standardise((16, 400, 1), pool)
