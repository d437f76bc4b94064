"""What an encoder sees of an image."""

import pytest
import torch

from e2c_control.models.pixels import DEVIATION_OFFSET, Standardise


@pytest.mark.parametrize(("shape", "pool"), [((8, 6, 2), 2), ((7, 10, 1), 3), ((4, 4, 3), 4), ((5, 3, 2), 1)])
def test_views_are_means_of_standardised_blocks(shape: tuple[int, int, int], pool: int) -> None:
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
