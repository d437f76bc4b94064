"""A phase that a telltale term condemns begins anew, and a run that is cut there goes on to the bit."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from e2c_control.data import Transitions, collect
from e2c_control.data.environments import make_vector_env
from e2c_control.models.embedding import EmbeddingConfig
from e2c_control.objectives.recipe import Recipe, Retry
from e2c_control.objectives.recipes import make_recipe
from e2c_control.runs.folder import RunFolder
from e2c_control.runs.logger import RunLogger
from e2c_control.training.run import TrainConfig, train
from e2c_control.training.trainer import Judgement, Trainer

LOOK = 8


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Transitions:
    path = tmp_path_factory.mktemp("retry") / "data"
    return collect(make_vector_env("E2C/Planar-v0", 8, frame_stack=1), path, 480, 12, starts="sampled", seed=0)


def recipe(above: float, attempts: int = 2, batch_size: int | None = None) -> Recipe:
    """Twelve steps that are looked at after eight, then five of the decoder."""
    sizes = EmbeddingConfig(encoder_hidden=(16,), decoder_hidden=(16,), transition_hidden=(16,))
    made = make_recipe("unfold", sizes)
    unfold, display = made.phases
    retry = Retry({"info_nce": 1e9, "control_uniformity": above}, LOOK, attempts, batch_size)
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


@pytest.mark.parametrize("kept", [{"retry": None}, {"steps": LOOK - 1}, {"batch_size": 32}])
def test_signs_are_looked_at_where_they_were_measured_or_not_at_all(data: Transitions, kept: dict[str, Any]) -> None:
    """In a phase that ends before, and with another batch, which changes what contrastive terms are."""
    looked_at = recipe(above=-1.0, batch_size=16)
    assert looked_at.phases[0].judged_by is not None
    trained = trainer(data, replace(looked_at, phases=(replace(looked_at.phases[0], **kept),)))
    finish(trained)
    assert trained.step == trained.recipe.steps


@pytest.mark.parametrize("factor", [0.1, 0.24, 0.25, 1, 3])
def test_a_scaled_recipe_keeps_the_step_that_its_signs_are_for(factor: float) -> None:
    whole = make_recipe("unfold", EmbeddingConfig()).phases[0]
    scaled = make_recipe("unfold", EmbeddingConfig()).scaled(factor).phases[0]
    assert scaled.retry == whole.retry == whole.judged_by
    assert (scaled.judged_by is None) == (factor < 0.25)


def test_a_shipped_recipe_in_other_batches_is_not_judged() -> None:
    """InfoNCE picks one of the batch: by chance alone it pays ln 32 = 3.5 nats there, and ln 128 = 4.9 in its own."""
    unfold = make_recipe("unfold", EmbeddingConfig()).phases[0]
    assert replace(unfold, batch_size=32).judged_by is None


def test_every_judgement_is_told_and_the_last_one_says_so(data: Transitions) -> None:
    trained = trainer(data, recipe(above=-1.0, attempts=2))
    told = [report.judgement for _ in range(40) if not trained.finished and (report := trained.advance()).judgement]
    assert [(one.attempt, one.last) for one in told if one] == [(1, False), (2, False), (3, True)]
    sentences = [one.sentence or "" for one in told if one]
    assert ["begins anew" in sentence for sentence in sentences] == [True, True, False]
    assert "was the last" in sentences[2]
    assert all("control_uniformity" in sentence and "info_nce" not in sentence for sentence in sentences)
    fine = trainer(data, recipe(above=1e9))
    told = [report.judgement for _ in range(LOOK) if (report := fine.advance()).judgement]
    assert [(one.attempt, one.sentence) for one in told if one] == [(1, None)]


@pytest.mark.parametrize("cut", [None, LOOK, 2 * LOOK + 3])
def test_attempts_that_come_out_alike_are_told_to_be_the_data(data: Transitions, cut: int | None) -> None:
    """Where nothing is learnt, each attempt guesses by chance: the third says so, also in a run that was cut before."""
    unfold, display = recipe(above=1.0, attempts=3).phases
    hopeless = replace(unfold, learning_rate=1e-9, retry=Retry({"control_uniformity": 1e9, "info_nce": 0.0}, LOOK, 3))
    of = replace(recipe(above=1.0), phases=(hopeless, display))
    trained, told = trainer(data, of), list[Judgement]()
    while len(told) < 4:
        if trained.step == cut:
            state, trained = trained.state(), trainer(data, of)
            trained.restore(*state)
        told += [judgement] if (judgement := trained.advance().judgement) else []
    assert ["alike" in str(one.sentence) for one in told] == [False, False, True, True]


def test_attempts_that_differ_are_not(data: Transitions) -> None:
    sentence = Judgement("unfold", {"info_nce": (3.0, 2.4)}, 7, last=True, alike=False).sentence
    assert sentence is not None
    assert "alike" not in sentence


def _stop_at(step: int, trained: Trainer, _: RunLogger) -> None:
    if trained.step == step:
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("cut", [None, LOOK + 2, 2 * LOOK])
def test_restarts_are_on_a_line_and_in_the_curves(
    data: Transitions, cut: int | None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """And go on where a run was cut."""
    config = TrainConfig(data.path, "E2C/Planar-v0", recipe(-1.0, attempts=2), log_every=1, measure_every=1)
    run = RunFolder.create(tmp_path, "Planar-v0", config, "run")
    if cut is not None:
        with pytest.raises(KeyboardInterrupt):
            train(run, config, watch=partial(_stop_at, cut), progress=True)
    train(run, config, progress=True)
    lines = [line for line in capfd.readouterr().err.splitlines() if "Attempt" in line]
    assert [line.split()[1] for line in lines] == ["1", "2", "3"]
    events = EventAccumulator(str(run.path), size_guidance={"scalars": 0, "tensors": 0}).Reload()
    shown = {event.step: event.value for event in events.Scalars("train/attempt")}
    attempts = [1] * (LOOK - 1) + [2] * LOOK + [3] * 13
    assert [shown[step + 1] for step in range(len(attempts))] == attempts
    assert [event.step for event in events.Tensors("train/restarts/text_summary")] == [LOOK, 2 * LOOK, 3 * LOOK]


def test_without_a_bar_a_map_that_is_kept_all_the_same_is_a_warning(data: Transitions, tmp_path: Path) -> None:
    config = TrainConfig(data.path, "E2C/Planar-v0", recipe(-1.0, attempts=0))
    with pytest.warns(UserWarning, match=r"Attempt 1 at phase 'unfold' .* was the last"):
        train(RunFolder.create(tmp_path, "Planar-v0", config, "run"), config)
