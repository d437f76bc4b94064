from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from e2c_control.data import Transitions
from e2c_control.errors import InputError
from e2c_control.measures import HeldOut, MapMetrics, encode_means, hold_out, measure, measure_map
from e2c_control.measures.model_error import jacobian_gap, prediction_errors
from e2c_control.models.embedding import Embedding, EmbeddingConfig
from e2c_control.models.planning_model import planning_model
from e2c_control.planners.dynamics import LinearDynamics

World = Callable[..., Transitions]
EVERY = np.arange(60)


def plain(shape: tuple[int, int, int] = (16, 16, 1), **options: object) -> Embedding:
    config = EmbeddingConfig(2, encoder_hidden=(16,), decoder_hidden=(16,), transition_hidden=(16,), **options)  # type: ignore[arg-type]
    return Embedding(config, shape, 2, torch.Generator().manual_seed(0))


@pytest.fixture
def measured(world: World, embedding_of: Callable[..., Embedding]) -> Callable[..., MapMetrics]:
    """Measure the map that a function of the state is."""
    transitions = world()
    states = np.unique(np.array(transitions.states), axis=0)

    def measure_function(function: Callable[[torch.Tensor], torch.Tensor]) -> MapMetrics:
        return measure_map(embedding_of(transitions, states, function), transitions, EVERY)

    return measure_function


def test_the_true_state_is_a_perfect_map(measured: Callable[..., MapMetrics]) -> None:
    metrics = measured(lambda states: states)
    assert metrics.states is not None
    assert metrics.states.neighbour_overlap > 0.99
    assert metrics.states.distance_rank > 0.999
    assert metrics.states.far_distance_rank > 0.999
    assert metrics.states.affine_r2 > 0.999
    assert metrics.step_rank > 0.5
    assert set(metrics.prediction_error) == {1, 5, 10}
    assert max(metrics.prediction_error.values()) < 0.02
    assert metrics.jacobian_gap == 0.0
    assert metrics.latent_std == pytest.approx((0.2, 0.2), rel=0.5)


