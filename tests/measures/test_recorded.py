"""What a run keeps of its recorded latents: the length of a step, and goals beyond all of them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import xlogy

from e2c_control.errors import InputError
from e2c_control.measures import HeldOut, Recorded, encode_means, kept_latents
from e2c_control.measures.encoded import redrawing_errors
from e2c_control.measures.recorded import NAME
from e2c_control.models.embedding import Embedding, EmbeddingConfig

GRID = np.stack(np.meshgrid(np.arange(10.0), np.arange(10.0), indexing="ij"), axis=-1)


@pytest.fixture
def grid(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    """Measured on ten windows of ten frames, rows of a grid whose step is 1."""
    monkeypatch.setattr("e2c_control.measures.recorded.encode_means", lambda embedding, seen: GRID.reshape(-1, 2)[seen])
    numbers = np.arange(100)
    held_out = HeldOut(numbers, numbers.reshape(10, 10), np.zeros((10, 9, 1)), numbers[:1], np.zeros((1, 100)), None)
    embedding = Embedding(EmbeddingConfig(), (8, 8, 1), 1, torch.Generator())
    return Recorded.measured(embedding, held_out)


def test_a_step_and_the_gaps_are_those_of_the_frames(grid: Recorded) -> None:
    assert grid.step == 1
    assert grid.gap == 1, "to the next row: neighbours of one row are of one window"
    assert grid.steps(2.5) == 2.5
    np.testing.assert_allclose(grid.away(np.array([[0.0, 0.0], [4.5, 4.5], [9.0, 13.0]])), [0, 0.5**0.5, 4])


def test_goals_are_beyond_where_no_frame_is_near(grid: Recorded) -> None:
    goals = np.array([[0.0, 0.0], [4.5, 4.5], [9.0, 11.9], [9.0, 12.1], [-20.0, 3.0]])
    assert grid.beyond(goals).tolist() == [False, False, False, True, True]
    sparse = Recorded(grid.latents, grid.step, 10.0)
    assert sparse.beyond(goals).tolist() == [False, False, False, False, False], "as sparse as the frames"
    assert sparse.beyond(goals - [5, 0]).tolist()[-1]


def test_an_image_that_is_redrawn_much_worse_than_all_recorded_ones_is_unlike_them() -> None:
    """A decoder that draws one grey everywhere: its errors are those of Bernoulli pixels, entropy left out."""
    embedding = Embedding(EmbeddingConfig(), (8, 8, 1), 1, torch.Generator())
    with torch.no_grad():
        for parameter in embedding.decoder.parameters():
            parameter.zero_()  # logits of 0: a half everywhere
    images = np.stack([np.full((8, 8, 1), value, np.uint8) for value in (128, 153, 230, 0)])
    latents = np.zeros((4, embedding.config.latent_dim))
    errors = redrawing_errors(embedding, latents, images)
    shares = np.array([128, 153, 230, 0]) / 255
    each = np.log(2) + xlogy(shares, shares) + xlogy(1 - shares, 1 - shares)
    np.testing.assert_allclose(errors, 64 * each, atol=1e-5)
    known = Recorded(np.tile(encode_means(embedding, images), (25, 1)), 1.0, 1.0, float(errors[1]))
    assert known.unlike(embedding, images).tolist() == [False, False, True, True]
    assert not replace(known, error=None).unlike(embedding, images).any()
    assert not replace(known, latents=known.latents[:99]).unlike(embedding, images).any(), "too few to tell"


def test_it_is_kept_with_the_run(grid: Recorded, tmp_path: Path) -> None:
    assert kept_latents(tmp_path, 2) is None
    grid.keep(tmp_path)
    found = kept_latents(tmp_path, 2)
    assert found is not None
    np.testing.assert_array_equal(found.latents, grid.latents)
    assert (found.step, found.gap, found.error) == (grid.step, grid.gap, None)
    replace(grid, error=3.5).keep(tmp_path)
    assert (kept := kept_latents(tmp_path, 2)) is not None
    assert kept.error == 3.5
    with pytest.raises(InputError, match="damaged: remove it"):
        kept_latents(tmp_path, 3)
    document = json.loads((tmp_path / NAME).read_text())
    for change in ({"step": -1.0}, {"latents": []}, {"latents": [[0.0, float("nan")]]}, {"gap": "wide"}):
        (tmp_path / NAME).write_text(json.dumps(document | change))
        with pytest.raises(InputError, match="damaged"):
            kept_latents(tmp_path, 2)
