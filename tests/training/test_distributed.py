"""Two processes that share every batch take the steps of one. Run as a script, this file is one of the two."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file

from e2c_control.data import Transitions
from e2c_control.errors import InputError
from e2c_control.models.embedding import EmbeddingConfig
from e2c_control.objectives.objective import TERMS, WeightedTerm
from e2c_control.objectives.recipe import Phase, Recipe, Retry
from e2c_control.objectives.recipes import make_recipe
from e2c_control.training.distributed import ALONE, Job, JobEnded, check_devices, join_job
from e2c_control.training.trainer import Trainer

PARTS = (
    "encoder",
    "decoder",
    "transition",
    "ensemble",
    "backward_encoder",
    "reachability",
    "passage",
    "reward",
    "termination",
)
SIZES = EmbeddingConfig(
    encoder_hidden=(16,),
    decoder_hidden=(16,),
    transition_hidden=(8,),
    process_noise=True,
    ensemble=2,
    backward_encoder=True,
    reachability=3,
    heads=("reward", "termination"),
)
CASES = [*((name, "shared") for name in TERMS), ("prediction", "independent")]


def trainer(of: Recipe, data: Path, job: Job) -> Trainer:
    transitions = Transitions.open(data)
    episodes = np.arange(transitions.n_episodes)
    return Trainer(of, transitions, episodes, seed=3, device=torch.device("cpu"), job=job)


def first_step(name: str, latent_noise: str, data: Path, job: Job) -> dict[str, torch.Tensor]:
    """The term's value in a first step, and its gradient in every parameter."""
    phase = Phase("one", 9, (WeightedTerm(name),), horizon=3, batch_size=16, train=PARTS)
    trained = trainer(Recipe("one", SIZES, (phase,), latent_noise), data, job)  # type: ignore[arg-type]
    loss = trained.advance().loss
    named = [*trained.embedding.named_parameters(), *trained.objective.named_parameters()]
    return {"loss": loss, **{key: p.grad for key, p in named if p.grad is not None}}


def whole_way(data: Path, job: Job) -> dict[str, torch.Tensor]:
    """Losses of the default recipe, of which the first phase is given up once, and all that it ends with."""
    made = make_recipe("unfold", replace(SIZES, ensemble=0, backward_encoder=False, reachability=0, heads=()))
    retry = Retry({"control_uniformity": -1.0}, steps=4, attempts=1)
    unfold, display = (replace(phase, steps=6, batch_size=16) for phase in made.phases)
    trained = trainer(replace(made, phases=(replace(unfold, retry=retry), display)), data, job)
    losses = []
    while not trained.finished:
        losses.append(trained.advance().loss)
    tensors, _ = trained.state()
    flat = {f"{group}/{key}": value for group, named in tensors.items() for key, value in named.items()}
    return {"losses": torch.stack(losses), **flat}


def everything(data: Path, job: Job) -> dict[str, torch.Tensor]:
    """All that the tests compare, under one name each."""
    found = {f"way/{key}": value for key, value in whole_way(data, job).items()}
    for name, noise in CASES:
        found |= {f"{name}/{noise}/{key}": value for key, value in first_step(name, noise, data, job).items()}
    return {key: value.detach().clone() for key, value in found.items()}


def lose_one(job: Job) -> None:
    """Exits with 7 if the loss of the other process is noticed as what it is."""
    if job.rank:
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        job.average([torch.ones(3)])
    except JobEnded:
        os._exit(7)  # at once: threads that wait for the lost process may abort an orderly end


def main(data: Path, folder: Path, rank: int) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    job = Job(rank, 2)
    said = job.from_first(lambda: "läuft")
    assert said == "läuft"
    assert job.any(rank == 1)
    assert not job.any(False)
    save_file(everything(data, job), folder / f"{rank}.safetensors")
    lose_one(job)


@pytest.fixture(scope="module")
def shares(transitions: Transitions, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, torch.Tensor]]:
    """`everything`, from each of two processes."""
    folder = tmp_path_factory.mktemp("job")
    command = [sys.executable, "-P", __file__, str(transitions.path), str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    processes = [subprocess.Popen([*command, str(rank)], env=environment) for rank in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [7, -signal.SIGKILL]
    return [load_file(folder / f"{rank}.safetensors") for rank in range(2)]


@pytest.mark.parametrize(("name", "noise"), CASES)
def test_every_term_has_the_gradient_of_the_global_batch(
    shares: list[dict[str, torch.Tensor]], transitions: Transitions, name: str, noise: str
) -> None:
    expected = first_step(name, noise, transitions.path, ALONE)
    for share in shares:
        found = {
            key.removeprefix(f"{name}/{noise}/"): share[key] for key in share if key.startswith(f"{name}/{noise}/")
        }
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            torch.testing.assert_close(found[key], value, rtol=1e-4, atol=2e-5 * float(value.abs().max() + 1e-3))


def test_a_whole_recipe_is_the_same_and_so_is_what_its_processes_decide(
    shares: list[dict[str, torch.Tensor]], transitions: Transitions
) -> None:
    expected = whole_way(transitions.path, ALONE)
    assert len(expected["losses"]) == 6 + 6 + 4, "one attempt is given up"
    for share in shares:
        torch.testing.assert_close(share["way/losses"], expected["losses"], rtol=1e-3, atol=0.0)
        for key in expected:
            if key.startswith("generators/"):
                assert torch.equal(share[f"way/{key}"], expected[key])


def test_processes_stay_together_to_the_bit(shares: list[dict[str, torch.Tensor]]) -> None:
    first, second = shares
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert torch.equal(value, second[key]), key


def test_alone_nothing_is_exchanged() -> None:
    values = torch.ones(2, 3)
    assert ALONE.gather(values, -2) is values
    ALONE.average([values])
    assert torch.equal(values, torch.ones(2, 3))
    assert (ALONE.any(True), ALONE.any(False), ALONE.from_first(lambda: "")) == (True, False, "")
    with join_job() as job:
        assert job is ALONE, "torchrun did not start this"


def test_more_processes_than_cuda_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(torch.cuda.device_count() + 1))
    check_devices(torch.device("cpu"))
    with pytest.raises(InputError, match="start one for each, or train with --device cpu"):
        check_devices(torch.device("cuda"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
