"""What a user may get wrong: one sentence that names the thing and the remedy, exit code 2, and nothing is lost."""

import json
import re
import resource
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from subprocess import Popen

import numpy as np
import pytest

from e2c_control import E2CAgent, make_image_env
from e2c_control.data.transitions import Transitions
from e2c_control.envs import make_task
from e2c_control.evaluation.trained import own_task
from e2c_control.objectives.recipes import make_recipe
from e2c_control.runs.folder import RunFolder
from e2c_control.training.presets import default_embedding
from e2c_control.training.run import TrainConfig

Refused = Callable[..., str]
Fingerprint = Callable[[Path], dict[str, str]]

ODD = """
import gymnasium, numpy as np
from gymnasium import spaces

class Odd(gymnasium.Env):
    metadata = {"render_modes": []}
    action_space = spaces.Box(-1, 1, (1,), np.float32)
    observation_space = spaces.Box(0, 255, (8, 8, 1), np.uint8)
    def __init__(self, frame): self.frame = frame
    def reset(self, *, seed=None, options=None): return self.frame, {}
    def step(self, action): return self.frame, 0.0, False, False, {}

shapes = {"Tall": np.zeros((9, 8, 1), np.uint8), "Float": np.zeros((8, 8, 1)), "Nan": np.full((8, 8, 1), np.nan)}
for name, frame in shapes.items():
    gymnasium.register(f"Odd{name}-v0", entry_point=Odd, kwargs={"frame": frame}, disable_env_checker=True)
"""


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ("E2C/Plana-v0", "Unknown environment 'E2C/Plana-v0'.*did you mean 'E2C/Planar-v0'"),
        ("no_such_module:Env-v0", "Unknown environment 'no_such_module:Env-v0'"),
        ("odd_worlds:OddTall-v0", r"shows uint8 \(9, 8, 1\) instead of uint8 \(8, 8, 1\)"),
        ("odd_worlds:OddFloat-v0", r"shows float64 \(8, 8, 1\) instead of uint8"),
        ("odd_worlds:OddNan-v0", "pixels that are not finite: repair its observations"),
    ],
)
def test_environments(
    tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch, env: str, sentence: str
) -> None:
    (tmp_path / "odd_worlds.py").write_text(ODD)
    monkeypatch.syspath_prepend(tmp_path)
    out = tmp_path / "data"
    said = refused("collect", "--env", env, "--out", out, "--transitions", 10)
    assert re.search(sentence, said), said
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--transitions", 0), "give a whole number of 1 or more"),
        (("--corner-share", 2), "--corner-share is 2.0"),
        (("--observation", "vector"), "draws its own small images: leave out observation"),
        (("--action-limit", 2), "draws its own small images: leave out action_limit"),
        (("--env-args", "noise"), "write it as name=value"),
        (("--env-args", "weight=1"), "has no option 'weight'"),
        (("--env-args", "noise=-1"), "noise is -1: give a number of 0 or more"),
        (("--env-args", "frame_stack=2"), "cannot take 'frame_stack' as an argument: give frame_stack itself"),
        (
            ("--env-args", "noise=0.1", "render_mode=rgb_array"),
            "cannot take 'render_mode' as an argument: leave it out",
        ),
        (("--env-args", "task=E2C/PendulumPump-v0"), "The task of E2C/Planar-v0 is fixed"),
        (("--image-size", 20), "leave out image_size"),
        (("--transitions", 10**9), "free some space"),
    ],
)
def test_options_of_collect(tmp_path: Path, refused: Refused, options: tuple[object, ...], sentence: str) -> None:
    assert sentence in refused("collect", "--env", "E2C/Planar-v0", "--out", tmp_path / "data", *options)
    assert list(tmp_path.iterdir()) == []


