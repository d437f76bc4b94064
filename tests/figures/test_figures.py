"""Pictures can only be judged by eye; what is tested is that they are there, and that they show what they claim."""

import json
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from e2c_control.data.sampler import Batch
from e2c_control.errors import InputError
from e2c_control.figures import Journey, driven_path, latent_map, predictions, save_gif, save_png
from e2c_control.figures.colours import is_angle, plane_colours
from e2c_control.figures.driven_path import _unbroken
from e2c_control.figures.latent_map import seen_places
from e2c_control.figures.predictions import image_rows
from e2c_control.figures.projection import kept_projection, project
from e2c_control.models.embedding import Embedding, EmbeddingConfig

RNG = np.random.default_rng(0)
PLACES = RNG.uniform(2, 38, (200, 2))
SWINGS = np.stack([RNG.uniform(-np.pi, np.pi, 200), RNG.uniform(-9, 9, 200)], axis=1)


def journey(states: np.ndarray, k: int) -> Journey:
    in_goal = np.zeros(len(states) - 1, bool)
    in_goal[3:6] = in_goal[-2:] = True
    path = RNG.normal(size=(len(states), k)).cumsum(0)
    return Journey(path, [path[:4], path[2:7]], path[-1], states, states[-1], in_goal)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize("states", [None, PLACES, SWINGS, SWINGS[:, :1], np.concatenate([PLACES, SWINGS], 1)])
def test_every_map_is_drawn(k: int, states: np.ndarray | None) -> None:
    image = latent_map(RNG.normal(size=(200, k)), states, title="After 100 steps")
    assert image.shape == (500, 1000, 3)
    assert image.dtype == np.uint8
    assert image.std() > 5


def test_a_map_has_the_colours_of_the_places() -> None:
    def colours(image: np.ndarray) -> set[tuple[int, ...]]:
        return {tuple(pixel) for pixel in image.reshape(-1, 3)}

    found = colours(latent_map(PLACES, PLACES)[:, 500:])
    wanted = {tuple(colour) for colour in np.rint(255 * plane_colours(PLACES)).astype(int)}
    near = [min(np.abs(np.subtract(c, f)).max() for f in found) for c in list(wanted)[:20]]
    assert np.median(near) <= 2


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("background", [None, np.zeros((40, 40, 1), np.uint8), np.zeros((40, 40, 3), np.uint8)])
@pytest.mark.parametrize("states", [PLACES, SWINGS])
def test_every_journey_is_drawn(k: int, background: np.ndarray | None, states: np.ndarray) -> None:
    image = driven_path(
        journey(states[:20], k), RNG.normal(size=(200, k)), states, background=background, goal_radius=2.0
    )
    assert image.shape == (500, 1000, 3)
    assert image.std() > 5


def test_a_journey_without_states_of_the_map() -> None:
    assert driven_path(journey(PLACES[:20], 2), RNG.normal(size=(200, 2))).shape == (500, 1000, 3)


@pytest.mark.parametrize(("stack", "channels"), [(1, 1), (2, 1), (1, 3), (2, 3)])
@pytest.mark.parametrize("steps", [1, 4])
def test_predictions_of_every_kind_of_frame(stack: int, channels: int, steps: int) -> None:
    config = EmbeddingConfig(2, encoder_hidden=(8,), decoder_hidden=(8,), transition_hidden=(8,))
    embedding = Embedding(config, (12, 10, stack * channels), 2, torch.Generator().manual_seed(0))
    frames = torch.from_numpy(RNG.integers(0, 256, (5, stack + steps, 12, 10, channels), np.uint8))
    batch = Batch(frames, torch.zeros(5, steps, 2))
    image = predictions(embedding, batch, count=3, title="Held-out frames")
    assert image.shape[1:] == (1000, 3)
    rows = dict(image_rows(embedding, batch, 3)[::2])
    np.testing.assert_array_equal(rows["input"], frames[:3, stack - 1].numpy())
    np.testing.assert_array_equal(rows["1 step later"], frames[:3, stack].numpy())
    assert ("4 steps later" in rows) == (steps == 4)


def test_predicted_images_are_those_of_the_predicted_latents() -> None:
    config = EmbeddingConfig(2, encoder_hidden=(8,), decoder_hidden=(8,), transition_hidden=(8,))
    embedding = Embedding(config, (6, 6, 1), 1, torch.Generator().manual_seed(0))
    frames, actions = torch.from_numpy(RNG.integers(0, 256, (4, 3, 6, 6, 1), np.uint8)), torch.ones(4, 2, 1)
    with torch.no_grad():
        z = embedding.encode(frames[:, 0]).mean
        for t in range(2):
            z = embedding.transition.predict(z, actions[:, t])
        expected = torch.sigmoid(embedding.decode(z)) * 255
    rows = image_rows(embedding, Batch(frames, actions), 4)
    np.testing.assert_allclose(rows[-1][1], expected.numpy(), atol=0.51)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_saved_picture_is_the_picture(tmp_path: Path, channels: int) -> None:
    image = RNG.integers(0, 256, (20, 30, channels), np.uint8)
    save_png(image, tmp_path / "plots" / "map.png")
    np.testing.assert_array_equal(np.asarray(Pillow.open(tmp_path / "plots" / "map.png")).reshape(image.shape), image)


def test_a_film_keeps_its_frames_and_its_speed(tmp_path: Path) -> None:
    frames = [np.full((20, 30, 3), 40 * i, np.uint8) for i in range(5)]
    save_gif(frames, tmp_path / "drive.gif", fps=10)
    with Pillow.open(tmp_path / "drive.gif") as film:
        assert getattr(film, "n_frames", 1) == 5
        assert film.info["duration"] == 100
        assert film.info["loop"] == 0
        film.seek(3)
        assert np.asarray(film.convert("RGB")).mean() == pytest.approx(120, abs=2)


