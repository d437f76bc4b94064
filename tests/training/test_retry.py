"""A phase that a telltale term condemns begins anew, and a run that is cut there goes on to the bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from e2c_control.data import Transitions, collect
from e2c_control.data.environments import make_vector_env
from e2c_control.models.embedding import EmbeddingConfig
from e2c_control.objectives.recipe import Recipe, Retry
from e2c_control.objectives.recipes import make_recipe
from e2c_control.training.trainer import Trainer

LOOK = 8


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Transitions:
    path = tmp_path_factory.mktemp("retry") / "data"
    return collect(make_vector_env("E2C/Planar-v0", 8, frame_stack=1), path, 480, 12, starts="sampled", seed=0)


def recipe(above: float, attempts: int = 2) -> Recipe:
    """Twelve steps that are looked at after eight, then five of the decoder."""
    sizes = EmbeddingConfig(encoder_hidden=(16,), decoder_hidden=(16,), transition_hidden=(16,))
    made = make_recipe("unfold", sizes)
    unfold, display = made.phases
    retry = Retry({"info_nce": 1e9, "control_uniformity": above}, LOOK, attempts)
    unfold = replace(unfold, steps=12, batch_size=16, retry=retry)
    return replace(made, phases=(unfold, replace(display, steps=5, batch_size=16)))


def trainer(data: Transitions, of: Recipe) -> Trainer:
    return Trainer(of, data, np.arange(data.n_episodes), seed=3, device=torch.device("cpu"))


def finish(trained: Trainer, until: int | None = None) -> dict[str, torch.Tensor]:
    while not trained.finished and trained.step != until:
        trained.advance()
    return {name: value.clone() for name, value in trained.embedding.state_dict().items()}


def test_a_phase_that_is_fine_is_not_touched(data: Transitions) -> None:
    looked_at = recipe(above=1e9)
    unfold, display = looked_at.phases
    plain = replace(looked_at, phases=(replace(unfold, retry=None), display))
    first, second = trainer(data, looked_at), trainer(data, plain)
    for mine, theirs in zip(finish(first).values(), finish(second).values(), strict=True):
        assert torch.equal(mine, theirs)
    assert first.extra_steps == 0
    assert first.step == 17


def test_a_condemned_phase_begins_anew_as_often_as_it_may(data: Transitions) -> None:
    trained = trainer(data, recipe(above=-1.0, attempts=2))
    before = finish(trained, LOOK - 1)
    trained.advance()
    assert trained.extra_steps == LOOK
    after = trained.embedding.state_dict()
    assert not torch.equal(before["encoder.net.0.weight"], after["encoder.net.0.weight"])
    assert torch.equal(before["pixels.scale"], after["pixels.scale"])
    finish(trained)
    assert trained.step == trained.total_steps == 17 + 2 * LOOK


@pytest.mark.parametrize("cut", [3, LOOK - 1, LOOK, LOOK + 1, 2 * LOOK, 2 * LOOK + 12, 2 * LOOK + 14])
def test_cut_anywhere_it_goes_on_to_the_bit(data: Transitions, cut: int) -> None:
    whole = finish(trainer(data, recipe(above=-1.0)))
    first = trainer(data, recipe(above=-1.0))
    finish(first, cut)
    tensors, meta = first.state()
    kept = {group: {name: value.clone() for name, value in named.items()} for group, named in tensors.items()}
    second = trainer(data, recipe(above=-1.0))
    second.restore(kept, meta)
    for mine, theirs in zip(finish(second).values(), whole.values(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_scaled_recipe_is_looked_at_in_proportion() -> None:
    unfold = make_recipe("unfold", EmbeddingConfig()).scaled(0.1).phases[0]
    assert unfold.retry is not None
    assert (unfold.steps, unfold.retry.steps) == (80, 20)