def test_a_dataset_is_never_replaced_unasked(planar: Path, refused: Refused, fingerprint: Fingerprint) -> None:
    before = fingerprint(planar)
    said = refused("collect", "--env", "E2C/Planar-v0", "--out", planar)
    assert "choose another path, or --overwrite to replace it" in said
    assert "not a dataset" in refused("collect", "--env", "E2C/Planar-v0", "--out", planar.parent, "--overwrite")
    assert fingerprint(planar) == before


def test_sentences_name_the_options_of_the_command(tmp_path: Path, refused: Refused) -> None:
    said = refused("collect", "--env", "Pendulum-v1", "--starts", "sampled", "--out", tmp_path / "data")
    assert "collect with --starts reset" in said


def test_an_unfinished_dataset_is_gone_on_with(
    tmp_path: Path, refused: Refused, succeed: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data"
    with monkeypatch.context() as stopped:
        stopped.setattr("e2c_control.data.unfinished.Unfinished._finish", lambda self: (_ for _ in ()).throw(EOFError))
        with pytest.raises(EOFError):
            succeed("collect", "--env", "E2C/Planar-v0", "--out", path, "--transitions", 20, "--n-envs", 2)
    assert f"go on with `e2c collect --resume {path}`" in refused("train", "--dataset", path)
    succeed("collect", "--resume", path)


def test_unwritable_folders(planar: Path, tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "Cannot write" in refused("collect", "--env", "E2C/Planar-v0", "--out", tmp_path / "file" / "data")
    assert "Cannot write" in refused("train", "--dataset", planar, "--runs", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "in the way"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def spoil_actions(path: Path) -> None:
    actions = np.load(path)
    actions[7] = np.nan
    np.save(path, actions)


def other_version(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 99}))


@pytest.mark.parametrize(
    ("file", "damage", "sentence"),
    [
        ("frames.npy", cut, "frames.npy is truncated.*collect the dataset again"),
        ("actions.npy", Path.unlink, "actions.npy is missing.*collect the dataset again"),
        ("actions.npy", spoil_actions, "actions that are not finite.*collect the dataset again"),
        ("dataset.json", cut, "dataset.json is damaged.*collect the dataset again"),
        ("dataset.json", other_version, "version 99.*install the version that wrote it"),
        ("dataset.json", Path.unlink, "is not a dataset.*check the path"),
    ],
)
def test_damaged_datasets(
    planar: Path, tmp_path: Path, refused: Refused, file: str, damage: Callable[[Path], None], sentence: str
) -> None:
    shutil.copytree(planar, tmp_path / "data")
    damage(tmp_path / "data" / file)
    said = refused("train", "--dataset", tmp_path / "data", "--runs", tmp_path / "runs")
    assert re.search(sentence, said), said
    assert not (tmp_path / "runs").exists(), "nothing begins"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "Give --dataset, --env or --resume"),
        (("--resume", "nowhere", "--seed", 3), "--seed means nothing beside --resume"),
        (("--resume", "nowhere", "--env", "E2C/Planar-v0"), "--env means nothing beside --resume"),
        (("--dataset", "nowhere"), "no dataset at nowhere: check the path, or make one with `e2c collect`"),
        (("--dataset", "nowhere", "--env", "E2C/Planar-v0"), "not both"),
        (("--env", "E2C/Planet-v0"), "did you mean"),
        (("--resume", "nowhere"), "There is no run nowhere: check the path"),
        (
            ("--dataset", "PLANAR", "--recipe", "unfolded"),
            "no recipe 'unfolded' (did you mean 'unfold'?): choose one of unfold",
        ),
        (("--dataset", "PLANAR", "--latent-dim", 0), "give a whole number of 1 or more"),
        (("--dataset", "PLANAR", "--steps-scale", 0), "--steps-scale is 0"),
        (("--dataset", "PLANAR", "--threads", 0), "--threads is 0"),
        (("--dataset", "PLANAR", "--checkpoint-every", 0), "--checkpoint-every is 0"),
    ],
)
def test_options_of_train(
    planar: Path,
    tmp_path: Path,
    refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[object, ...],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sentence in refused("train", *(planar if option == "PLANAR" else option for option in options))
    assert list(tmp_path.iterdir()) == []


def test_no_cuda_device(planar: Path, tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    said = refused("train", "--dataset", planar, "--device", "cuda", "--runs", tmp_path / "runs")
    assert "--device cpu" in said
    assert not (tmp_path / "runs").exists()


def older_config(run: Path) -> None:
    path = run / "config.json"
    text = json.loads(path.read_text())
    del text["config"]["recipe"]["phases"][0]["terms"]
    path.write_text(json.dumps(text))


def cut_checkpoint(run: Path) -> None:
    cut(max((run / "checkpoints").iterdir()) / "embedding.safetensors")


DAMAGED_RUNS = [
    (lambda run: other_version(run / "config.json"), "version 99.*start the run again or install the version"),
    (older_config, "written for another version of e2c-control"),
    (lambda run: cut(run / "config.json"), "config.json is damaged: start the run again"),
    (lambda run: (run / "config.json").unlink(), "is not a run"),
    (cut_checkpoint, "embedding.safetensors is truncated or damaged: remove .*step-"),
]


@pytest.mark.parametrize(("damage", "sentence"), DAMAGED_RUNS)
@pytest.mark.parametrize("command", [("train", "--resume"), ("plan", "--run"), ("evaluate", "--run")])
def test_damaged_runs(
    whole: Path,
    tmp_path: Path,
    refused: Refused,
    fingerprint: Fingerprint,
    damage: Callable[[Path], None],
    sentence: str,
    command: tuple[str, str],
) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    damage(run)
    before = fingerprint(run)
    said = refused(*command, run)
    assert re.search(sentence, said), said
    assert fingerprint(run) == before


def test_a_damaged_checkpoint_can_be_removed_as_told(whole: Path, tmp_path: Path, succeed: Callable[..., None]) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    shutil.rmtree(max((run / "checkpoints").iterdir()))
    succeed("train", "--resume", run)


def test_another_dataset_under_a_run(
    whole: Path, planar: Path, tmp_path: Path, refused: Refused, succeed: Callable[..., None]
) -> None:
    run, data = tmp_path / "run", tmp_path / "data"
    succeed("collect", "--env", "E2C/Planar-v0", "--out", data, "--transitions", 100, "--seed", 5)
    shutil.copytree(whole, run)
    config = (run / "config.json").read_text()
    (run / "config.json").write_text(config.replace(str(planar), str(data)))
    assert "name the dataset with --dataset" in refused("train", "--resume", run)
    assert "no dataset at" in refused("train", "--resume", run, "--dataset", tmp_path / "gone")
    assert "is not the dataset" in refused("train", "--resume", run, "--dataset", data)
    succeed("train", "--resume", run, "--dataset", planar)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--goal-state", 50, 50), "goal [50.0, 50.0] lies outside the world of E2C/Planar-v0: choose"),
        (("--start-state", 20.5, 20.5, "--goal-state", 20.5, 5.5), "lies outside the world"),
        (("--goal-state", "nan", 3), "--goal-state is nan: give a finite number"),
        (("--goal-state", 3), "must have shape (2,)"),
        (("--problem", -1), "--problem is -1"),
        (("--steps", 0), "--steps is 0: give a whole number of 1 or more"),
        (("--goal", "x.png"), "--goal means nothing in this environment"),
        (("--task", "E2C/Flat-v0"), "Unknown environment 'E2C/Flat-v0'"),
        (("--task", "E2C/PendulumBalance-v0"), "(Pendulum, not Planar): choose E2C/Planar-v0, or train on"),
        (("--task", "E2C/PlanarWalls-v0"), "(other obstacles, other walls): choose E2C/Planar-v0, or train on"),
    ],
)
def test_options_of_plan(
    whole: Path, refused: Refused, fingerprint: Fingerprint, options: tuple[object, ...], sentence: str
) -> None:
    before = fingerprint(whole)
    assert sentence in refused("plan", "--run", whole, *options)
    assert fingerprint(whole) == before


