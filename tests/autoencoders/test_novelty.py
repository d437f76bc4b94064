"""The search step by step: the gap and its ascent by hand, what is replaced, what is measured, and going on."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from e2c_control.autoencoders.networks import Networks
from e2c_control.autoencoders.novelty import (
    Found,
    NoveltySearch,
    SearchOptions,
    amplitude,
    ascend,
    gap,
    novelty_search,
)
from e2c_control.autoencoders.plain import PlainAutoEncoder
from e2c_control.autoencoders.registry import AutoEncoderConfig, make_autoencoder
from e2c_control.autoencoders.structure import (
    Structure,
    dominant_frequency,
    high_share,
    measure_structure,
    noise_like,
    relative_error,
    spectrum,
)
from e2c_control.autoencoders.toys import waves
from e2c_control.autoencoders.training import TrainingOptions
from e2c_control.errors import InputError

SHORT = SearchOptions(share=0.1, warm_epochs=3, epochs=2, ascent_steps=4)


def seed(value: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(value)


def search_on(data: Tensor, options: SearchOptions = SHORT, **settings: Any) -> NoveltySearch:
    config = AutoEncoderConfig("recurrent", (len(data[0]),), 4, hidden=(16,), options={"passes": 2, "noise": 0.1})
    training = TrainingOptions(batch_size=20, learning_rate=1e-3, decay_after=None, **settings)
    return NoveltySearch(make_autoencoder(config, seed(1)), data, options, training)


class Diagonal(nn.Module):
    def __init__(self, *factors: float) -> None:
        super().__init__()
        self.factors = nn.Parameter(torch.tensor(factors))

    def forward(self, x: Tensor) -> Tensor:
        return self.factors * x


def linear() -> PlainAutoEncoder:
    """E(D(z)) = (z_1, z_2 / 2): the first axis is made of fixed points."""
    return PlainAutoEncoder(Networks(nn.Identity(), Diagonal(1.0, 0.5), (2,), (2,)))


def test_the_gap_by_hand() -> None:
    torch.testing.assert_close(gap(linear(), torch.tensor([[3.0, 4.0], [3.0, 0.0]])), torch.tensor([4.0, 0.0]))


def test_the_ascent_by_hand() -> None:
    """The gradient points along the second axis alone, and each step is as long as asked for."""
    ends = ascend(linear(), torch.tensor([[3.0, 4.0], [1.0, -2.0], [3.0, 0.0]]), steps=5, length=0.1)
    torch.testing.assert_close(ends, torch.tensor([[3.0, 4.5], [1.0, -2.5], [3.0, 0.0]]))


def test_the_ascent_leaves_the_model_alone_and_raises_the_gap() -> None:
    search = search_on(waves(60, seed(), length=16))
    before = {name: value.clone() for name, value in search.model.state_dict().items()}
    codes = search.model.encode(search.data).detach()
    ends = ascend(search.model, codes, 20, 0.05)
    assert not ends.requires_grad
    assert all(p.grad is None for p in search.model.parameters())
    assert all(torch.equal(before[name], value) for name, value in search.model.state_dict().items())
    assert (gap(search.model, ends) > gap(search.model, codes)).float().mean() > 0.9
    assert torch.equal(ascend(search.model, codes[5:7], 20, 0.05), ends[5:7]) or torch.allclose(
        ascend(search.model, codes[5:7], 20, 0.05), ends[5:7], atol=1e-5
    )


def test_a_cycle_replaces_its_share_and_remembers() -> None:
    data = waves(60, seed(), length=16)
    untouched = data.clone()
    search = search_on(data)
    found = search.advance()
    assert (found.cycle, len(found.samples), found.codes.shape) == (1, 6, (6, 4))
    assert torch.equal(data, untouched)
    assert torch.equal(search.original, data)
    assert torch.equal(search.born.nonzero().flatten(), found.rows.sort().values)
    assert torch.equal(search.data[found.rows], found.samples)
    kept = search.born == 0
    assert torch.equal(search.data[kept], data[kept])
    assert found.gap_after > found.gap_before
    assert search.trainer.epoch == 3 + 2
    torch.testing.assert_close(found.samples, search._as_loud_as_data(search.model.decode(found.codes).detach()))
    assert search.advance().cycle == 2
    assert set(search.born.tolist()) == {0, 1, 2}


def test_without_the_gradient_nothing_is_sought() -> None:
    found = search_on(waves(60, seed(), length=16), SearchOptions(0.1, 3, 2, ascent_steps=0)).advance()
    assert found.gap_after == found.gap_before


@pytest.mark.parametrize("start", ["data", "fitted"])
def test_stopped_and_resumed_to_the_bit(start: Any) -> None:
    data, options = waves(60, seed(), length=16), SearchOptions(0.1, 3, 2, 4, start=start)
    whole, half, rest = (search_on(data, options, seed=5) for _ in range(3))
    for _ in range(4):
        whole.advance()
    for _ in range(2):
        half.advance()
    rest.restore(*half.state())
    for _ in range(2):
        rest.advance()
    assert torch.equal(whole.data, rest.data)
    assert torch.equal(whole.born, rest.born)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, rest.model.state_dict()[name])


def test_samples_are_brought_to_the_amplitude_of_data_about_their_mean() -> None:
    search = search_on(waves(60, seed(), length=16), SearchOptions(0.05, 0, 1, floor=0.5, ceiling=2.0, gain=4.0))
    median = float(amplitude(search.original).median())
    shape = search.original[:1] - search.original[:1].mean()
    shape = shape / amplitude(shape)
    given = 3.0 + torch.cat([shape * median * level for level in (1.0, 0.5, 0.25, 0.01, 7.0)])
    found = search._as_loud_as_data(given)
    torch.testing.assert_close(amplitude(found) / median, torch.tensor([1.0, 0.5, 0.5, 0.04, 2.0]))
    torch.testing.assert_close(found.mean(1), given.mean(1))
    torch.testing.assert_close(found[2], 3.0 + shape[0] * median * 0.5)
    as_found = search_on(waves(60, seed(), length=16), SearchOptions(0.05, 0, 1, floor=0.0, ceiling=math.inf))
    torch.testing.assert_close(as_found._as_loud_as_data(given), given)


def test_a_search_that_leaves_for_ever() -> None:
    search = search_on(waves(60, seed(), length=16), SearchOptions(0.05, 0, 1, 100, step_size=3e38))
    with pytest.raises(InputError, match="make step_size or ascent_steps smaller"):
        search.advance()


def test_the_library_call_tells_of_every_cycle() -> None:
    seen: list[tuple[int, Found]] = []
    model = make_autoencoder(AutoEncoderConfig("recurrent", (16,), 4, hidden=(8,)), seed())
    search = novelty_search(
        model, waves(40, seed(), length=16), 3, SHORT, callback=lambda s, f: seen.append((s.cycle, f))
    )
    assert [(cycle, found.cycle) for cycle, found in seen] == [(1, 1), (2, 2), (3, 3)]
    assert search.cycle == 3


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"share": 0.0}, "share is 0.0"),
        ({"share": 1.5}, "above 0 and up to 1"),
        ({"start": "nowhere"}, "start is 'nowhere'"),
        ({"step_size": 0.0}, "step_size is 0.0"),
        ({"epochs": 0}, "epochs is 0"),
        ({"ascent_steps": -1}, "ascent_steps is -1"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        SearchOptions(**options)


def test_a_checkpoint_of_other_data() -> None:
    one, two = search_on(waves(60, seed(), length=16)), search_on(waves(40, seed(), length=16))
    with pytest.raises(InputError, match="a search on other data"):
        two.restore(*one.state())


def test_spectra_of_known_waves() -> None:
    t = torch.arange(64) / 64
    sines = torch.stack([torch.sin(2 * math.pi * f * t) + 5.0 for f in (2, 7)])
    assert dominant_frequency(sines).tolist() == [2, 7]
    torch.testing.assert_close(spectrum(sines).sum(1), torch.ones(2))
    torch.testing.assert_close(high_share(sines, 4.0), torch.tensor([0.0, 1.0]), atol=0.02, rtol=0.0)


def test_waves_stay_in_their_band() -> None:
    made = waves(300, seed(), length=64, low=1.0, high=3.0)
    assert made.shape == (300, 64)
    assert made.abs().max() <= 1
    assert int(dominant_frequency(made).max()) <= 3
    squares = (made.abs() == 1).all(1).float().mean()
    assert 0.4 < squares < 0.6
    with pytest.raises(InputError, match="do not fit into 64 numbers"):
        waves(3, seed(), low=10.0, high=40.0)


def test_errors_are_relative_to_a_sample_s_own_variance() -> None:
    model = PlainAutoEncoder(Networks(nn.Identity(), Diagonal(0.5, 0.5), (2,), (2,)))
    x = torch.tensor([[1.0, -1.0], [10.0, -10.0]])
    torch.testing.assert_close(amplitude(x), torch.tensor([1.0, 10.0]))
    torch.testing.assert_close(relative_error(model, x), torch.tensor([0.25, 0.25]))


def test_structure_tells_data_noise_and_silence_apart() -> None:
    data = waves(200, seed(), length=32)
    search = search_on(data, SearchOptions(warm_epochs=150))
    search.warm_up()
    noise = noise_like(data, seed(3))
    torch.testing.assert_close(amplitude(noise), amplitude(data), rtol=0.5, atol=0.0)
    judged = {
        "data": measure_structure(search.model, data, data, seed(4)),
        "noise": measure_structure(search.model, noise, data, seed(4)),
        "quiet": measure_structure(search.model, 0.3 * data, data, seed(4)),
    }
    assert judged["data"].percentile == pytest.approx(0.5, abs=0.02)
    assert judged["data"].amplitude == pytest.approx(1.0)
    assert judged["data"].distance == pytest.approx(0.0, abs=1e-3)
    assert judged["noise"].percentile > 0.95
    assert judged["noise"].error > 0.8 * judged["noise"].noise_error
    assert judged["quiet"].amplitude == pytest.approx(0.3, abs=1e-3)
    assert not any(structure.structured for structure in judged.values())
    assert Structure(0.2, 0.9, 0.8, 1.0, 1.0).structured
    assert set(judged["data"].scalars()) >= {"novelty/error", "novelty/amplitude", "novelty/structured"}


@pytest.mark.parametrize("centre", [0.0, 3.0, -1e3])
def test_a_step_is_a_share_of_how_far_codes_are_from_their_mean(centre: float) -> None:
    """Codes at (+-2, 0) about a centre: a step of 0.1 goes 0.2, wherever the centre is."""
    model = PlainAutoEncoder(Networks(nn.Identity(), Diagonal(1.0, 0.5), (2,), (2,)))
    data = torch.tensor([[2.0, 1.0], [-2.0, 1.0]]) + centre
    options = SearchOptions(share=0.5, warm_epochs=0, epochs=1, ascent_steps=1, step_size=0.1, start="data")
    search = NoveltySearch(model, data, options, TrainingOptions(learning_rate=1e-12, decay_after=None))
    before = data.clone()
    found = search.advance()
    moved = torch.cdist(found.codes.double(), before.double()).min()
    assert float(moved) == pytest.approx(0.2, rel=1e-2)


@pytest.mark.parametrize(
    ("percentile", "error", "structured"), [(0.9, 0.3, True), (0.8, 0.3, False), (0.9, 0.5, False), (0.5, 0.3, False)]
)
def test_new_with_structure_is_beyond_most_data_and_far_from_noise(
    percentile: float, error: float, structured: bool
) -> None:
    assert Structure(error, percentile, 1.0, 1.0, 1.0).structured is structured


def test_distances_are_in_units_of_those_among_the_data() -> None:
    """Data 1 apart in a row; samples 3 beside it. A datum is not its own neighbour."""
    data = torch.stack([torch.arange(6.0), torch.zeros(6)], dim=1)
    samples = data + torch.tensor([0.0, 3.0])
    assert measure_structure(linear(), samples, data, seed()).distance == pytest.approx(3.0)


def test_a_share_above_a_frequency_leaves_that_frequency_out() -> None:
    """A Hann window spreads a whole number of cycles over its two neighbours, a sixth of the power each."""
    wave = torch.sin(2 * torch.pi * 8 * torch.arange(64.0) / 64).unsqueeze(0)
    shares = [float(high_share(wave, above)) for above in (6, 7, 8, 9)]
    assert shares == pytest.approx([1, 5 / 6, 1 / 6, 0], abs=0.02)


def test_another_seed_replaces_other_rows() -> None:
    data = torch.randn(40, 6, generator=seed(2))
    rows = [search_on(data, seed=number).advance().rows for number in (0, 0, 1)]
    assert torch.equal(rows[0], rows[1])
    assert not torch.equal(rows[0], rows[2])
