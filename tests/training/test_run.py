"""A run around the core: curves, checkpoints, watching, threads, embeddings read back."""

import json
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from e2c_control.data import Transitions
from e2c_control.data.environments import task_behind
from e2c_control.envs import make_task
from e2c_control.envs.env import TaskEnv
from e2c_control.envs.pendulum import Pendulum
from e2c_control.errors import InputError
from e2c_control.models.embedding import Embedding
from e2c_control.objectives.recipe import Recipe
from e2c_control.runs.checkpoint import checkpoint_paths, latest, load_checkpoint
from e2c_control.runs.folder import RunFolder
from e2c_control.runs.logger import RunLogger, read_metrics
from e2c_control.training.presets import default_embedding
from e2c_control.training.run import TrainConfig, load_embedding, resolve_device, start_run, train
from e2c_control.training.trainer import Trainer
from e2c_control.training.watch import MapWatcher


@pytest.fixture
def config(dataset: Path, recipe: Recipe) -> TrainConfig:
    return TrainConfig(
        dataset, "Dots-v0", recipe, log_every=4, measure_every=5, checkpoint_every=3, keep=100, held_out=0.2
    )


def begin(folder: Path, config: TrainConfig) -> RunFolder:
    return RunFolder.create(folder, "Dots-v0", config, "run")


def curves(run: RunFolder) -> list[dict[str, Any]]:
    return [{tag: v for tag, v in row.items() if not tag.startswith("time/")} for row in read_metrics(run.metrics)]


def final(run: RunFolder) -> dict[str, bytes]:
    newest = latest(run.checkpoints)
    assert newest is not None
    groups = load_checkpoint(newest).tensors.items()
    return {f"{g}/{name}": tensor.numpy().tobytes() for g, tensors in groups for name, tensor in tensors.items()}


@pytest.fixture
def whole(tmp_path: Path, config: TrainConfig) -> RunFolder:
    run = begin(tmp_path / "whole", config)
    train(run, config)
    return run


def test_from_every_checkpoint_the_same_curves(whole: RunFolder, config: TrainConfig, tmp_path: Path) -> None:
    """Points of the curves are 4 steps apart and checkpoints 3: most checkpoints lie between two points."""
    for path in checkpoint_paths(whole.checkpoints)[:-1]:
        copy = RunFolder(tmp_path / path.name)
        shutil.copytree(whole.path, copy.path)
        for later in checkpoint_paths(copy.checkpoints):
            if later.name > path.name:
                shutil.rmtree(later)
        train(copy, config)
        assert curves(copy) == curves(whole)
        assert final(copy) == final(whole)


def test_ctrl_c_between_points_of_the_curves(whole: RunFolder, config: TrainConfig, tmp_path: Path) -> None:
    run = begin(tmp_path / "cut", config)

    def press(trainer: Trainer, logger: RunLogger) -> None:
        if trainer.step == 5:
            signal_self()

    with pytest.raises(KeyboardInterrupt):
        train(run, config, watch=press)
    assert latest(run.checkpoints) == run.checkpoints / "step-00000005"
    train(run, config)
    assert curves(run) == curves(whole)
    assert final(run) == final(whole)


def test_stopped_before_the_first_checkpoint(config: TrainConfig, tmp_path: Path) -> None:
    """No step is twice in the curves, nor in TensorBoard."""
    config = replace(config, checkpoint_every=100, log_every=1)
    whole, run = begin(tmp_path / "whole", config), begin(tmp_path / "cut", config)
    train(whole, config)

    def die(trainer: Trainer, logger: RunLogger) -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        train(run, config, watch=die)
    assert curves(run) == curves(whole)[:5]
    assert latest(run.checkpoints) is None
    train(run, config)
    assert curves(run) == curves(whole)
    assert final(run) == final(whole)
    events = EventAccumulator(str(run.path), size_guidance={"scalars": 0}).Reload()
    assert [event.step for event in events.Scalars("train/gradient_norm")] == [row["step"] for row in curves(whole)]


def test_what_killed_processes_left_in_a_run_goes(config: TrainConfig, tmp_path: Path) -> None:
    run = begin(tmp_path, config)
    kept = [run.path / ".notes-1.partial", run.path / ".mine"]
    for path in kept:
        path.write_text("of the user")
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    for folder in (run.path, run.checkpoints, run.plots):
        folder.mkdir(exist_ok=True)
        left = folder / f".step-00000003.{socket.gethostname()}-{child.pid}-0123abcd.partial"
        left.mkdir()
        (left / "model.safetensors").write_bytes(b"half")
        (folder / f".a.json.{socket.gethostname()}-{child.pid}-0123abcd.partial").write_text("half")
    torn = run.checkpoints / "step-00000001"
    torn.mkdir()
    (torn / "model.safetensors").write_bytes(b"half removed")
    train(run, config)
    assert all(path.exists() for path in kept)
    assert not torn.exists()
    hidden = {path.name for path in run.path.rglob(".*")}
    assert hidden == {".notes-1.partial", ".mine", ".lock"}


