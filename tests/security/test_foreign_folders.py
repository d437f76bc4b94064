"""Somebody else's folder: opening, driving and resuming it runs nothing of theirs, and writes nothing outside it."""

import json
import os
import shutil
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from e2c_control.agents import LAX, RELAX, E2CAgent, FreeEnergyAgent
from e2c_control.agents.curiosity import PlannedCuriosity
from e2c_control.autoencoders.novelty_run import NoveltyConfig
from e2c_control.benchmark.store import read_cells
from e2c_control.cli import main
from e2c_control.cli.explore import Explore
from e2c_control.data import Transitions
from e2c_control.data.pictures import read_picture
from e2c_control.data.unfinished import unfinished_folder
from e2c_control.errors import InputError
from e2c_control.evaluation.trained import TrainedRun
from e2c_control.runs.checkpoint import load_checkpoint
from e2c_control.runs.folder import RunFolder

# The run in tests/old was stopped on purpose, and using it warns.
pytestmark = pytest.mark.filterwarnings("ignore:.* is not trained to its end")

OLD = Path(__file__).parents[1] / "old"
Refused = Callable[..., str]
KINDS: dict[str, Any] = {
    "E2CAgent": E2CAgent,
    "PlannedCuriosity": PlannedCuriosity,
    "FreeEnergyAgent": FreeEnergyAgent,
    "RELAX": RELAX,
    "LAX": LAX,
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with copies of sound folders in it, as somebody sent them."""
    for name in ("dataset", "run", "exploration", "explored", "novelty-run", "benchmark"):
        shutil.copytree(OLD / name, tmp_path / name)
    (tmp_path / "theirs.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "theirs", raising=False)
    return tmp_path


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """Run a command that must fail, and give back its one sentence."""

    def run(*arguments: object) -> str:
        capsys.readouterr()
        assert main([str(argument) for argument in arguments]) == 2
        return capsys.readouterr().err.splitlines()[-1]

    return run


def edit(path: Path, **changes: Any) -> None:
    """Change values of a JSON document, each by its place: ``config__recipe__name=...``."""
    document = json.loads(path.read_text())
    for place, value in changes.items():
        *above, last = place.split("__")
        inner = document
        for key in above:
            inner = inner[int(key) if isinstance(inner, list) else key]
        inner[last] = value
    path.write_text(json.dumps(document))


def agent(name: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(OLD / name, tmp_path / name))


# Code


@pytest.mark.parametrize("command", ["plan", "play", "train", "explore"])
def test_no_module_is_imported_that_a_folder_names(here: Path, refused: Refused, command: str) -> None:
    """A sibling of each: the card of a run, of a dataset, the config of an exploration."""
    edit(here / "run" / "dataset.json", environment="theirs:My/Robot-v0")
    edit(here / "exploration" / "config.json", config__env="theirs:My/Robot-v0")
    edit(here / "dataset" / "dataset.json", environment="theirs:E2C/Planar-v0")
    if command == "train":  # a dataset of theirs is data: it can be learnt from
        options = ("--steps-scale", "0.001", "--runs", "runs", "--name", "r")
        assert main(["train", "--dataset", "dataset", *options]) == 0
    else:
        how = {
            "plan": ("--run", "run"),
            "play": ("--run", "run", "--video", "drive.gif"),
            "explore": ("--resume", "exploration", "--out", "explored"),
        }[command]
        assert "--env theirs:My/Robot-v0" in refused(command, *how)
    assert not (here / "imported").exists()


def test_a_module_is_imported_that_the_user_names(here: Path, refused: Refused) -> None:
    edit(here / "run" / "dataset.json", environment="theirs:My/Robot-v0")
    assert "My/Robot-v0" in refused("plan", "--run", "run", "--env", "theirs:My/Robot-v0")  # it registers none
    assert (here / "imported").exists()
    assert "not of E2C/Planar-v0" in refused("plan", "--run", "run", "--env", "E2C/Planar-v0")


def test_a_cell_of_the_benchmark_is_of_a_world_that_is_known(here: Path) -> None:
    """A report makes the tasks of its worlds, by the module of their environment."""
    edit(here / "benchmark/cells/pendulum-unfold-100.json", cell__world__environment="theirs:E2C/PendulumSwingUp-v0")
    with pytest.raises(InputError, match="is damaged: remove it"):
        read_cells(here / "benchmark" / "cells")
    assert not (here / "imported").exists()


TERM = "recipe__phases__0__terms__0__term"


@pytest.mark.parametrize("name", ["theirs:Mine", "theirs.inside:Mine", "os:system"])
@pytest.mark.parametrize(
    ("folder", "place"),
    [
        ("run", f"config__{TERM}"),
        ("run", "config__recipe__embedding__network"),
        ("run", "config__recipe__embedding__matrix_form"),
        ("novelty-run", "config__model__method"),
        ("novelty-run", "config__model__networks"),
        ("benchmark", f"cell__{TERM}"),
        ("exploration", "config__model"),
        ("exploration", "config__remedy"),
        ("exploration", "config__policy"),
        ("exploration", "config__sight"),
        ("E2CAgent", "meta__options__planner"),
        ("E2CAgent", "meta__options__goal_cost"),
        ("E2CAgent", "meta__embedding__network"),
        ("E2CAgent", "meta__embedding__matrix_form"),
        ("E2CAgent", f"meta__learning__{TERM}"),
        ("PlannedCuriosity", "meta__options__planner"),
        ("FreeEnergyAgent-ppo", "meta__options__policy"),
        ("FreeEnergyAgent-ppo", "meta__options__sight"),
        ("FreeEnergyAgent-ppo", "meta__options__novelty__model"),
        ("FreeEnergyAgent-ppo", "meta__options__novelty__remedy"),
    ],
)
def test_no_code_is_imported_that_a_folder_names(here: Path, folder: str, place: str, name: str) -> None:
    """Whatever can be chosen by name: a sibling of each registry that stands in files."""
    opening: dict[str, tuple[str, Callable[[Path], object]]] = {
        "run": ("config.json", TrainedRun.open),
        "novelty-run": ("config.json", lambda path: RunFolder.open(path).config(NoveltyConfig)),
        "benchmark": ("cells/pendulum-unfold-100.json", lambda path: read_cells(path / "cells")),
        "exploration": ("config.json", lambda path: Explore(resume=path, out=here / "new")()),
    }
    kind = KINDS.get(folder.partition("-")[0])
    file, opened = opening[folder] if kind is None else ("checkpoint.json", kind.load)
    path = here / folder if kind is None else agent(folder, here)
    edit(path / file, **{place: name})
    trusted = name.partition(".")[0].partition(":")[0]
    with pytest.raises(InputError, match=f"names '{name}', .* add --trust {trusted}, or trust="):
        opened(path)
    assert not (here / "imported").exists()


def test_code_is_imported_that_the_user_trusts(here: Path, refused: Refused) -> None:
    edit(here / "run" / "config.json", **{f"config__{TERM}": "theirs:Mine"})
    assert "names 'theirs:Mine'" in refused("plan", "--run", "run", "--trust", "their")
    assert not (here / "imported").exists()
    assert "has no attribute 'Mine'" in refused("plan", "--run", "run", "--trust", "theirs")
    assert (here / "imported").exists()


@pytest.mark.parametrize("task", ["theirs:Mine", "os:system"])
def test_no_task_is_made_of_code_that_a_folder_names(here: Path, refused: Refused, task: str) -> None:
    edit(here / "run" / "dataset.json", environment_kwargs={"task": task})
    refused("plan", "--run", "run")
    refused("evaluate", "--run", "run")
    edit(here / "exploration" / "config.json", config__env_args=[f"task={task}"])
    assert "make the environment in Python" in refused("explore", "--resume", "exploration", "--out", "new")
    assert not (here / "imported").exists()


@pytest.mark.parametrize("wrong", [("--trust",), ("--trust", "--run"), ("--trust=a/b",)])
def test_trust_is_put_into_a_package(refused: Refused, wrong: tuple[str, ...]) -> None:
    assert "--trust takes the name of a package" in refused("plan", "--run", "run", *wrong)


@pytest.mark.parametrize("name", ["torch.nn.nope.Tanh", "theirs.Tanh", "torch.nn.modules.module.warnings", "os.system"])
def test_a_policy_names_known_classes_alone(tmp_path: Path, name: str) -> None:
    path = agent("RELAX", tmp_path)
    kwargs = {"value": {"mapping": {"activation_fn": {"class": name}}}}
    edit(path / "checkpoint.json", meta__policy_kwargs=kwargs)
    with pytest.raises(InputError, match="no class of torch or stable-baselines3"):
        RELAX.load(path, device="cpu")


# Places


def test_a_resumed_exploration_writes_where_the_user_says(here: Path, refused: Refused) -> None:
    """Its config comes from elsewhere: neither its place for the dataset counts, nor its leave to replace one."""
    victim = here / "mine" / "data"
    shutil.copytree(here / "dataset", victim)
    before = {path: path.read_bytes() for path in victim.iterdir()}
    edit(here / "exploration" / "config.json", config__out=str(victim), config__overwrite=True)
    assert "name the dataset to write with --out" in refused("explore", "--resume", "exploration")
    assert "exists already" in refused("explore", "--resume", "exploration", "--out", victim)
    assert before == {path: path.read_bytes() for path in victim.iterdir()}


def test_a_resumed_training_reads_where_the_user_says(here: Path, refused: Refused) -> None:
    edit(here / "run" / "config.json", config__dataset=str(here / "mine"))
    assert "name the dataset with --dataset" in refused("train", "--resume", "run")
    assert main(["train", "--resume", "run", "--dataset", "dataset"]) == 0


def test_a_resumed_search_reads_where_the_user_says(here: Path, refused: Refused) -> None:
    edit(here / "novelty-run" / "config.json", config__data=str(here / "mine.npy"))
    assert "name the file with --data" in refused("novelty", "--resume", "novelty-run")


def test_what_this_user_wrote_is_believed_until_it_is_changed(here: Path) -> None:
    """The paths of a run of one's own need not be named again."""
    assert not RunFolder.open(here / "run").own
    options = ("--dataset", "dataset", "--steps-scale", "0.001", "--runs", "runs", "--name", "r")
    assert main(["train", *options]) == 0
    run = RunFolder.open(here / "runs" / "Planar-v0" / "r")
    assert run.own
    edit(run.path / "config.json", config__dataset=str(here / "mine"))
    assert not run.own


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret.png", "cells/../../secret.png", "", ".."])
def test_pictures_of_a_benchmark_stand_beside_it(here: Path, name: str) -> None:
    edit(here / "benchmark" / "cells" / "pendulum-unfold-100.json", pictures={"map": name})
    with pytest.raises(InputError, match="may lie outside it"):
        read_cells(here / "benchmark" / "cells")


def test_pictures_of_a_benchmark_are_pictures(here: Path) -> None:
    (here / "benchmark" / "cells" / "secret.png").write_text("secret")
    edit(here / "benchmark" / "cells" / "pendulum-unfold-100.json", pictures={"map": "secret.png"})
    with pytest.raises(InputError, match="is no PNG picture"):
        read_cells(here / "benchmark" / "cells")


@pytest.mark.parametrize(
    "name", ["metrics.jsonl", "plots", "videos", ".lock", "checkpoints", "checkpoints/step-00000009"]
)
def test_links_are_not_followed(here: Path, refused: Refused, name: str) -> None:
    outside, link = here / "outside", here / "run" / name
    shutil.copytree(here / "run" / "checkpoints", outside)
    (outside / "text").write_text("mine")
    if link.is_dir():
        shutil.rmtree(link)
    link.unlink(missing_ok=True)
    link.symlink_to(outside / "text" if link.suffix or name == ".lock" else outside)
    before = {path: path.read_bytes() for path in outside.rglob("*") if path.is_file()}
    for command in (("plan", "--run", "run"), ("train", "--resume", "run", "--dataset", "dataset")):
        assert "is a link" in refused(*command)
    assert before == {path: path.read_bytes() for path in outside.rglob("*") if path.is_file()}


@pytest.mark.parametrize("opening", [Transitions.open, load_checkpoint, RunFolder.open])
def test_pipes_and_links_in_every_kind_of_folder(tmp_path: Path, opening: Callable[[Path], object]) -> None:
    names = {"open": "dataset", "load_checkpoint": "checkpoint"}
    name = "run" if opening == RunFolder.open else names[opening.__name__]
    path = agent(name, tmp_path)
    os.mkfifo(path / "pipe")
    with pytest.raises(InputError, match="is no plain file"):
        opening(path)
    (path / "pipe").unlink()
    (path / "link").symlink_to("/dev/zero")
    with pytest.raises(InputError, match="is a link"):
        opening(path)


@pytest.mark.parametrize("name", ["/dev/zero", "../E2CAgent/embedding.safetensors", "a/b.safetensors"])
def test_files_of_a_checkpoint_are_in_it(tmp_path: Path, name: str) -> None:
    path = agent("E2CAgent", tmp_path)
    edit(path / "checkpoint.json", files={name: 0})
    with pytest.raises(InputError, match="may lie outside it"):
        E2CAgent.load(path)


@pytest.mark.filterwarnings("ignore:Attempt .* looks no better")  # so few steps make no good map
def test_saved_agents_write_where_their_user_says(tmp_path: Path) -> None:
    edit(agent("E2CAgent", tmp_path) / "checkpoint.json", meta__learning__folder=str(tmp_path / "there"))
    edit(
        agent("FreeEnergyAgent-ppo", tmp_path) / "checkpoint.json", meta__kept__tensorboard_log=str(tmp_path / "there")
    )
    edit(agent("LAX", tmp_path) / "checkpoint.json", meta__options__tensorboard_log=str(tmp_path / "there"))
    with pytest.warns(UserWarning, match="was not saved here"):
        E2CAgent.load(tmp_path / "E2CAgent", env="E2C/Planar-v0").learn(24)
    with pytest.warns(UserWarning, match="was not saved here"):
        assert FreeEnergyAgent.load(tmp_path / "FreeEnergyAgent-ppo").model.tensorboard_log is None
    with pytest.warns(UserWarning, match="was not saved here"):
        assert LAX.load(tmp_path / "LAX", device="cpu").tensorboard_log is None
    assert not (tmp_path / "there").exists()


def test_agents_of_ones_own_go_on_where_they_wrote(tmp_path: Path) -> None:
    made = E2CAgent("E2C/Planar-v0", steps_scale=0.001, folder=tmp_path / "mine")
    made.save(tmp_path / "agent")
    E2CAgent.load(tmp_path / "agent", env="E2C/Planar-v0").learn(48)
    assert (tmp_path / "mine" / "dataset").is_dir()


def test_an_environment_gets_no_path_from_a_folder(here: Path, refused: Refused) -> None:
    edit(here / "run" / "dataset.json", environment="Pendulum-v1", environment_kwargs={"xml_file": "/etc/passwd"})
    assert "make the environment in Python" in refused("plan", "--run", "run")


# What a file may say


@pytest.mark.parametrize(
    "counters", [{"policy": None}, {"num_timesteps": "x"}, {"num_timesteps": None}, {}, {"_n_updates": 1e400}]
)
@pytest.mark.parametrize("name", ["FreeEnergyAgent-ppo", "FreeEnergyAgent-relax", "FreeEnergyAgent-sac"])
def test_counters_are_counters(tmp_path: Path, name: str, counters: dict[str, Any]) -> None:
    path = agent(name, tmp_path)
    own = json.loads((path / "checkpoint.json").read_text())["meta"]["algorithm"]["counters"]
    edit(path / "checkpoint.json", meta__algorithm__counters={**own, **counters} if counters else {})
    if counters == {"policy": None}:
        assert FreeEnergyAgent.load(path).model.policy is not None
        return
    with pytest.raises(InputError):
        FreeEnergyAgent.load(path)


@pytest.mark.parametrize("shape", [None, "x", [40, 40], [40, 40, 0.5], [40, 40, -1], {}, [2**31, 2**31, 1]])
def test_the_shape_of_observations_is_one(here: Path, refused: Refused, shape: object) -> None:
    path = here / "run" / "checkpoints" / "step-00000004" / "checkpoint.json"
    edit(path, meta__observation_shape=shape)
    refused("plan", "--run", "run")
    edit(path, meta={})
    assert "lacks" in refused("plan", "--run", "run")


@pytest.mark.parametrize(
    ("name", "place", "size"),
    [
        ("E2CAgent", "meta__embedding__latent_dim", 100_000),
        ("PlannedCuriosity", "meta__learning__recipe__embedding__latent_dim", 100_000),
        ("E2CAgent", "meta__embedding__ensemble", 2**31 - 1),
        ("E2CAgent", "meta__embedding__encoder_hidden", [10**6, 10**6]),
        ("PlannedCuriosity", "meta__embedding__decoder_hidden", [10**9]),
        ("PlannedCuriosity", "meta__action_dim", 10**9),
        ("FreeEnergyAgent-sac", "meta__options__policy_options__buffer_size", 10**10),
        ("FreeEnergyAgent-sac", "meta__n_envs", 10**9),
        ("FreeEnergyAgent-ppo", "meta__options__policy_options__policy_kwargs", {"net_arch": [10**5, 10**5]}),
        ("FreeEnergyAgent-ppo", "meta__options__novelty__settings", {"hidden": [10**5, 10**5]}),
        ("RELAX", "meta__options__n_steps", 10**12),
    ],
)
def test_sizes_are_held_against_the_weights(tmp_path: Path, name: str, place: str, size: object) -> None:
    """What is only named is never allocated."""
    path = agent(name, tmp_path)
    edit(path / "checkpoint.json", **{place: size})
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # begin a new peak
    with pytest.raises(InputError):
        KINDS[name.partition("-")[0]].load(path)
    assert memory("VmHWM") - before < 1 << 30


def memory(name: str) -> int:
    """Of this process, in bytes, as the kernel counts it."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) << 10


@pytest.mark.parametrize("change", ["settings", "missing setting", "slots", "text", "shape"])
def test_optimisers_are_whole(tmp_path: Path, change: str) -> None:
    """Of an agent that is loaded to go on; what is missing would be noticed in the middle of learning."""
    path = agent("RELAX", tmp_path)
    document = json.loads((path / "checkpoint.json").read_text())
    optimiser = document["meta"]["optimizers"]["policy.optimizer"]
    group, slots = optimiser["param_groups"][0], optimiser["state"]["0"]
    if change == "settings":
        group["lr"] = "x"
    elif change == "missing setting":
        del group["eps"]
    elif change == "slots":
        del slots[min(slots)]
    elif change == "text":
        slots[min(slots)] = "x"
    else:
        slots["square_avg"], optimiser["state"]["1"]["square_avg"] = optimiser["state"]["1"]["square_avg"], None
    (path / "checkpoint.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match="does not fit"):
        RELAX.load(path, device="cpu")


def test_a_checkpoint_is_of_the_networks_that_its_config_names(here: Path, refused: Refused) -> None:
    """The forms full and global have weights of the same shapes."""
    options = ("--dataset", "dataset", "--steps-scale", "0.001", "--runs", "runs", "--name", "r")
    assert main(["train", *options]) == 0
    run = here / "runs" / "Planar-v0" / "r"
    edit(run / "config.json", config__recipe__embedding__matrix_form="global")
    assert "other networks" in refused("plan", "--run", run)
    assert "other networks" in refused("train", "--resume", run, "--dataset", "dataset")


@pytest.mark.parametrize("stack", [10**9, 3])
def test_the_frame_stack_of_a_card(here: Path, refused: Refused, stack: int) -> None:
    for folder in ("run", "dataset"):
        edit(here / folder / "dataset.json", frame_stack=stack)
    refused("plan", "--run", "run")
    if stack == 10**9:
        with pytest.raises(InputError, match="frame_stack is 1000000000, where a whole number from 1 to 1000 belongs"):
            Transitions.open(here / "dataset")


@pytest.mark.parametrize(
    "arguments", [{"noise": "x"}, {"noise": None}, {"horizon": [1]}, {"nope": 1}, {"max_step": {}}]
)
def test_arguments_of_an_environment_that_are_none(here: Path, refused: Refused, arguments: dict[str, Any]) -> None:
    edit(here / "run" / "dataset.json", environment_kwargs=arguments)
    refused("plan", "--run", "run", "--steps", "2")


@pytest.mark.parametrize("rows", ["1" + "0" * 19, "-1"])
def test_headers_of_arrays_are_no_reason_to_allocate(here: Path, rows: str) -> None:
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({rows}, 40, 40, 1), }}".ljust(117).encode() + b"\n"
    content = (here / "dataset" / "frames.npy").read_bytes()[128:]
    boast = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content
    (here / "dataset" / "frames.npy").write_bytes(boast)
    with pytest.raises(InputError):
        Transitions.open(here / "dataset")
    (here / "samples.npy").write_bytes(boast)
    assert main(["novelty", "--data", "samples.npy"]) == 2


def test_a_picture_of_a_goal_is_measured_before_it_is_decoded(tmp_path: Path) -> None:
    chunk = b"IHDR" + struct.pack(">II", 60_000, 60_000) + b"\x08\x02\0\0\0"
    data = b"IDAT" + zlib.compress(bytes(1000))
    parts = b"".join(
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (chunk, data)
    )
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    with pytest.raises(InputError, match="pixels"):
        read_picture(tmp_path / "bomb.png")
    (tmp_path / "program.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    with pytest.raises(InputError, match="no picture"):
        read_picture(tmp_path / "program.png")


@pytest.mark.parametrize("name", ["E2CAgent", "PlannedCuriosity", "FreeEnergyAgent-ppo", "RELAX"])
@pytest.mark.parametrize("text", ['{"a":' * 5000 + "1" + "}" * 5000, "[" * 200 + "]" * 200, "1" * 9000, "NaN"])
def test_documents_of_any_depth(tmp_path: Path, name: str, text: str) -> None:
    path = agent(name, tmp_path)
    document = (path / "checkpoint.json").read_text()
    for content in (text, document.replace('"version": 1', f'"version": {text}')):
        (path / "checkpoint.json").write_text(content)
        with pytest.raises(InputError):
            KINDS[name.partition("-")[0]].load(path)


def test_goals_without_images(tmp_path: Path) -> None:
    from safetensors.torch import save

    path = agent("E2CAgent", tmp_path)
    content = save({})
    (path / "goals.safetensors").write_bytes(content)
    edit(
        path / "checkpoint.json",
        files={name: zlib.crc32((path / name).read_bytes()) for name in ("embedding.safetensors", "goals.safetensors")},
    )
    with pytest.raises(InputError):
        E2CAgent.load(path)


@pytest.mark.parametrize("rewards", [[{"r": "x", "l": 1.0, "t": 1.0}], "x", [{"r": None}], [1]])
def test_rewards_of_episodes_are_numbers(tmp_path: Path, rewards: Any) -> None:
    edit(agent("LAX", tmp_path) / "checkpoint.json", meta__episodes=rewards)
    with pytest.raises(InputError, match="episodes"):
        LAX.load(tmp_path / "LAX", device="cpu")
    edit(agent("FreeEnergyAgent-ppo", tmp_path) / "checkpoint.json", meta__algorithm__episodes=rewards)
    with pytest.raises(InputError, match="episodes"):
        FreeEnergyAgent.load(tmp_path / "FreeEnergyAgent-ppo")


def test_a_trained_run_has_its_own_card(here: Path, refused: Refused) -> None:
    (here / "run" / "dataset.json").unlink()
    assert "is not a dataset" in refused("plan", "--run", "run")
    assert np.isfinite(Transitions.open(here / "dataset").actions).all()
    assert TrainedRun.open(Path(shutil.copytree(OLD / "run", here / "again"))).step == 4


def test_a_collection_goes_on_inside_its_folder(here: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of a dataset that somebody sent: links in it, a cluster to connect to, a path for the environment."""
    monkeypatch.setattr("e2c_control.data.unfinished.Unfinished._finish", lambda self: (_ for _ in ()).throw(Stop))
    with pytest.raises(Stop):
        main(["collect", "--env", "E2C/Planar-v0", "--out", "part", "--transitions", "60", "--n-envs", "2"])
    monkeypatch.undo()
    monkeypatch.chdir(here)
    folder = unfinished_folder(Path("part"))
    edit(folder / "config.json", config__ray="ray://somewhere:10001")
    assert "names a cluster" in refused("collect", "--resume", "part")
    edit(folder / "config.json", config__ray=None, config__env_args=["xml_file=/etc/passwd"])
    assert "make the environment in Python" in refused("collect", "--resume", "part")
    (folder / "actions.npy").unlink()
    (folder / "actions.npy").symlink_to(here / "theirs.py")
    before = (here / "theirs.py").read_bytes()
    assert "is a link" in refused("collect", "--resume", "part")
    assert (here / "theirs.py").read_bytes() == before


class Stop(Exception):
    """Ends a collection before it is finished."""


def test_a_collection_grows_through_no_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".data.unfinished").symlink_to(tmp_path / "elsewhere")
    for begun in (["--resume", str(tmp_path / "data")], ["--env", "E2C/Planar-v0", "--out", str(tmp_path / "data")]):
        assert main(["collect", *begun]) == 2
    assert not any((tmp_path / "elsewhere").iterdir())
