"""Somebody's own package, with one of everything, through the commands, the agents and files."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, Laplace

from e2c_control import (
    ICEM,
    MPC,
    E2CAgent,
    FreeEnergyAgent,
    FunctionDynamics,
    Limits,
    NoveltyOptions,
    PlanningOptions,
    TrainedRun,
    check_unbiased,
)
from e2c_control.autoencoders import AutoEncoderConfig, load_autoencoder, make_autoencoder, save_autoencoder
from e2c_control.cli import main
from e2c_control.data.arguments import as_option
from e2c_control.data.card import read_card
from e2c_control.errors import quoted
from e2c_control.gradients import LAX, RLOO, SurrogateNetwork
from e2c_control.planners import SumCost
from e2c_control.runs.own import sign

PACKAGE = Path(__file__).parent / "my_package"
ROOT = Path(__file__).parents[2]
CONTRACTS = (
    "gradients/test_laws.py",
    "planners/test_more_costs.py",
    "models/test_embedding.py",
    "objectives",
    "planners/test_contract.py",
    "autoencoders/test_contract.py",
    "agents/novelty/test_models.py",
    "agents/free_energy/test_free_energy.py",
    "agents/test_saving_while_learning.py",
    "gradients/test_contract.py",
    "envs/test_contract.py",
)
RUN = Path("runs/Slider-v0/mine")
WORLD = "my_package:My/Slider-v0"


@pytest.fixture(scope="module", autouse=True)
def here(tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    """The current folder: the package, a dataset of its world, and a run of its recipe."""
    folder = tmp_path_factory.mktemp("extending")
    shutil.copytree(PACKAGE, folder / "my_package")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [*sys.path])
        collected = ["--out", "data", "--transitions", "240", "--n-envs", "20"]
        assert main(["collect", "--env", WORLD, *collected]) == 0
        named = ["--recipe", "my_package.training:recipe", "--name", "mine", "--log-every", "2"]
        assert main(["train", "--dataset", "data", *named]) == 0
        yield folder


def alone(*words: str, path: Path | None = None) -> str:
    """What a new process says, which has imported nothing of the package, with one more place to import from."""
    command = [sys.executable, *words]
    paths = [str(path)] * (path is not None) + [os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    return done.stdout + done.stderr


def test_a_world_is_as_native_as_ours(here: Path) -> None:
    card = read_card(here / "data")
    assert (card.environment, card.environment_kwargs) == (WORLD, {})
    assert card.state_dim == 1
    states = np.load(here / "data" / "states.npy")
    assert np.ptp(states) > 25, "episodes begin all over the world, not where the task starts"


def test_a_run_names_what_it_was_made_of(here: Path) -> None:
    config = json.loads((here / RUN / "config.json").read_text())["config"]
    term = config["recipe"]["phases"][0]["terms"][1]
    assert (term["term"], term["options"]) == ("my_package.training:Spread", {"floor": 0.01})
    sizes = config["recipe"]["embedding"]
    assert (sizes["network"], sizes["matrix_form"]) == ("my_package.training:Linear", "my_package.training:Push")
    assert '"loss/Spread"' in (here / RUN / "metrics.jsonl").read_text()


def test_a_run_is_driven_by_a_planner_and_scored(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--run", str(RUN), "--planner", "my_package.planning:Shooting", "--samples", "8"]) == 0
    assert "oracle" in capsys.readouterr().out
    assert main(["evaluate", "--run", str(RUN), "--problems", "2"]) == 0
    assert "My/Slider-v0" not in capsys.readouterr().err
    assert main(["evaluate", "--run", str(RUN), "--problems", "1", "--planner", "my_package.planning:Nothing"]) == 2
    assert "has no attribute 'Nothing'" in capsys.readouterr().err


def test_a_stranger_opens_it_only_with_trust() -> None:
    drive = ("-m", "e2c_control", "evaluate", "--run", str(RUN), "--problems", "1")
    said = alone(*drive)
    assert "names 'my_package.training:" in said
    assert "add --trust my_package" in said
    assert "time in goal" in alone(*drive, "--trust", "my_package")


def test_each_command_suggests_one_that_can_be_copied() -> None:
    """Each in a process of its own, which knows nothing of the package but what the command says."""
    env = ("--env", WORLD, "--out", "my data", "--transitions", "60")
    (train,) = suggested(alone("-m", "e2c_control", "collect", *env))
    assert train == "e2c train --dataset 'my data' --trust my_package"
    named = " --recipe my_package.training:recipe --name again"
    plan, evaluate = suggested(alone("-m", "e2c_control", *shlex.split(train + named)[1:]))
    assert plan == "e2c plan --run runs/Slider-v0/again --trust my_package"
    assert suggested(alone("-m", "e2c_control", *shlex.split(plan)[1:])) == [evaluate]
    assert suggested(alone("-m", "e2c_control", *shlex.split(evaluate)[1:], "--problems", "1")) == [plan]


def suggested(said: str) -> list[str]:
    """The `e2c` commands that an output suggests."""
    return re.findall(r"^(?:Next|or) +(e2c .*)$", said, re.MULTILINE)


@pytest.mark.parametrize("own", [True, False])
def test_only_what_the_user_chose_is_suggested_to_be_trusted(tmp_path: Path, own: bool) -> None:
    """Code in a config that this user wrote, and nothing that a dataset of somebody else's calls its environment."""
    content = {"recipe": [{"term": "pack_a.inner:Mine"}], "environment": "pack_b:My/Robot-v0", "dataset": "/a/b:c"}
    signature = sign(content) if own else "0"
    (tmp_path / "config.json").write_text(json.dumps({"config": content, "signature": signature}))
    (tmp_path / "dataset.json").write_text(json.dumps({"environment": "pack_c:My/Robot-v0; rm"}))
    path = quoted(tmp_path)
    assert as_option(tmp_path) == path + " --trust pack_a" * own
    assert as_option(tmp_path, "pack_b:My/Robot-v0") == f"{path}{' --trust pack_a' * own} --env pack_b:My/Robot-v0"
    assert as_option(tmp_path, "pack_a:My/Robot-v0").endswith("--trust pack_a" if own else "--env pack_a:My/Robot-v0")


