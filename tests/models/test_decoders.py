"""Decoders: a mean image to begin with, and small things drawn where they are."""

import pytest
import torch

from e2c_control.errors import InputError
from e2c_control.models.bernoulli import bernoulli_nats
from e2c_control.models.embedding import Embedding, EmbeddingConfig
from e2c_control.models.networks import DECODERS, ConvDecoder, Decoder, MLPDecoder, SineDecoder
from e2c_control.objectives.recipes import make_recipe

SIDE = 16
SHAPE = (SIDE, SIDE, 1)


def _dots(places: torch.Tensor) -> torch.Tensor:
    """Images (N, SIDE, SIDE, 1) of a square of 2 pixels at places (N, 2) in [0, SIDE - 2]."""
    rows = (torch.arange(SIDE)[None] - places[:, :1].round()).clamp(-1, 2)
    columns = (torch.arange(SIDE)[None] - places[:, 1:].round()).clamp(-1, 2)
    on = ((rows >= 0) & (rows < 2))[:, :, None] & ((columns >= 0) & (columns < 2))[:, None]
    return on.float()[..., None]


def _hits(kind: type[Decoder]) -> float:
    """Share of unseen places at which the brightest pixel is the square's, after 300 steps."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        decoder = kind(SHAPE, 2, (100, 100))
    places = (SIDE - 2) * torch.rand(3000, 2, generator=generator)
    latents, images = (places - 7) * 3 / places.std(), _dots(places)
    decoder.start_at(images[:2000].mean(0))
    optimiser = torch.optim.Adam(decoder.parameters(), 3e-3)
    for _ in range(300):
        some = torch.randint(2000, (128,), generator=generator)
        optimiser.zero_grad()
        bernoulli_nats(decoder(latents[some]), images[some]).backward()
        optimiser.step()
    with torch.no_grad():
        brightest = decoder(latents[2000:]).flatten(1).argmax(1)
    return float(images[2000:].flatten(1).gather(1, brightest[:, None]).mean())


def test_sines_draw_what_relus_blur() -> None:
    relu, sine = _hits(MLPDecoder), _hits(SineDecoder)
    assert sine > 0.97
    assert sine > relu + 0.02


@pytest.mark.parametrize("name", sorted(DECODERS))
def test_a_decoder_begins_near_the_mean_image(name: str) -> None:
    torch.manual_seed(0)
    decoder = DECODERS.find(name)(SHAPE, 3, (20, 20))
    mean = torch.rand(SHAPE)
    decoder.start_at(mean)
    shown = torch.sigmoid(decoder(torch.randn(50, 3)))
    assert shown.shape == (50, *SHAPE)
    assert (shown - mean).abs().mean() < 0.1


def test_the_decoder_of_the_default_recipe_leaves_the_map_as_it_was() -> None:
    """Its initial weights take as many random numbers as those of an MLPDecoder: the same seed gives the same map."""
    config = EmbeddingConfig()
    made = make_recipe("unfold", config).embedding
    assert made.decoder == "sine"
    maps = [Embedding(each, SHAPE, 2, torch.Generator().manual_seed(5)) for each in (config, made)]
    for part in ("encoder", "transition"):
        for one, other in zip(*(each.get_submodule(part).parameters() for each in maps), strict=True):
            assert torch.equal(one, other)


def test_encoders_of_other_kinds_keep_their_own_decoder() -> None:
    made = make_recipe("unfold", EmbeddingConfig(network="conv")).embedding
    assert made.decoder is None
    embedding = Embedding(EmbeddingConfig(decoder=ConvDecoder), SHAPE, 2, torch.Generator().manual_seed(0))
    assert isinstance(embedding.decoder, ConvDecoder)
    assert embedding.config.decoder == "conv"


def test_an_unknown_decoder_is_refused() -> None:
    with pytest.raises(InputError, match="There is no decoder 'sin'"):
        EmbeddingConfig(decoder="sin")