def test_runs_that_cannot_be_used_yet(planar: Path, rendered: Path, tmp_path: Path, refused: Refused) -> None:
    recipe = make_recipe("unfold", default_embedding((40, 40, 1), task=make_task("E2C/Planar-v0")))
    run = RunFolder.create(tmp_path, "E2C/Planar-v0", TrainConfig(planar, "E2C/Planar-v0", recipe), "new")
    for command in ("plan", "evaluate"):
        assert f"e2c train --resume {run.path}" in refused(command, "--run", run.path)
    said = refused("evaluate", "--run", rendered)
    assert "has no goals to score by" in said
    advice = re.search(r"agent = (E2CAgent\.load\(.+\)\)), agent\.set_goal", said)
    assert advice is not None
    agent = eval(advice[1], {"E2CAgent": E2CAgent, "make_image_env": make_image_env})
    assert agent.get_env().observation_space.shape == agent.embedding.observation_shape
    again = E2CAgent.load(rendered, env="Pendulum-v1")  # in the size that it was collected in
    assert again.get_env().observation_space.shape == agent.embedding.observation_shape
    assert "--problems is 0" in refused("evaluate", "--run", rendered, "--problems", 0)


def test_pictures_of_goals(rendered: Path, tmp_path: Path, refused: Refused) -> None:
    from PIL import Image

    Image.new("L", (40, 20)).save(tmp_path / "wide.png")
    (tmp_path / "text.png").write_text("no picture")
    assert "There is no picture" in refused("plan", "--run", rendered, "--goal", tmp_path / "none.png")
    assert "40 x 20 pixels: give a picture of the proportions 32 x 32" in refused(
        "plan", "--run", rendered, "--goal", tmp_path / "wide.png"
    )
    assert "is no picture that can be read" in refused("plan", "--run", rendered, "--goal", tmp_path / "text.png")