def test_a_run_is_trained_by_one_at_a_time(config: TrainConfig, tmp_path: Path) -> None:
    run = begin(tmp_path, config)

    def again(trainer: Trainer, logger: RunLogger) -> None:
        with pytest.raises(InputError, match="in use by another process"):
            train(run, config)

    train(run, config, watch=again)
    steps = [row["step"] for row in curves(run)]
    assert steps == sorted(set(steps))


def test_a_run_goes_on_with_its_own_dataset_only(whole: RunFolder, config: TrainConfig, tmp_path: Path) -> None:
    """The card alone does not tell two collections apart, and other package versions make no other dataset."""
    other = tmp_path / "other"
    shutil.copytree(config.dataset, other)
    card = json.loads((other / "dataset.json").read_text())
    (other / "dataset.json").write_text(json.dumps({**card, "versions": {"numpy": "0.1"}}))
    train(whole, replace(config, dataset=other))
    actions = np.load(other / "actions.npy")
    np.save(other / "actions.npy", -actions)
    with pytest.raises(InputError, match="is not the dataset that"):
        train(whole, replace(config, dataset=other))
    noted = json.loads((whole.path / "dataset.json").read_text())
    del noted["checksum"]
    (whole.path / "dataset.json").write_text(json.dumps(noted))  # as runs had it before
    train(whole, config)


def signal_self() -> None:
    import os
    import signal

    os.kill(os.getpid(), signal.SIGINT)


def test_watching_changes_no_bit(whole: RunFolder, config: TrainConfig, tmp_path: Path) -> None:
    run = begin(tmp_path / "watched", config)
    train(run, config, watch=MapWatcher(run, config, features=lambda states: states / 7, names=("row", "column")))
    assert final(run) == final(whole)
    training = [row for row in curves(run) if "train/learning_rate" in row]
    assert training == curves(whole)
    measured = [row for row in curves(run) if "map/step_rank" in row]
    steps = config.recipe.steps
    assert [row["step"] for row in measured] == [*range(5, steps, 5), steps]
    assert {"map/neighbour_overlap", "map/prediction_error_5", "map/jacobian_gap"} <= measured[0].keys()
    assert all((run.plots / f"{name}.png").is_file() for name in ("latent_map", "predictions"))
    drawn = [row["step"] for row in measured if config.recipe.decodes(row["step"])]
    assert [row["step"] for row in measured if "map/state_loss" in row] == drawn, "of a trained decoder alone"
    events = EventAccumulator(str(run.path), size_guidance={"images": 0, "scalars": 0}).Reload()
    assert [event.step for event in events.Images("images/predictions")] == drawn
    shown = [event.value for event in events.Scalars("map/step_rank")]
    assert np.allclose(shown, [row["map/step_rank"] for row in measured])


