"""`--compile` on a CPU: the same training by other kernels, which stops and goes on like any other."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from e2c_control.models.embedding import EmbeddingConfig
from e2c_control.objectives.recipes import make_recipe
from e2c_control.runs.checkpoint import checkpoint_paths, load_checkpoint
from e2c_control.runs.folder import RunFolder
from e2c_control.runs.logger import read_metrics
from e2c_control.training.run import TrainConfig, load_embedding, train

COMPILER = os.environ.get("CXX") or next(filter(shutil.which, ("g++", "clang++", "c++")), None)
SIZES = EmbeddingConfig(encoder_hidden=(16,), decoder_hidden=(16,), transition_hidden=(8,))


@pytest.fixture(params=["e2c", pytest.param("e2c-warm", marks=pytest.mark.slow)])
def config(request: pytest.FixtureRequest, dataset: Path) -> TrainConfig:
    """A few steps of every phase; the kernels of the unfolding take a minute to compile."""
    recipe = make_recipe(request.param, SIZES)
    phases = tuple(replace(phase, steps=4, batch_size=16, horizon=1) for phase in recipe.phases)
    recipe = replace(recipe, phases=phases)
    return TrainConfig(dataset, "Dots-v0", recipe, log_every=1, checkpoint_every=3, held_out=0.2, threads=1, keep=9)


def trained(folder: Path, config: TrainConfig) -> RunFolder:
    run = RunFolder.create(folder, "Dots-v0", config, "run")
    train(run, config)
    return run


def losses(run: RunFolder) -> np.ndarray:
    return np.array(
        [value for row in read_metrics(run.metrics) for tag, value in row.items() if tag.startswith("loss/total/")]
    )


@pytest.mark.skipif(COMPILER is None, reason="torch.compile needs a C++ compiler, and there is none")
@pytest.mark.filterwarnings("ignore")  # torch.compile warns of its own doings
def test_compiled_training_is_the_same_and_goes_on(config: TrainConfig, tmp_path: Path) -> None:
    plain, compiled = config, replace(config, compile=True)
    torch._dynamo.utils.counters.clear()
    run = trained(tmp_path / "compiled", compiled)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0, "something was compiled"
    expected = losses(trained(tmp_path / "plain", plain))
    assert len(losses(run)) == config.recipe.steps
    np.testing.assert_allclose(losses(run), expected, rtol=1e-3)

    cut = RunFolder(tmp_path / "cut")
    shutil.copytree(run.path, cut.path)
    for later in checkpoint_paths(cut.checkpoints)[1:]:
        shutil.rmtree(later)
    train(cut, compiled)
    np.testing.assert_allclose(losses(cut), losses(run), rtol=1e-6)
    newest = load_checkpoint(checkpoint_paths(cut.checkpoints)[-1])
    weights = load_embedding(run).state_dict()
    assert newest.tensors["embedding"].keys() == weights.keys(), "no name tells that the networks were compiled"
    for name, tensor in newest.tensors["embedding"].items():
        torch.testing.assert_close(tensor, weights[name], rtol=1e-4, atol=1e-5)