def test_non_finite_loss_keeps_the_last_checkpoint(
    planar: Path, tmp_path: Path, refused: Refused, fingerprint: Fingerprint
) -> None:
    card = Transitions.open(planar).card
    recipe = make_recipe("unfold", default_embedding(card.frame_shape, task=own_task(card))).scaled(0.01)
    good = replace(recipe.phases[0], retry=None)
    bad = replace(good, name="wild", learning_rate=1e30)
    recipe = replace(recipe, phases=(good, bad))
    # Points of the curves are rarer than checkpoints: a loss must be looked at before its weights are kept.
    config = TrainConfig(
        planar, card.environment, recipe, log_every=1000, measure_every=1000, checkpoint_every=good.steps
    )
    run = RunFolder.create(tmp_path, card.environment, config, "wild")
    said = refused("train", "--resume", run.path)
    assert "is not finite" in said
    assert "the last checkpoint is intact" in said
    kept = fingerprint(run.checkpoints)
    assert {Path(name).parts[0] for name in kept} == {f"step-{good.steps:08d}"}
    assert "is not finite" in refused("train", "--resume", run.path)
    assert fingerprint(run.checkpoints) == kept


def small_files(size: int) -> None:
    """No file may grow beyond so many bytes: what a full disk looks like to a program."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize(
    ("command", "size", "compiled"),
    [("collect", 100_000, True), ("train", 100_000, True), ("plan", 30_000, True), ("plan", 30_000, False)],
)
def test_full_disk(
    whole: Path,
    planar: Path,
    tmp_path: Path,
    start: Callable[..., "Popen[str]"],
    fingerprint: Fingerprint,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    size: int,
    compiled: bool,
) -> None:
    """Whether or not the planners were compiled before, whose machine code needs a place too."""
    if not compiled:
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "machine_code"))
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    before = fingerprint(tmp_path)
    options = {
        "collect": ("--env", "E2C/Planar-v0", "--out", "data"),
        "train": ("--dataset", planar, "--steps-scale", 0.01),
        "plan": ("--run", run),
    }[command]
    process = start(tmp_path, command, *options, preexec_fn=partial(small_files, size))
    _, err = process.communicate(timeout=150)
    assert process.returncode == 2, err
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("e2c: No space left to write")
    after = fingerprint(tmp_path)
    # A run's curves may have grown; whatever else was there is as it was, and nothing half-written has a name.
    for name, content in before.items():
        assert after[name] == content or "metrics" in name
    assert not (tmp_path / "data").exists()
    assert not list(tmp_path.rglob("step-*/*.partial"))


def test_a_dataset_of_another_environment_is_not_trained_on(
    planar: Path, tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where `train --env` would collect, and where quickstart would."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(planar, tmp_path / "datasets" / "PlanarWalls-v0")
    said = refused("train", "--env", "E2C/PlanarWalls-v0")
    assert "is of E2C/Planar-v0, not of E2C/PlanarWalls-v0: give another one with --dataset" in said
    card = tmp_path / "datasets" / "PlanarWalls-v0" / "dataset.json"
    card.write_text(card.read_text().replace("E2C/Planar-v0", "E2C/PlanarWalls-v0"))
    shutil.copytree(card.parent, tmp_path / "datasets" / "planar")
    assert "choose another folder with --datasets" in refused("quickstart")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("seed", [-1, 2**32])
@pytest.mark.parametrize("command", ["collect", "train", "quickstart", "plan", "evaluate"])
def test_seeds(tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch, command: str, seed: int) -> None:
    monkeypatch.chdir(tmp_path)
    needed = {"collect": ("--env", "E2C/Planar-v0", "--out", "x"), "train": ("--dataset", "x"), "quickstart": ()}
    said = refused(command, "--seed", seed, *needed.get(command, ("--run", "x")))
    assert said == f"e2c: --seed is {seed}: give a whole number from 0 to 4294967295."
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("factor", ["inf", "nan", "-1", "1e7"])
@pytest.mark.parametrize("command", [("train", "--dataset", "x"), ("quickstart",)])
def test_steps_scales(refused: Refused, command: tuple[str, ...], factor: str) -> None:
    assert "number above 0 and up to 1,000,000" in refused(*command, "--steps-scale", factor)


@pytest.mark.parametrize("name", ["../../escape", "a/b", "a\\b", "..", ".", "", "/abs"])
def test_names_of_runs(refused: Refused, name: str) -> None:
    assert "is no name of a folder" in refused("train", "--dataset", "x", "--name", name)


def test_more_problems_than_a_list_has(refused: Refused) -> None:
    assert "from 0 to 9999" in refused("plan", "--run", "x", "--problem", 100_000_000)
    assert "from 1 to 10000" in refused("evaluate", "--run", "x", "--problems", 100_000_000)
    assert "--horizon is 0" in refused("plan", "--run", "x", "--horizon", 0)


@pytest.mark.parametrize("options", [("--steps", -3), ("--steps", 0), ("--problem", 3)])
def test_options_of_plan_in_other_environments(
    rendered: Path, refused: Refused, fingerprint: Fingerprint, options: tuple[str, int]
) -> None:
    before = fingerprint(rendered)
    assert options[0] in refused("plan", "--run", rendered, *options)
    assert fingerprint(rendered) == before


def test_a_refused_run_leaves_its_name_free(tmp_path: Path, refused: Refused, succeed: Callable[..., None]) -> None:
    """Episodes of two steps have no window of three."""
    short = ("collect", "--env", "E2C/Planar-v0", "--out", tmp_path / "data", "--transitions", 100)
    succeed(*short, "--episode-length", 1)
    train = ("train", "--dataset", tmp_path / "data", "--runs", tmp_path / "runs", "--name", "mine")
    assert "collect longer episodes" in refused(*train, "--steps-scale", 0.002)
    assert not (tmp_path / "runs").exists()
    succeed(*short, "--overwrite")
    succeed(*train, "--steps-scale", 0.002)