def test_rates_do_not_count_the_watching(config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def spend(seconds: float) -> None:
        nonlocal now
        now += seconds

    advance = Trainer.advance
    monkeypatch.setattr("e2c_control.training.window.time.perf_counter", lambda: now)
    monkeypatch.setattr(Trainer, "advance", lambda trainer: (spend(1.0), advance(trainer))[1])
    run = begin(tmp_path, config)
    train(run, config, watch=lambda trainer, logger: spend(1000.0))
    rates = [row["time/transitions_per_second"] for row in read_metrics(run.metrics) if "train/learning_rate" in row]
    per_step = [phase.batch_size * max(phase.horizon, 1) for phase in config.recipe.phases]
    assert min(per_step) <= min(rates), "a step takes a second"
    assert max(rates) <= max(per_step)


def test_threads_are_given_back(config: TrainConfig, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    seen: list[int] = []
    config = replace(config, threads=before + 1)
    train(begin(tmp_path, config), config, watch=lambda trainer, logger: seen.append(torch.get_num_threads()))
    assert set(seen) == {before + 1}
    assert torch.get_num_threads() == before


def test_an_embedding_is_read_back(whole: RunFolder, config: TrainConfig, transitions: Transitions) -> None:
    embedding = load_embedding(whole)
    stored = final(whole)
    for name, tensor in embedding.state_dict().items():
        assert tensor.numpy().tobytes() == stored[f"embedding/{name}"]
    assert embedding.observation_shape == (8, 8, 1)
    assert not embedding.training


def test_checkpoints_are_thinned_out(config: TrainConfig, tmp_path: Path) -> None:
    config = replace(config, keep=2)
    run = begin(tmp_path, config)
    train(run, config)
    assert len(checkpoint_paths(run.checkpoints)) == 2


def test_a_checkpoint_of_another_recipe(whole: RunFolder, config: TrainConfig) -> None:
    embedding = replace(config.recipe.embedding, encoder_hidden=(9,))
    other = replace(config, recipe=replace(config.recipe, embedding=embedding))
    before = final(whole)
    shutil.rmtree(latest(whole.checkpoints) or Path())
    with pytest.raises(InputError, match="with other networks than"):
        train(whole, other)
    assert final(whole) != before, "the newest was removed by the test alone"


@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_a_checkpoint_by_a_version_that_knew_fewer_fields(whole: RunFolder, config: TrainConfig, network: str) -> None:
    newest = latest(whole.checkpoints)
    assert newest is not None
    saved = newest / "checkpoint.json"
    content = json.loads(saved.read_text(encoding="utf-8"))
    networks = content["meta"]["networks"] if "meta" in content else content["networks"]
    del networks["decoder"]
    networks["network"] = network
    saved.write_text(json.dumps(content), encoding="utf-8")
    if network == "mlp" and config.recipe.embedding.decoder is None:
        assert load_embedding(whole).config.decoder is None
    else:
        with pytest.raises(InputError, match="with other networks than"):
            load_embedding(whole)


def test_devices() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type in ("cpu", "cuda")


@pytest.mark.parametrize(
    ("environment", "shape", "latents", "pooled"),
    [
        ("E2C/Planar-v0", (40, 40, 1), 2, 40),
        ("e2c_control.envs:E2C/PlanarWalls-v0", (40, 40, 1), 2, 40),
        ("E2C/PendulumSwingUp-v0", (48, 48, 1), 3, 24),
        ("Pendulum-v1", (64, 64, 1), 3, 21),
        ("Small-v0", (16, 12, 3), 3, 16),
    ],
)
def test_presets(environment: str, shape: tuple[int, int, int], latents: int, pooled: int) -> None:
    task = task_behind(environment) if "E2C" in environment else None
    config = default_embedding(shape, task=task)
    assert config.latent_dim == latents
    assert shape[0] // config.pool == pooled
    assert default_embedding(shape, 7, task).latent_dim == 7


@pytest.mark.parametrize(("detail", "pooled"), [(1.0, 48), (3.9, 48), (4.0, 24), (40.0, 24)])
def test_presets_of_a_new_task(monkeypatch: pytest.MonkeyPatch, detail: float, pooled: int) -> None:
    """What a task says is all that there is to know of it: no list of environments stands anywhere else."""
    task = replace(make_task("E2C/PendulumPump-v0"), id="E2C/Own-v0", latent_dim=5)
    monkeypatch.setattr(Pendulum, "detail", detail)
    gymnasium.register("E2C/Own-v0", entry_point=TaskEnv, kwargs={"task": task})
    try:
        config = default_embedding((48, 48, 1), task=task_behind("E2C/Own-v0"))
    finally:
        del gymnasium.registry["E2C/Own-v0"]
    assert (config.latent_dim, 48 // config.pool) == (5, pooled)


def test_a_run_that_cannot_train_is_not_begun(dataset: Path, recipe: Recipe, tmp_path: Path) -> None:
    long = replace(recipe, phases=(replace(recipe.phases[0], horizon=9),))
    with pytest.raises(InputError, match=r"no window of 9 steps .*collect longer episodes"):
        start_run(tmp_path / "runs", TrainConfig(dataset, "Dots-v0", long), "mine")
    with pytest.raises(InputError, match="device is 'tpu'"):
        start_run(tmp_path / "runs", TrainConfig(dataset, "Dots-v0", recipe, device="tpu"), "mine")  # type: ignore[arg-type]
    assert not (tmp_path / "runs").exists()
    assert start_run(tmp_path / "runs", TrainConfig(dataset, "Dots-v0", recipe), "mine").path.is_dir()


def test_what_cannot_be_is_refused_by_its_field(transitions: Transitions, recipe: Recipe) -> None:
    """At once, where it is made; and what is no recipe at all where it is used."""
    with pytest.raises(
        InputError, match=r"^EmbeddingConfig\.encoder_hidden\[1\] is -2: give a whole number of 1 or more"
    ):
        replace(recipe.embedding, encoder_hidden=(16, -2))
    with pytest.raises(InputError, match="recipe is 'unfold': give one of class Recipe"):
        Trainer("unfold", transitions, np.arange(3), seed=0, device=torch.device("cpu"))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"config is .*: give one of class EmbeddingConfig"):
        Embedding(recipe, (8, 8, 1), 2, torch.Generator())  # type: ignore[arg-type]