def test_an_empty_film_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="0 frames"):
        save_gif([], tmp_path / "drive.gif", fps=10)


@pytest.mark.parametrize(
    "save", [lambda i, p: save_png(i, p), lambda i, p: save_gif([i], p, 10)], ids=["picture", "film"]
)
def test_a_path_that_cannot_be_written_is_one_sentence(tmp_path: Path, save: Callable[..., None]) -> None:
    (tmp_path / "file").write_text("here before")
    with pytest.raises(InputError, match="choose another folder"):
        save(np.zeros((4, 4, 3), np.uint8), tmp_path / "file" / "picture")
    assert (tmp_path / "file").read_text() == "here before"


def test_principal_components_are_ordered_and_keep_distances() -> None:
    latents = RNG.normal(size=(300, 4)) * [1, 5, 2, 0.1]
    shown = project(latents, 4)(latents)
    assert (np.diff(shown.std(0)) < 0).all()
    np.testing.assert_allclose(np.linalg.norm(shown, axis=1), np.linalg.norm(latents - latents.mean(0), axis=1))


@pytest.mark.parametrize("seed", range(8))
def test_pictures_of_other_points_of_a_map_are_not_mirror_images(seed: int) -> None:
    rng = np.random.default_rng(seed)
    turned, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    latents = rng.normal(size=(400, 3)) * [5, 2, 0.5] @ turned
    shown = [project(points, 3)(latents) for points in (latents[::2], latents[1::2], latents[::-3])]
    for one in shown[1:]:
        assert (np.diag(np.corrcoef(shown[0].T, one.T)[:3, 3:]) > 0.9).all()


@pytest.mark.parametrize("k", [3, 4, 8])
def test_pictures_of_a_map_that_moves_do_not_flip(k: int) -> None:
    """Not even where two components spread alike and change places, as they do while a map unfolds."""
    rng = np.random.default_rng(k)
    points, drift = rng.normal(size=(400, k)), 0.03 * rng.normal(size=(k, k))
    shown, projection = list[np.ndarray](), None
    for step in range(30):
        points = points + points @ drift * 0.2
        spread = np.r_[1 + 0.02 * step, 1.6 - 0.02 * step, np.full(k - 2, 0.3)]
        projection = project(points * spread, like=projection)
        shown.append(projection(points * spread))
    for one, after in pairwise(shown):
        assert (np.diag(np.corrcoef(one.T, after.T)[:3, 3:])[:2] > 0.98).all()


def test_a_projection_is_kept(tmp_path: Path) -> None:
    latents = RNG.normal(size=(50, 4))
    made = project(latents)
    made.keep(tmp_path)
    kept = kept_projection(tmp_path, 4)
    assert kept is not None
    assert np.array_equal(kept(latents), made(latents))
    assert kept.names == made.names
    assert kept_projection(tmp_path / "older", 4) is None
    assert kept_projection(tmp_path, 2) is None, "two latents are shown as they are"
    with pytest.raises(InputError, match=r"projection.json is damaged: remove it"):
        kept_projection(tmp_path, 5)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("axes", [[2.0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]),
        ("axes", [[1, 0], [0, 1], [0, 0], [0, 0]]),
        ("axes", "no"),
        ("centre", [1e300, 0, 0, 0]),
        ("centre", [float("nan"), 0, 0, 0]),
        ("shares", [0.5, 0.3, 3.0]),
        ("shares", ["$\\frac$", 0.1, 0.1]),
    ],
)
def test_a_projection_of_somebody_else_draws_nothing_out_of_place(tmp_path: Path, field: str, value: object) -> None:
    project(RNG.normal(size=(50, 4))).keep(tmp_path)
    path = tmp_path / "projection.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    with pytest.raises(InputError, match=r"projection.json is damaged: remove it"):
        kept_projection(tmp_path, 4)


def test_angles_are_told_from_places() -> None:
    assert is_angle(SWINGS[:, 0])
    assert not is_angle(SWINGS[:, 1])
    assert not is_angle(PLACES[:, 0])


def test_an_angle_goes_on_beyond_pi_and_ends_near_the_goal() -> None:
    true = np.linspace(np.pi - 0.5, 2 * np.pi, 20)
    shown = _unbroken((true + np.pi) % (2 * np.pi) - np.pi, goal=0.0)
    np.testing.assert_allclose(shown, true - 2 * np.pi, atol=1e-9)
    np.testing.assert_array_equal(_unbroken(PLACES[:, 0], 3.0), PLACES[:, 0])


def test_matplotlib_is_loaded_by_figures_alone_and_pyplot_never() -> None:
    code = (
        "import sys, e2c_control.measures, e2c_control.training.trainer; assert 'matplotlib' not in sys.modules;"
        "import numpy as np, e2c_control.figures as f; f.latent_map(np.random.default_rng(0).normal(size=(9, 2)));"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_moves_is_found_without_any_state() -> None:
    """Before a background that is no mover, and of two colours."""
    rng = np.random.default_rng(0)
    frames = np.tile(rng.integers(0, 60, (1, 20, 30, 3)), (40, 1, 1, 1)).astype(np.float64)
    rows, columns = rng.integers(1, 19, 40), rng.integers(1, 29, 40)
    frames[np.arange(40), rows, columns] = (255, 250, 240)
    found = seen_places(frames)
    assert np.abs(found - np.stack((rows, columns), axis=1)).max() < 1.5
    assert np.isfinite(seen_places(np.zeros((3, 4, 5, 1)))).all()
