"""What is known and what is new, against distances taken one by one and costs added up by hand."""

import numpy as np
import pytest

from e2c_control.agents.curiosity import Experience, LatentNovelty, Sought
from e2c_control.agents.curiosity.experience import distance_to
from e2c_control.errors import InputError
from e2c_control.planners import ILQR, Cost, DisagreementCost, Ensemble, Limits, LinearDynamics, SmoothCost

ONE = np.zeros(1, np.int64)


def test_distances_are_those_of_every_pair() -> None:
    rng = np.random.default_rng(0)
    points, latents = rng.normal(size=(50, 3)), rng.normal(size=(4, 7, 3))
    expected = np.linalg.norm(latents[:, :, None] - points, axis=-1).min(axis=-1)
    np.testing.assert_allclose(distance_to(points, latents), expected, atol=1e-7)
    assert np.isinf(distance_to(points[:0], latents)).all()


def test_known_latents_lie_apart_and_stand_for_all() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.uniform(size=(2, 400, 2))
    before = Experience.empty(0.1, 2).reached(first)
    after = before.reached(second).reached(np.array([[np.nan, 0.0]]))
    np.testing.assert_array_equal(after.known[: len(before.known)], before.known)
    gaps = np.linalg.norm(after.known[:, None] - after.known, axis=-1)[~np.eye(len(after.known), dtype=bool)]
    assert gaps.min() >= 0.1
    assert distance_to(after.known, np.concatenate([first, second])).max() < 0.1 + 1e-7
    assert np.isfinite(after.known).all()


def test_what_was_reached_is_not_blocked() -> None:
    place, elsewhere = np.array([[1.0, 1.0]]), np.array([[5.0, 5.0]])
    doubted = Experience.empty(0.5, 2).refused(np.concatenate([place, elsewhere]))
    np.testing.assert_array_equal(doubted.reached(place + 0.2).blocked, elsewhere)
    assert len(Experience.empty(0.5, 2).reached(place).refused(place + 0.2).blocked) == 0


def test_novelty_by_hand() -> None:
    experience = Experience(1.0, known=np.array([[0.0, 0.0], [0.0, 2.0]]), blocked=np.array([[4.0, -1.0]]))
    cost = LatentNovelty(experience, reach=2.5)
    ways = np.array(
        [
            [
                [9, 9],
                [-1, 0],
                [-2, 0],
                [-3, 0],
            ],  # 1 + 2 + 2.5: the start does not count, nor what is beyond reach
            [[0, 0], [0, 1], [0, 2], [0, 3]],  # 1 + 0 + 1
            [[0, 0], [2, 0], [4, 0.5], [6, 0]],  # 2, and nothing from within a step of the blocked latent on
            [[0, 0], [2, 0], [4, 1.1], [6, 0]],  # 2 + 2.5 + 2.5: past it
            [[4, 0], [4, 0.5], [5, 1], [5, 1]],  # 2.5 three times: it begins near the blocked latent, and gets away
            [[4, 0], [4, 0.5], [4, -0.5], [5, 1]],  # 2.5, and nothing from where it is nearer than it began
        ],
        np.float64,
    )
    assert cost.value(ways, np.zeros((6, 3, 1)), np.zeros(6, np.int64)) == pytest.approx([-5.5, -2, -2, -7, -7.5, -2.5])


def test_what_is_avoided_is_sought_and_has_no_derivatives() -> None:
    agree, differ = LinearDynamics(np.eye(1), np.eye(1)), LinearDynamics(np.eye(1), 3 * np.eye(1))
    ensemble = Ensemble([agree, differ])
    sought = Sought(DisagreementCost(ensemble, 1.0))
    assert isinstance(sought, Cost)
    assert not isinstance(sought, SmoothCost)
    controls = np.array([[[0.5], [-1.0]]])
    # Members predict z + u and z + 3u: their variance is u².
    assert sought.value(ensemble.rollout(np.zeros((1, 1)), controls), controls, ONE) == pytest.approx([-1.25])
    with pytest.raises(InputError):
        ILQR()(ensemble, sought, np.zeros((1, 1)), 2, Limits.symmetric(1.0, 1))


@pytest.mark.parametrize("spacing", [0.0, -1.0, np.nan, np.inf])
def test_a_spacing_that_is_none(spacing: float) -> None:
    with pytest.raises(InputError, match=r"give a (finite )?number above 0"):
        Experience.empty(spacing, 2)
