"""The core: the same seed gives the same bits, and N + N steps are 2 N steps, wherever they are cut."""

import numpy as np
import pytest
import torch

from e2c_control.data import Transitions
from e2c_control.objectives.recipe import Recipe
from e2c_control.training.trainer import Precision, Trainer, learning_rate_at

CPU = torch.device("cpu")


def make(recipe: Recipe, transitions: Transitions, seed: int = 0) -> Trainer:
    episodes, _ = transitions.split(0.1, seed=0)
    return Trainer(recipe, transitions, episodes, seed=seed, device=CPU)


def advance(trainer: Trainer, steps: int) -> list[float]:
    return [float(trainer.advance().loss) for _ in range(steps)]


def weights(trainer: Trainer) -> bytes:
    return b"".join(tensor.numpy().tobytes() for tensor in trainer.embedding.state_dict().values())


def test_seeds(recipe: Recipe, transitions: Transitions) -> None:
    trainers = [make(recipe, transitions, seed) for seed in (1, 1, 2)]
    torch.manual_seed(99)  # nobody's business
    losses = [advance(trainer, 4) for trainer in trainers]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]
    assert weights(trainers[0]) == weights(trainers[1])


def test_half_precision_is_near_and_same_seeds_give_the_same(recipe: Recipe, transitions: Transitions) -> None:
    episodes, _ = transitions.split(0.1, seed=0)
    names: tuple[Precision, ...] = ("float32", "bfloat16", "bfloat16")
    trainers = [Trainer(recipe, transitions, episodes, seed=1, device=CPU, precision=name) for name in names]
    whole, half, again = (advance(trainer, 4) for trainer in trainers)
    assert half == again
    assert half != whole
    assert half == pytest.approx(whole, rel=0.02)
    assert all(tensor.dtype == torch.float32 for tensor in trainers[1].embedding.parameters())


def test_the_callers_generators_are_left_alone(recipe: Recipe, transitions: Transitions) -> None:
    torch.manual_seed(5)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    advance(make(recipe, transitions), 3)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == numpy_before).all()  # noqa: NPY002


@pytest.mark.parametrize("cut", [1, 5, 6, 7])
def test_cut_anywhere_it_goes_on_to_the_bit(recipe: Recipe, transitions: Transitions, cut: int) -> None:
    """Cut inside a phase, before, at and after the border of two; at the end where there is one phase."""
    total = recipe.steps
    cut = min(cut, total)
    whole, first = make(recipe, transitions), make(recipe, transitions)
    expected = advance(whole, total)
    begun = advance(first, cut)
    second = make(recipe, transitions, seed=77)  # every bit of its own beginning must be replaced
    second.restore(*first.state())
    assert begun + advance(second, total - cut) == expected
    assert weights(second) == weights(whole)
    assert second.finished


def test_learning_rate_rises_and_falls_in_each_phase(recipe: Recipe) -> None:
    phase = recipe.scaled(20).phases[0]
    rates = [learning_rate_at(phase, step) for step in range(phase.steps)]
    peak = int(np.argmax(rates))
    assert max(rates) == pytest.approx(phase.learning_rate)
    assert peak == pytest.approx(0.1 * phase.steps, abs=1)
    assert (np.diff(rates[: peak + 1]) > 0).all()
    assert (np.diff(rates[peak:]) < 0).all()
    assert rates[-1] < 1e-3 * phase.learning_rate


def test_a_phase_leaves_alone_what_it_does_not_train(transitions: Transitions, recipe: Recipe) -> None:
    trainer = make(recipe, transitions)
    for phase in recipe.phases:
        before = {name: tensor.clone() for name, tensor in trainer.embedding.named_parameters()}
        advance(trainer, phase.steps)
        assert trainer.phase.name == phase.name
        changed = {
            name.split(".")[0]
            for name, tensor in trainer.embedding.named_parameters()
            if not torch.equal(tensor, before[name])
        }
        assert changed == set(phase.train)
