"""Every novelty model, bare and with each remedy around it, through one contract."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from e2c_control.agents.novelty import (
    MODELS,
    REMEDIES,
    Layout,
    Memory,
    Novelty,
    NoveltyModel,
    NoveltyOptions,
    ReturnScale,
    Windows,
)
from e2c_control.agents.novelty.networks import features
from e2c_control.agents.novelty.scaling import deviation
from e2c_control.autoencoders import Loss
from e2c_control.errors import InputError

CPU = torch.device("cpu")
each_model = pytest.mark.parametrize("name", MODELS)
each_remedy = pytest.mark.parametrize("remedy", [None, *REMEDIES])


def make(
    name: str | type[NoveltyModel],
    shape: tuple[int, ...] = (3,),
    choices: tuple[int, ...] = (2,),
    seed: int = 0,
    **options: Any,
) -> Novelty:
    given = NoveltyOptions(name, **{"batch_size": 32, **options})
    return Novelty(Layout(shape, 2, choices, given.frames), given, seed, CPU)


def filled(novelty: Novelty, steps: int = 80, seed: int = 0) -> Memory:
    """A memory of one environment that has seen points around 1, and its observations in the statistics."""
    generator = np.random.default_rng(seed)
    layout = novelty.layout
    memory = Memory(1, 200, layout.window, layout.frame_shape, np.dtype(np.float32), layout.action_size)
    for t in range(steps):
        frame = generator.normal(1.0, 0.3, (1, *layout.frame_shape)).astype(np.float32)
        novelty.observe(frame)
        if t % 10:
            memory.add(frame, np.eye(2, dtype=np.float32)[[generator.integers(2)]])
        else:
            memory.begin(np.array([0]), frame)
    return memory


@each_remedy
@each_model
def test_contract(name: str, remedy: str | None) -> None:
    """Scores a batch, learns it, is deterministic, and goes on from its state to the bit."""
    novelty = make(name, remedy=remedy)
    memory = filled(novelty)
    seen = memory.draw(20, torch.Generator().manual_seed(1))
    before = novelty.score(*seen)
    assert before.shape == (20,)
    assert before.dtype == np.float64
    np.testing.assert_array_equal(novelty.score(*seen), before)
    losses = [novelty.update(memory)[0] for _ in range(6)]
    assert losses[-1]["total"] < losses[0]["total"]
    assert np.isfinite(list(losses[-1].values())).all()
    assert novelty.updates == 48

    twin, other = make(name, remedy=remedy), make(name, remedy=remedy, seed=5)
    for one in (twin, other):
        filled(one)
    assert twin.update(memory)[0] == losses[0] != other.update(memory)[0]
    other.restore(*novelty.state())
    assert other.update(memory) == novelty.update(memory)
    np.testing.assert_array_equal(other.score(*seen), novelty.score(*seen))


@each_model
def test_what_was_learnt_is_less_new(name: str) -> None:
    """After training, known windows score below what they did and far below windows of elsewhere."""
    novelty = make(name, learning_rate=3e-3)
    memory = filled(novelty)
    frames, actions = memory.draw(60, torch.Generator().manual_seed(1))
    before = novelty.score(frames, actions).mean()
    for _ in range(30):
        novelty.update(memory)
    after = novelty.score(frames, actions).mean()
    elsewhere = novelty.score(frames - 2.0, actions).mean()
    assert 0 < after < 0.7 * before
    assert elsewhere > 2.0 * after


@pytest.mark.parametrize(("name", "network", "window"), [*product(MODELS, ["mlp", "conv"], [2]), ("rnd", "conv", 1)])
def test_images(name: str, network: str, window: int) -> None:
    settings = {"network": network, "hidden": (16, 16) if name == "rnd" else (16,)}
    novelty = make(name, (20, 24, 2), settings=settings, window=window, remedy="minus_noise", batch_size=4)
    memory = filled(novelty, 12)
    assert {"noise", "total"} <= novelty.update(memory)[0].keys()
    assert novelty.score(*memory.draw(3, torch.Generator())).shape == (3,)


def test_whitening() -> None:
    """Numbers are measured by the mean and deviation of what was seen, and cut off at five."""
    novelty = make("plain")
    frames = np.random.default_rng(0).normal([5.0, -3.0, 0.0], [2.0, 0.1, 0.0], (4_000, 3)).astype(np.float32)
    for part in np.split(frames, 40):
        novelty.observe(part)
    white = novelty.windows(frames[:, None], np.zeros((len(frames), 0, 2), np.float32)).frames[:, 0]
    torch.testing.assert_close(white[:, :2].mean(0), torch.zeros(2), rtol=0, atol=1e-3)
    torch.testing.assert_close(white[:, :2].std(0), torch.ones(2), rtol=0, atol=1e-3)
    far = novelty.windows(np.full((1, 1, 3), 1e6, np.float32), np.zeros((1, 0, 2), np.float32)).frames
    assert far.tolist() == [[[5.0, 5.0, 5.0]]]


# Pairs of which float32 would leave a few numbers only are left out.
@pytest.mark.parametrize(
    ("offset", "scale", "dtype"),
    [
        (offset, scale, dtype)
        for offset in (0.0, 1e5, -1e9)
        for scale in (1e6, 1.0, 1e-2)
        for dtype in (np.float32, np.float64)
        if scale > 16 * abs(offset) * np.finfo(dtype).eps
    ],
)
def test_whitening_depends_on_no_offset_and_no_unit(offset: float, scale: float, dtype: Any) -> None:
    """The deviation of what was seen is 1 in its own units, as far as the numbers themselves can tell."""
    seen = np.random.default_rng(0).random((4_000, 3)) * scale + offset
    frames = seen.astype(dtype)
    novelty = make("plain")
    for part in np.split(frames, 40):
        novelty.observe(part)
    np.testing.assert_allclose(deviation(novelty.moments), frames.astype(np.float64).std(0), rtol=1e-5)
    white = novelty.windows(frames[:, None], np.zeros((len(frames), 0, 2), np.float32)).frames[:, 0].numpy()
    np.testing.assert_allclose(white.std(0), 1.0, rtol=1e-4)
    np.testing.assert_allclose(white.mean(0), 0.0, atol=1e-3)


@pytest.mark.parametrize("scale", [1e-4, 1e-8])
@pytest.mark.parametrize("measure", ["frames", "bonus"])
def test_small_numbers_are_measured_in_their_own_unit(scale: float, measure: str) -> None:
    seen = np.random.default_rng(0).random((500, 3)) * scale
    if measure == "frames":
        novelty = make("plain")
        novelty.observe(seen)
        found = deviation(novelty.moments)
    else:
        units = ReturnScale(3, 0.0, False, recall=None)
        for row in seen:
            units.observe(row, np.zeros(3, np.bool_))
        found = np.array(units.deviation)
    np.testing.assert_allclose(found, seen.std(0 if measure == "frames" else None), rtol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.1, 12345.678, 1e9 + 0.1])
def test_what_never_varies_is_nothing_and_every_change_of_it_is_new(value: float) -> None:
    novelty = make("plain")
    for _ in range(50):
        novelty.observe(np.full((7, 3), value))
    none = np.zeros((1, 0, 2), np.float32)
    assert novelty.windows(np.full((1, 1, 3), value), none).frames.abs().max() < 0.1
    assert (novelty.windows(np.full((1, 1, 3), value * (1 + 1e-6) + 1e-6), none).frames == 5.0).all()


def test_joint_of_what_is_sensed_and_done() -> None:
    frames, actions = torch.arange(12.0).reshape(2, 3, 2), torch.tensor([[[0.1], [0.2]], [[0.3], [0.4]]])
    joint = Windows(frames, actions).joint()
    torch.testing.assert_close(joint[1], torch.tensor([6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 0.3, 0.4]))
    assert joint.shape[1:] == Layout((2,), 1, (), 3).joint_shape
    images = torch.rand(2, 2, 4, 5, 3)
    joint = Windows(images, torch.tensor([[[0.5]], [[0.7]]])).joint()
    assert joint.shape[1:] == Layout((4, 5, 3), 1, (), 2).joint_shape == (4, 5, 7)
    torch.testing.assert_close(joint[..., :3], images[:, 0])
    torch.testing.assert_close(joint[..., 3:6], images[:, 1])
    assert bool((joint[1, ..., 6] == 0.7).all())


def test_the_forward_model_needs_the_action() -> None:
    """Where the action alone says what comes next, the model learns it; blind to it, the spread would be left."""
    novelty = make("icm", (1,), learning_rate=3e-3)
    memory = Memory(1, 500, 2, (1,), np.dtype(np.float32), 2)
    generator = np.random.default_rng(0)
    memory.begin(np.array([0]), np.zeros((1, 1), np.float32))
    for _ in range(400):
        picked = generator.integers(2)
        frame = np.array([[2.0 * picked - 1.0]], np.float32)
        novelty.observe(frame)
        memory.add(frame, np.eye(2, dtype=np.float32)[[picked]])
    losses = [novelty.update(memory)[0] for _ in range(40)]
    assert losses[-1]["inverse"] < 0.1 * losses[0]["inverse"]
    frames, actions = memory.draw(100, torch.Generator())
    assert novelty.score(frames, actions).mean() < 0.05 * novelty.score(frames, actions[..., ::-1].copy()).mean()


@pytest.mark.parametrize("beta", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("choices", [(2,), ()])
def test_the_forward_models_weight(beta: float, choices: tuple[int, ...]) -> None:
    """(1 - beta) inverse + beta forward, equation 7: at 0 nothing teaches the one model, at 1 nothing the other."""
    novelty = make("icm", choices=choices, settings={"beta": beta})
    model: Any = novelty.model
    windows = novelty.windows(*filled(novelty).draw(20, torch.Generator().manual_seed(1)))
    (loss,) = model.losses(windows, torch.Generator())
    torch.testing.assert_close(loss.total, (1 - beta) * loss.parts["inverse"] + beta * loss.parts["forward"])
    torch.testing.assert_close(loss.parts["forward"], novelty.model.score(windows).mean())
    loss.total.backward()
    taught = {
        name: any(bool(weight.grad is not None and weight.grad.any()) for weight in part.parameters())
        for name, part in {"forward": model.forward_model, "inverse": model.inverse_model}.items()
    }
    assert taught == {"forward": beta > 0, "inverse": beta < 1}


def test_random_features_are_about_as_large_as_what_they_are_of() -> None:
    """Through three layers, whose rectifiers take half each time and whose weights give it back."""
    torch.manual_seed(0)
    network = features((64,), 64, (128, 128))
    given = torch.randn(2_000, 64)
    with torch.no_grad():
        made = network(given).square().mean()
    assert 0.5 < float(made) < 4.0


def noisy(novelty: Novelty, updates: int) -> tuple[Any, Any, Any]:
    """A model trained on a quiet place and a noisy one; its windows of both, and of a third that it never saw."""
    generator = np.random.default_rng(0)
    memory = Memory(1, 4_000, 1, (8,), np.dtype(np.float32), 2)
    quiet, loud = np.zeros((1_000, 8)), generator.normal(0.0, 1.0, (1_000, 8))
    quiet[:, 0], loud[:, 0] = generator.normal(2.0, 0.1, 1_000), generator.normal(-2.0, 0.1, 1_000)
    memory.begin(np.array([0]), np.zeros((1, 8), np.float32))
    for frame in generator.permutation(np.concatenate([quiet, loud])).astype(np.float32):
        novelty.observe(frame[None])
        memory.add(frame[None], np.zeros((1, 2), np.float32))
    for _ in range(updates):
        novelty.update(memory)
    fresh = generator.normal(0.0, 1.0, (1_000, 8))
    fresh[:, 0] = generator.normal(-2.0, 0.1, 1_000)
    unseen = np.zeros((1_000, 8))
    unseen[:, 0], unseen[:, 1] = 2.0, generator.choice([-3.0, 3.0], 1_000)
    none = np.zeros((1_000, 0, 2), np.float32)
    scores = (novelty.score(place[:, None].astype(np.float32), none).mean() for place in (quiet, fresh, unseen))
    return tuple(scores)  # type: ignore[return-value]


@pytest.mark.parametrize("remedy", REMEDIES)
def test_a_remedy_against_the_noisy_tv(remedy: str) -> None:
    """A plain error goes on to pay for noise, more than for what is known; with a remedy, next to nothing."""
    settings = {"code": 2, "hidden": (64,)}
    quiet, loud, _ = noisy(make("plain", (8,), settings=settings), 60)
    assert loud > 10 * quiet
    cured_quiet, cured_loud, unseen = noisy(make("plain", (8,), settings=settings, remedy=remedy), 60)
    assert abs(cured_loud - cured_quiet) < 0.25 * (loud - quiet)
    if remedy == "minus_noise":
        assert unseen > 2.0 * max(cured_loud, 0.0)


def test_expected_noise_is_the_mean_error() -> None:
    """On what both have learnt, what is left has the mean 0, and is not 0."""
    novelty = make("plain", (2,), remedy="minus_noise", settings={"code": 1}, remedy_settings={"hidden": (8,)})
    memory = filled(novelty, 190)
    for _ in range(60):
        novelty.update(memory)
    frames, actions = memory.draw(2_000, torch.Generator())
    model: Any = novelty.model
    with torch.no_grad():
        errors = model.model.score(novelty.windows(frames, actions))
    left = novelty.score(frames, actions)
    assert abs(left.mean()) < 0.15 * float(errors.mean()) < left.std()


def test_the_share_of_the_expected_noise() -> None:
    """e - share exp(s), of the same error and the same expectation; none leaves the error, as before any training."""
    found: list[Any] = []
    for share in (0.0, 0.25, 1.0):
        novelty = make("plain", remedy="minus_noise", remedy_settings={"share": share})
        memory = filled(novelty)
        for _ in range(3):
            novelty.update(memory)
        frames = memory.draw(20, torch.Generator().manual_seed(1))
        found.append(novelty.score(*frames))
    model: Any = novelty.model
    with torch.no_grad():
        np.testing.assert_allclose(found[0], model.model.score(novelty.windows(*frames)).numpy(), rtol=1e-5)
    np.testing.assert_allclose(found[0] - found[1], 0.25 * (found[0] - found[2]), rtol=1e-4)
    assert (found[2] < found[0]).all()


def test_progress_looks_back_and_gives_the_older_copy_no_gradient() -> None:
    novelty = make("plain", remedy="learning_progress", remedy_settings={"memory": 0.9})
    memory, model = filled(novelty), novelty.model
    frames = memory.draw(10, torch.Generator())
    assert novelty.score(*frames).tolist() == [0.0] * 10, "nothing has been learnt yet"
    weight: Any = next(iter(model.older.parameters()))  # type: ignore[union-attr]
    start = weight.clone()
    novelty.options = replace(novelty.options, gradient_steps=1)
    novelty.update(memory)
    now: Any = next(iter(model.model.parameters()))  # type: ignore[union-attr]
    torch.testing.assert_close(weight, 0.9 * start + 0.1 * now)
    assert weight.grad is None


class Surprise(NoveltyModel):
    """A user's own: how far the sum of a window is from what it mostly was."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.usual = torch.nn.Parameter(torch.zeros(()))

    def score(self, windows: Windows) -> torch.Tensor:
        return (windows.joint().flatten(1).sum(1) - self.usual).square()

    def losses(self, windows: Windows, generator: torch.Generator) -> Any:
        yield Loss(self.score(windows).mean())


