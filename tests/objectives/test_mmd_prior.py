"""The penalty on an embedding's latents: each time by itself, of the samples, against the right prior."""

import pytest
import torch

from e2c_control.autoencoders.mmd import mmd
from e2c_control.errors import InputError
from e2c_control.objectives.mmd import MMDPrior
from e2c_control.objectives.unrolled import Noise


@pytest.mark.parametrize("deviation", [1.0, 2.0])
def test_by_hand(unroll, deviation: float) -> None:  # type: ignore[no-untyped-def]
    unrolled = unroll(steps=2)
    latents = unrolled.latents[:-1]
    unrolled.noise = Noise(torch.Generator().manual_seed(5))
    value = MMDPrior(deviation)(unrolled)
    draws = deviation * torch.randn(latents.shape, generator=torch.Generator().manual_seed(5))
    # Distances in units of the deviation: the kernel's base follows the prior's scale.
    expected = torch.stack([mmd(q / deviation, p / deviation) for q, p in zip(latents, draws, strict=True)]).mean()
    torch.testing.assert_close(value, expected)


def test_one_window_is_not_enough(unroll) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="make the batch larger"):
        MMDPrior()(unroll(count=1))
