import numpy as np
import pytest
from scipy.spatial.distance import cdist

from e2c_control.measures.geometry import affine_r2, distances, neighbour_overlap

RNG = np.random.default_rng(0)
POINTS = RNG.uniform(-1, 1, (400, 2))


def test_distances() -> None:
    np.testing.assert_allclose(distances(POINTS), cdist(POINTS, POINTS), atol=1e-14)


def test_a_rotated_and_scaled_map_keeps_all_neighbours() -> None:
    turned = 3 * POINTS @ np.array([[0.6, -0.8], [0.8, 0.6]]) + 5
    assert neighbour_overlap(distances(turned), distances(POINTS)) == 1.0


def test_a_shuffled_map_keeps_as_many_as_chance() -> None:
    overlap = neighbour_overlap(distances(RNG.permutation(POINTS)), distances(POINTS))
    assert overlap == pytest.approx(8 / 399, abs=0.01)


def test_a_folded_map_keeps_half() -> None:
    folded = np.stack([np.abs(POINTS[:, 0]), POINTS[:, 1]], axis=1)
    assert neighbour_overlap(distances(folded), distances(POINTS)) == pytest.approx(0.5, abs=0.1)


def test_ties_count_whichever_was_taken() -> None:
    line = np.arange(6.0)[:, None]  # the neighbours of each inner point tie
    assert neighbour_overlap(distances(line + 1e-9 * RNG.normal(size=(6, 1))), distances(line), count=1) == 1.0


def test_fewer_points_than_neighbours() -> None:
    assert neighbour_overlap(distances(POINTS[:3]), distances(POINTS[:3])) == 1.0
    assert neighbour_overlap(np.zeros((1, 1)), np.zeros((1, 1))) == 0.0


def test_affine_maps_explain_everything() -> None:
    assert affine_r2(POINTS, POINTS @ RNG.normal(size=(2, 3)) + 4) == pytest.approx(1.0)


def test_a_fold_explains_nothing_of_the_folded_direction() -> None:
    targets = np.concatenate([POINTS, POINTS * [-1, 1]])
    assert affine_r2(np.abs(targets[:, :1]), targets[:, :1]) == pytest.approx(0.0, abs=1e-12)
    share = np.var(targets[:, 1]) / np.var(targets, axis=0).sum()
    assert affine_r2(targets * [0, 1], targets) == pytest.approx(share)


def test_constant_targets() -> None:
    assert affine_r2(POINTS, np.ones((400, 1))) == 0.0


@pytest.mark.parametrize("offset", [0.0, 1e6, 1e9])
def test_maps_far_from_zero(offset: float) -> None:
    """Distances, neighbours and an affine map do not depend on where the origin is."""
    np.testing.assert_allclose(distances(POINTS + offset), distances(POINTS), atol=1e-6)
    assert neighbour_overlap(distances(POINTS + offset), distances(POINTS)) > 0.999
    features = POINTS @ np.array([[0.6, -0.8], [0.8, 0.6]]) + 0.1 * np.random.default_rng(1).normal(size=(400, 2))
    assert affine_r2(POINTS + offset, features + offset) == pytest.approx(affine_r2(POINTS, features), abs=1e-6)


@pytest.mark.parametrize("value", [0.1, 1e9 + 0.1, 1e-9])
def test_targets_that_differ_by_rounding_alone_do_not_vary(value: float) -> None:
    assert affine_r2(POINTS, np.full((400, 3), value)) == 0.0