@pytest.mark.parametrize(
    "function",
    [
        lambda s: torch.stack([(s[:, 0] - 0.5).abs(), s[:, 1]], 1),
        lambda s: torch.stack([(s[:, 0] - 0.5).abs(), (s[:, 1] - 0.5).abs()], 1),
        lambda s: torch.stack([torch.sin(9 * s[:, 0]), torch.sin(9 * s[:, 1])], 1),
        lambda s: torch.sin(1e4 * s),
    ],
    ids=["folded", "folded twice", "wrapped", "shuffled"],
)
def test_bad_maps_score_worse_on_everything(
    measured: Callable[..., MapMetrics], function: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    good, bad = measured(lambda states: states), measured(function)
    assert good.states is not None
    assert bad.states is not None
    for name, value in vars(bad.states).items():
        assert value < vars(good.states)[name] - 0.15, name
    assert bad.step_rank < good.step_rank - 0.1
    assert min(bad.prediction_error.values()) > 0.3


def test_a_shuffled_map_scores_nothing(measured: Callable[..., MapMetrics]) -> None:
    metrics = measured(lambda s: torch.sin(1e4 * s))
    assert metrics.states is not None
    assert max(abs(value) for value in (*vars(metrics.states).values(), metrics.step_rank)) < 0.1


def test_scalars_name_every_number(measured: Callable[..., MapMetrics]) -> None:
    scalars = measured(lambda states: states).scalars()
    assert set(scalars) == {
        "map/state_loss",
        "map/next_state_loss",
        "map/prediction_error_1",
        "map/prediction_error_5",
        "map/prediction_error_10",
        "map/step_rank",
        "map/jacobian_gap",
        "map/latent_std_0",
        "map/latent_std_1",
        "map/neighbour_overlap",
        "map/distance_rank",
        "map/far_distance_rank",
        "map/affine_r2",
    }
    assert all(isinstance(value, float) and np.isfinite(value) for value in scalars.values())


def test_without_true_states_what_needs_them_is_left_out(world: World) -> None:
    metrics = measure_map(plain(), world(states=False), EVERY)
    assert metrics.states is None
    assert "map/affine_r2" not in metrics.scalars()
    assert "map/step_rank" in metrics.scalars()


@pytest.mark.parametrize(("length", "horizons"), [(10, {1, 5, 10}), (9, {1, 5}), (4, {1}), (1, {1})])
def test_horizons_that_no_episode_holds_are_left_out(world: World, length: int, horizons: set[int]) -> None:
    assert set(measure_map(plain(), world(length=length), EVERY).prediction_error) == horizons


def test_an_episode_without_a_step_is_refused(world: World) -> None:
    with pytest.raises(InputError, match="no held-out episode with a step"):
        hold_out(world(length=1, stack=2), EVERY)


def test_measuring_twice_gives_the_same_and_leaves_the_global_generator_alone(world: World) -> None:
    transitions, embedding, before = world(), plain(), torch.get_rng_state()
    assert measure_map(embedding, transitions, EVERY) == measure_map(embedding, transitions, EVERY)
    assert torch.equal(before, torch.get_rng_state())


def test_held_out_frames_are_the_datasets(world: World) -> None:
    transitions = world(stack=2)
    held_out = hold_out(transitions, np.array([3, 9]), features=lambda states: 2 * states, limit=1000)
    rows = np.concatenate([np.arange(transitions.episodes[e] + 1, transitions.episodes[e + 1]) for e in (3, 9)])
    chosen = rows[: len(rows) // 2][held_out.windows[0]]
    first = held_out.observations[held_out.windows[0]]
    np.testing.assert_array_equal(first[..., 1], transitions.frames[chosen][..., 0])
    np.testing.assert_array_equal(first[..., 0], transitions.frames[chosen - 1][..., 0])
    np.testing.assert_array_equal(held_out.actions[0], transitions.actions[chosen[:-1]])
    assert held_out.features is not None
    np.testing.assert_array_equal(held_out.features[held_out.windows[0]], 2 * np.asarray(transitions.states)[chosen])


def test_no_more_frames_than_asked_for(world: World) -> None:
    assert len(hold_out(world(), EVERY, limit=100)) <= 100
    assert len(hold_out(world(), EVERY, limit=1)) == 11


def test_steps_lead_from_one_episode_to_another(world: World) -> None:
    held_out = hold_out(world(), EVERY)
    assert np.isfinite(held_out.steps).mean() > 0.5
    assert held_out.steps[np.isfinite(held_out.steps)].max() > 10


def test_a_collapsed_map_is_measured_without_a_warning(world: World) -> None:
    embedding = plain()
    for parameter in embedding.encoder.parameters():
        torch.nn.init.zeros_(parameter)
    metrics = measure_map(embedding, world(), EVERY)
    assert metrics.step_rank == 0.0
    assert metrics.prediction_error[1] == float("inf")


def test_latents_that_are_not_finite_are_refused(world: World) -> None:
    embedding = plain()
    for parameter in embedding.encoder.parameters():
        torch.nn.init.constant_(parameter, float("nan"))
    with pytest.raises(InputError, match="not finite"):
        measure_map(embedding, world(), EVERY)


def test_image_losses_by_hand(world: World) -> None:
    transitions, embedding = world(), plain()
    held_out: HeldOut = hold_out(transitions, EVERY, limit=22)
    held_out = replace(held_out, windows=held_out.windows[:, :2], actions=held_out.actions[:, :1])
    images = torch.from_numpy(held_out.observations)
    metrics = measure(embedding, held_out)
    with torch.no_grad():
        z = embedding.encode(images).mean
        before = z[held_out.windows[:, 0]]
        after = embedding.transition.predict(before, torch.from_numpy(held_out.actions[:, 0]).float())
    for latents, targets, found in [
        (z, images, metrics.state_loss),
        (after, images[held_out.windows[:, 1]], metrics.next_state_loss),
    ]:
        pixels = torch.distributions.Bernoulli(logits=embedding.decode(latents), validate_args=False)
        nats = -pixels.log_prob(targets / 255.0).flatten(1).sum(1).mean()
        assert found == pytest.approx(nats.item(), rel=1e-5)


def test_latents_do_not_depend_on_the_chunk(world: World) -> None:
    observations, embedding = hold_out(world(), EVERY).observations, plain()
    assert len(observations) > 512
    whole = embedding.encode(torch.from_numpy(observations)).mean.detach().numpy()
    np.testing.assert_allclose(encode_means(embedding, observations), whole, atol=1e-5)


def test_prediction_errors_of_the_true_system_are_zero_and_of_standing_still_one() -> None:
    rng = np.random.default_rng(0)
    system = LinearDynamics(np.array([[0.9, 0.2], [0.0, 1.1]]), rng.normal(size=(2, 1)))
    actions = rng.normal(size=(7, 10, 1))
    paths = system.rollout(rng.normal(size=(7, 2)), actions)
    assert prediction_errors(system, paths, actions) == pytest.approx({1: 0, 5: 0, 10: 0}, abs=1e-12)
    still = LinearDynamics(np.eye(2), np.zeros((2, 1)))
    assert prediction_errors(still, paths, actions) == pytest.approx({1: 1, 5: 1, 10: 1})


def test_prediction_error_by_hand() -> None:
    paths = np.array([[[0.0], [1.0], [3.0]]])  # moves by 1 and by 2; the model always moves by 1
    model = LinearDynamics(np.eye(1), np.zeros((1, 1)), np.ones(1))
    assert prediction_errors(model, paths, np.zeros((1, 2, 1))) == {1: pytest.approx((0 + 1) / (1 + 2))}


@pytest.mark.parametrize("form", ["rank1", "low_rank", "full", "nonlinear"])
def test_the_gap_is_that_of_the_torch_jacobian(form: str) -> None:
    transition = plain(matrix_form=form).transition.double()
    torch.nn.init.normal_(transition.head.weight, std=0.5, generator=torch.Generator().manual_seed(1))
    rng = np.random.default_rng(0)
    latents, actions = rng.normal(size=(6, 2)), rng.normal(size=(6, 2))
    gaps = []
    for z, u in zip(torch.from_numpy(latents), torch.from_numpy(actions), strict=True):
        J = torch.func.jacrev(lambda z, u=u: transition.predict(z, u))(z)
        gaps.append(((J - transition(z, u).A).norm() / J.norm()).item())
    found = jacobian_gap(planning_model(transition), planning_model(transition, "jacobian"), latents, actions)
    assert found == pytest.approx(np.mean(gaps), rel=1e-9, abs=1e-12)


def test_conv_embedding_of_stacked_frames(world: World) -> None:
    assert measure_map(plain((16, 16, 2), network="conv"), world(stack=2), EVERY, limit=50).states is not None