def test_an_agent_of_ones_own_parts_learns_plans_and_is_kept() -> None:
    from my_package.planning import Shooting
    from my_package.training import recipe

    agent = E2CAgent(WORLD, recipe, seed=1, options=PlanningOptions(planner=Shooting(samples=8), horizon=3))
    agent.learn(60).save("agent")
    assert agent.options.planner == "my_package.planning:Shooting"
    again = E2CAgent.load("agent")
    assert again.options == agent.options
    script = (
        "from e2c_control import E2CAgent, InputError\n"
        "try: E2CAgent.load('agent')\n"
        "except InputError as error: print(error)\n"
        "print(E2CAgent.load('agent', trust=('my_package',)).options.make_planner())"
    )
    said = alone("-c", script).splitlines()
    assert "trust=('my_package',)" in said[0]
    assert said[1] == "Shooting(samples=8, hold=2)"
    assert TrainedRun.open(RUN, trust="my_package").native


def test_a_cost_is_chosen_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    """For commands, for agents, and by strangers with trust; one without derivatives by planners that sample."""
    from my_package.planning import Far

    named = ("--set", "goal_cost=my_package.planning:Far")
    assert main(["plan", "--run", str(RUN), "--planner", "icem", *named]) == 0
    assert main(["plan", "--run", str(RUN), *named]) == 2
    assert "iLQR needs derivatives: give Far a method expand()" in capsys.readouterr().err
    assert main(["plan", "--run", str(RUN), "--set", "goal_cost=my_package.planning:recipe"]) == 2
    assert "has no attribute 'recipe'" in capsys.readouterr().err
    trained = TrainedRun.open(RUN)
    agent, plain = (trained.agent(planning={"planner": "icem", **cost}) for cost in ({"goal_cost": Far}, {}))
    frames = np.random.default_rng(0).integers(0, 256, (3, 36, 36, 1), np.uint8)
    for one in (agent, plain):
        one.set_goal(frames[:2])
        one.predict(frames[1:])
    assert agent.last_replan is not None
    assert plain.last_replan is not None
    assert (agent.last_replan.cost < plain.last_replan.cost).all(), "distances in place of their squares"
    agent.save("with-a-cost")
    assert E2CAgent.load("with-a-cost").options.goal_cost == "my_package.planning:Far"


@pytest.mark.skipif(not (ROOT / "experiments").is_dir(), reason="experiments are part of a checkout alone")
def test_an_experiment_of_ones_own_measures_what_its_file_lacks(here: Path) -> None:
    """Its rows, its options, its summary, and the commit of what made each, from the runner of ours."""
    icem = ["-m", "my_package.experiment", "--planners", "icem", "--out", "left.json", "--seeds"]
    assert alone(*icem, "0", path=ROOT).count("icem, seed") == 1
    said = alone(*icem, "0", "1", path=ROOT)
    assert "icem, seed 1: 0." in said
    assert "seed 0" not in said
    result = json.loads((here / "left.json").read_text())
    assert [row["seed"] for row in result["rows"]] == [0, 1]
    assert all({"commit", "versions", "machine"} <= row.keys() for row in result["rows"])
    before = sorted(here.rglob("*.json"))
    assert "left" in alone("-m", "my_package.experiment", "--quick", path=ROOT)
    assert sorted(here.rglob("*.json")) == before


