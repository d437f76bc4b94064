"""Reachability beside the map: it changes none of the map's weights, keeps its landmarks, and plans as trained."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from e2c_control.errors import InputError
from e2c_control.models.embedding import Embedding, EmbeddingConfig
from e2c_control.models.networks import NETWORKS
from e2c_control.models.reachability import MOST_LANDMARKS, Passage, PassageDynamics
from e2c_control.planners import FunctionDynamics, HurdleDynamics, Landmarks

CONFIG = EmbeddingConfig(encoder_hidden=(8,), decoder_hidden=(8,), transition_hidden=(8,))
IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (5, 16, 16, 1), np.uint8))


def make(config: EmbeddingConfig) -> Embedding:
    return Embedding(config, (16, 16, 1), 2, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("network", NETWORKS)
def test_the_map_is_the_same_to_the_bit_with_it_and_without(network: str) -> None:
    plain = make(replace(CONFIG, network=network))
    known = make(replace(CONFIG, network=network, reachability=4))
    weights = known.state_dict()
    for name, weight in plain.state_dict().items():
        assert torch.equal(weight, weights[name]), name
    assert torch.equal(plain.encode(IMAGES).mean, known.encode(IMAGES).mean)
    assert known.place(IMAGES).shape == (5, 4)
    with pytest.raises(InputError, match="'unfold-roadmap'"):
        plain.place(IMAGES)


def test_landmarks_are_kept_with_the_weights() -> None:
    embedding, again = (make(replace(CONFIG, reachability=3)) for _ in range(2))
    assert embedding.reachability is not None
    assert again.reachability is not None
    assert embedding.reachability.graph() is None
    rng = np.random.default_rng(0)
    moves, aliased = rng.random((7, 7)) < 0.3, rng.random(7) < 0.3
    graph = Landmarks(rng.normal(size=(7, 3)).astype(np.float32).astype(float), moves, aliased, 0.5)
    latents = rng.normal(size=(7, 2)).astype(np.float32).astype(float)
    embedding.reachability.keep(graph, latents)
    again.load_state_dict(embedding.state_dict())
    found = again.reachability.graph()
    assert found is not None
    for name in ("places", "moves", "aliased", "scale"):
        np.testing.assert_array_equal(getattr(found, name), getattr(graph, name))
    np.testing.assert_array_equal(again.reachability.drawn(np.array([6, 0])), latents[[6, 0]])
    assert len(again.reachability.get_buffer("landmarks")) == MOST_LANDMARKS


def test_planners_see_the_model_that_was_trained_and_its_derivatives() -> None:
    torch.manual_seed(0)
    passage = Passage(3, 2, hidden=16)
    rng = np.random.default_rng(0)
    states, controls = rng.normal(size=(40, 3)), rng.uniform(-1, 1, (40, 2))
    with torch.no_grad():
        inputs = torch.from_numpy(np.concatenate((states, controls), axis=1)).float()
        passage.chance[-1].bias -= passage(inputs[:, :3], inputs[:, 3:])[0].median()  # type: ignore[operator]
        passage.log_deviation.fill_(float(np.log(0.2)))
    model = PassageDynamics(passage)
    log_odds, displacements = passage(torch.from_numpy(states).float(), torch.from_numpy(controls).float())
    assert isinstance(model, HurdleDynamics)
    assert model.deviation == pytest.approx(3**0.5 * 0.2)  # of a distance in three dimensions
    chance, landings = model.moves(states, controls)
    np.testing.assert_allclose(chance, log_odds.sigmoid().detach().numpy(), atol=1e-6)
    np.testing.assert_allclose(landings, states + displacements.detach().numpy(), atol=1e-5)
    after = model.step(states, controls)
    moved = chance > 0.5
    assert 0 < moved.sum() < 40
    np.testing.assert_array_equal(after[~moved], states[~moved])
    np.testing.assert_array_equal(after[moved], landings[moved])
    found, expected = model.linearize(states, controls), FunctionDynamics(model.step, 3, 2).linearize(states, controls)
    for name in ("A", "B", "o"):
        sure = np.abs(chance - 0.5) > 0.01  # in between, a difference would straddle the threshold
        np.testing.assert_allclose(getattr(found, name)[sure], getattr(expected, name)[sure], atol=1e-6)