def test_a_model_of_ones_own() -> None:
    novelty = make(Surprise, remedy="minus_noise")
    assert novelty.update(filled(novelty))[0]["total"] > 0


@pytest.mark.parametrize(("limit", "seldom", "never"), [(None, 99**0.5, 50.0), (5.0, 5.0, 5.0), (20.0, 99**0.5, 20.0)])
def test_how_far_whitened_images_are_cut_off(limit: float | None, seldom: float, never: float) -> None:
    """A pixel that is bright at a share p of the time is then sqrt((1 - p) / p) deviations from usual."""
    novelty = make("plain", (4, 4, 1), limit=limit)
    frames = np.zeros((1000, 4, 4, 1), np.uint8)
    frames[::100, 0, 0] = 255
    novelty.observe(frames)
    shown = np.zeros((2, 1, 4, 4, 1), np.uint8)
    shown[0, 0, 0, 0], shown[1, 0, 3, 3] = 255, 255
    whitened = novelty.windows(shown, np.zeros((2, 0, 4), np.float32)).frames[..., 0]
    np.testing.assert_allclose([whitened[0, 0, 0, 0], whitened[1, 0, 3, 3]], [seldom, never], rtol=1e-3)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"model": "rdn"}, "no novelty model 'rdn'.*choose one of recurrent"),
        ({"remedy": "hope"}, "no remedy 'hope'"),
        ({"window": 0}, "window is 0"),
        ({"memory": -1}, "memory is -1"),
        ({"train_every": 0.5}, "train_every is 0.5"),
        ({"recall": 0}, "recall is 0"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"gamma": 1.0}, "gamma is 1.0"),
        ({"limit": 0.0}, "limit is 0.0"),
        ({"learning_rate": "x"}, "learning_rate is 'x': give a number above 0"),
        ({"learning_rate": float("inf")}, "learning_rate is inf"),
        ({"running": "no"}, "running is 'no': give True or False"),
        ({"model": ["rnd"]}, r"\['rnd'\] is no novelty model"),
        ({"memory": 2**40}, "memory is 1099511627776"),
        ({"settings": {"hidden": object()}}, "settings has 'hidden', a object, which cannot be saved"),
        ({"settings": [8]}, "settings is a list: give a mapping"),
        ({"remedy_settings": {"share": 0.5}}, "remedy_settings are of a remedy, and there is none"),
        ({"model": "icm", "window": 3}, "window is 2, not 3"),
        ({"model": "icm", "settings": {"beta": 2.0}}, "beta is 2.0"),
        ({"model": "rnd", "settings": {"width": 3}}, "rnd has no option 'width': it takes outputs, hidden, network"),
        ({"settings": {"pases": 3}}, "no option 'pases'"),
        ({"settings": {"network": "conv"}}, "Convolutions need images"),
        ({"settings": {"network": "cnn"}}, "no network 'cnn': choose mlp or conv"),
        ({"remedy": "learning_progress", "remedy_settings": {"memory": 1.0}}, "memory is 1.0"),
        ({"remedy": "minus_noise", "remedy_settings": {"share": -1.0}}, "share is -1.0"),
        ({"remedy": "minus_noise", "remedy_settings": {"part": 1.0}}, "minus_noise has no option 'part'"),
    ],
)
def test_bad_options(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        make(options.pop("model", "recurrent"), **options)


def test_a_model_of_other_sizes_does_not_fit() -> None:
    with pytest.raises(InputError, match="is of other sizes"):
        make("plain").restore(*make("plain", settings={"hidden": (7,)}).state())


def test_a_loss_that_is_not_finite() -> None:
    """Weights and optimiser are what they were, so that it goes on once the cause is gone."""
    novelty = make("plain", learning_rate=1e30)
    memory, twin = filled(novelty), make("plain", learning_rate=1e30)
    twin.restore(*novelty.state())
    with pytest.raises(InputError, match="lower its learning rate"):
        novelty.update(memory)
    assert novelty.updates == 0
    for model in (novelty, twin):
        model.optimiser.param_groups[0]["lr"] = 1e-3
        model._order.manual_seed(3)
        model.update(memory)
    for name, weight in novelty.model.state_dict().items():
        assert torch.equal(weight, twin.model.state_dict()[name])


def test_sums_are_expressed_anew_in_the_progress_of_now() -> None:
    """Progress falls from a peak to next to nothing: what is paid stays in units of what it adds up to."""
    novelty = make("plain", remedy="learning_progress", remedy_settings={"memory": 0.9}, gradient_steps=16)
    memory, scale, never = filled(novelty), ReturnScale(1, 0.9, False, recall=None), np.zeros(1, np.bool_)
    probe = memory.draw(64, torch.Generator().manual_seed(5))
    sizes, paid = list[float](), list[float]()
    for _ in range(60):
        scores = novelty.score(*probe)
        for score in scores if novelty.updates else ():
            scale.observe(score[None], never)
        sizes.append(float(np.abs(scores).mean()))
        paid.append(float(np.abs(scale.scaled(scores)).mean()))
        scale.remeasure(novelty.update(memory)[1])
    assert sizes[0] == 0.0, "both copies are the same at first"
    assert max(sizes) > 5 * sizes[-1]
    assert paid[0] == 0.0
    assert 0.02 < min(paid[2:]) <= max(paid[2:]) < 2.0