def test_names_of_ones_own_in_the_other_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """Policy and novelty model, estimator, auto-encoder, and a world of the benchmark with a recipe."""
    curious = ("--policy", "my_package.curiosity:ShortA2C", "--model", "my_package.curiosity:Surprise")
    explore = ("explore", "--env", WORLD, "--out", "explored", "--steps", "40", "--n-envs", "2", "--sight", "plain")
    assert main([*explore, *curious]) == 0
    (train,) = suggested(capsys.readouterr().out)
    assert re.fullmatch(r"e2c train --dataset \S*explored --trust my_package", train)
    compared = ("estimators", "--toy", "bits", "--method", "my_package.gradients:HalfScore", "--draws", "50")
    assert main([*compared, "--train-steps", "2"]) == 0
    assert "HalfScore" in capsys.readouterr().out
    small = ("--count", "12", "--hidden", "4", "--cycles", "1", "--epochs", "1", "--warm-epochs", "1")
    changes = ("--set", "model.method=my_package.curiosity:Absolute", "model.options={'weight': 2.0}")
    assert main(["novelty", *small, *changes]) == 0
    cell = ("--worlds", "my_package.world:SLIDING", "--recipes", "my_package.training:recipe", "--seeds", "0")
    for finished in (0, 1):
        assert main(["benchmark", *cell, "--transitions", "60", "--out", "bench"]) == 0
        assert f"1, of which {finished} are finished" in capsys.readouterr().out
    assert "there is no world" not in (report := alone("-m", "e2c_control", "benchmark", *cell, "--out", "bench")), (
        report
    )


def test_pages_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["planners", "my_package.planning:Shooting"]) == 0
    assert "Random shooting" in capsys.readouterr().out
    assert main(["recipes", "my_package.training:recipe"]) == 0
    assert "phases.map.steps" in capsys.readouterr().out
    assert main(["envs", WORLD]) == 0
    assert "slide a bar to the right end" in capsys.readouterr().out


def test_a_cost_of_ones_own_is_planned_with() -> None:
    from my_package.planning import Far, Shooting

    dynamics = FunctionDynamics(lambda states, controls: states + controls, 2, 2)
    for planner in (Shooting(samples=200), ICEM()):
        cost = SumCost(Far([1.0, -1.0]), Far([1.0, -1.0]))
        plan, _ = MPC(planner, dynamics, cost, 4, Limits.symmetric(1.0, 2)).replan(np.zeros((1, 2)))
        assert plan.cost[0] < 2 * Far([1.0, -1.0]).value(np.zeros((1, 5, 2)), plan.controls, np.zeros(1, np.int64))[0]


def test_an_estimator_and_a_law_of_ones_own() -> None:
    from my_package.gradients import HalfScore

    bits = Bernoulli(logits=torch.tensor([0.3, -1.0], dtype=torch.float64))
    assert check_unbiased(HalfScore(), lambda b: (b - 0.4).square() + b, bits).unbiased
    noise = Laplace(torch.tensor(0.3, dtype=torch.float64), torch.tensor(0.8, dtype=torch.float64))
    for estimator in (RLOO(), LAX(SurrogateNetwork(1, (4,), dtype=torch.float64))):
        assert check_unbiased(estimator, torch.sin, noise).unbiased


def test_curiosity_of_ones_own_explores_and_is_kept() -> None:
    from my_package.curiosity import ShortA2C, Surprise

    novelty = NoveltyOptions(Surprise, batch_size=16, gradient_steps=1, train_every=32, memory=200)
    options: dict[str, Any] = {"n_steps": 8, "policy_kwargs": {"net_arch": [8]}}
    agent = FreeEnergyAgent(WORLD, ShortA2C, novelty, sight="plain", policy_options=options, n_envs=2, device="cpu")
    agent.learn(64).save("explorer")
    assert agent.num_timesteps == 64
    again = FreeEnergyAgent.load("explorer", device="cpu")
    assert type(again.model) is ShortA2C
    said = alone("-c", "from e2c_control import FreeEnergyAgent; FreeEnergyAgent.load('explorer')")
    assert "names 'my_package.curiosity:" in said


def test_an_auto_encoder_of_ones_own_is_kept() -> None:
    from my_package.curiosity import Absolute

    config = AutoEncoderConfig(Absolute, (5,), 2, hidden=(4,), options={"weight": 2.0})
    save_autoencoder(Path("auto"), make_autoencoder(config, torch.Generator().manual_seed(0)), config)
    model, read = load_autoencoder(Path("auto"))
    assert isinstance(model, Absolute)
    assert read == config


def test_all_of_it_keeps_our_contracts() -> None:
    """The tests that each of our own goes through, with one more name in each registry."""
    tests = PACKAGE.parent.parent
    paths = [str(tests / path) for path in CONTRACTS]
    # test_images asks each model for networks of ours.
    options = ["-q", "-p", "no:cacheprovider", "-p", "plugin", "-k", "mine and not test_images"]
    arguments = [*options, "--rootdir", str(tests.parent), *paths]
    said = alone("-c", f"import sys, pytest; sys.path.insert(0, {str(PACKAGE.parent)!r}); pytest.main({arguments!r})")
    assert " passed" in said, said[-3000:]
    assert "failed" not in said, said[-3000:]
    assert "error" not in said.splitlines()[-1], said[-3000:]
