"""From an environment to a score, with what every command says and leaves behind."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from e2c_control.cli import parse
from e2c_control.cli.plan import Plan
from e2c_control.data.transitions import Transitions
from e2c_control.envs import make_task
from e2c_control.envs.reference import reference_scores
from e2c_control.evaluation import TrainedRun
from e2c_control.runs.folder import RunFolder
from e2c_control.runs.logger import read_metrics
from e2c_control.training.run import TrainConfig, load_embedding

Succeed = Callable[..., None]
Output = pytest.CaptureFixture[str]


def next_commands(out: str) -> list[str]:
    """The `e2c` commands that an output suggests."""
    lines = [line.split(None, 1)[1] for line in out.splitlines() if line.startswith(("Next", "or "))]
    return [line for line in lines if line.startswith("e2c ")]


def size(picture: Path) -> tuple[int, int]:
    with Image.open(picture) as image:
        return image.size


def tags(run: Path) -> dict[str, list[str]]:
    return EventAccumulator(str(run), size_guidance={"images": 0}).Reload().Tags()


def test_collect_says_what_to_do_next(tmp_path: Path, succeed: Succeed, capsys: Output) -> None:
    out = tmp_path / "data"
    options = ("--transitions", 120, "--corner-share", 1, "--env-args", "max_step=1.0", "--episode-length", 5)
    succeed("collect", "--env", "e2c_control.envs:E2C/Planar-v0", "--out", out, *options)
    said = capsys.readouterr().out
    assert str(out) in said
    assert next_commands(said) == [f"e2c train --dataset {out}"]
    dataset = Transitions.open(out)
    assert (dataset.n_transitions, dataset.n_episodes) == (120, 24)
    assert set(np.unique(np.abs(dataset.actions[:5]))) == {1.0}
    assert dataset.card.environment_kwargs == {"max_step": 1.0}
    moved = np.abs(np.diff(np.asarray(dataset.states)[:6], axis=0))
    assert moved.max() <= 1 + 1e-9, "the argument reached the environment"


def test_the_same_seed_collects_the_same_bits(tmp_path: Path, succeed: Succeed) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        succeed("collect", "--env", "E2C/Planar-v0", "--out", tmp_path / name, "--transitions", 50, "--seed", seed)
    frames = [(tmp_path / name / "frames.npy").read_bytes() for name in "abc"]
    assert frames[0] == frames[1]
    assert frames[0] != frames[2]


def test_training_leaves_curves_pictures_and_a_checkpoint(whole: Path) -> None:
    found = tags(whole)
    assert {
        "loss/total/unfold",
        "loss/total/display",
        "train/gradient_norm",
        "train/learning_rate",
        "time/transitions_per_second",
    } <= set(found["scalars"])
    measured = {"map/step_rank", "map/prediction_error_1", "map/neighbour_overlap", "map/far_distance_rank"}
    assert measured <= set(found["scalars"])
    assert set(found["images"]) == {"images/latent_map", "images/predictions"}
    for name in ("latent_map", "predictions"):
        assert size(whole / "plots" / f"{name}.png")[0] == 1000
    config = RunFolder.open(whole).config(TrainConfig)
    assert load_embedding(RunFolder.open(whole)).config == config.recipe.embedding
    assert config.recipe.embedding.latent_dim == 2
    assert config.dataset.is_absolute(), "a run goes on from any working directory"


def test_the_same_seed_trains_the_same_bits(
    whole: Path, planar: Path, tmp_path: Path, succeed: Succeed, training: tuple[object, ...], capsys: Output
) -> None:
    succeed("train", "--dataset", planar, "--runs", tmp_path, "--name", "twin", *training)
    said = capsys.readouterr().out
    twin = tmp_path / "Planar-v0" / "twin"
    assert str(twin) in said
    assert "nearest neighbours shared with the true states" in said
    assert next_commands(said) == [f"e2c plan --run {twin}", f"e2c evaluate --run {twin}"]
    weights = [max((run / "checkpoints").iterdir()) / "embedding.safetensors" for run in (whole, twin)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_run_collects_first_where_it_has_no_dataset(
    tmp_path: Path, succeed: Succeed, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.chdir(tmp_path)
    succeed("train", "--env", "E2C/PendulumBalance-v0", "--steps-scale", 0.002, "--name", "p")
    assert "datasets/PendulumBalance-v0" in capsys.readouterr().out
    config = RunFolder.open("runs/PendulumBalance-v0/p").config(TrainConfig)
    assert (config.recipe.embedding.latent_dim, config.recipe.embedding.pool) == (3, 2)


def test_plan_draws_the_drive_and_scores_it(whole: Path, tmp_path: Path, succeed: Succeed, capsys: Output) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    succeed("plan", "--run", run, "--problem", 2)
    said = capsys.readouterr().out
    assert size(run / "videos" / "plan-Planar-v0-100-2.gif")[1] == 480
    assert size(run / "plots" / "plan-Planar-v0-100-2.png") == (1000, 500)
    problem = make_task("E2C/Planar-v0").evaluation_problems(100, 3)[2]
    oracle = reference_scores(make_task("E2C/Planar-v0"), [problem])[0]
    assert f"oracle {oracle:.1%}" in said
    assert next_commands(said) == [f"e2c evaluate --run {run}"]
    assert tags(run) == tags(whole), "a drive is no point of a curve"
    found = tags(run / "drives" / "plan-Planar-v0-100-2")
    assert found["tensors"] == ["drives/plan-Planar-v0-100-2/text_summary"]
    assert found["images"] == ["images/drive"]
    trained_for, driven = (read_metrics(folder / "metrics.jsonl")[-1] for folder in (whole, run))
    assert driven["step"] == trained_for["step"]
    assert driven["of"] == "drives/plan-Planar-v0-100-2"
    assert {"plan/cost", "plan/iterations", "plan/cpu_milliseconds", "plan/time_in_goal"} <= driven.keys()


def test_plan_from_and_to_places_of_ones_own(whole: Path, tmp_path: Path, succeed: Succeed) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    succeed("plan", "--run", run, "--start-state", 5, 5, "--goal-state", 5, 6, "--steps", 3, "--horizon", 2)
    assert (run / "plots" / "plan-Planar-v0-100-0-from-5_5-to-5_6-horizon-2.png").is_file()
    with Image.open(run / "videos" / "plan-Planar-v0-100-0-from-5_5-to-5_6-horizon-2.gif") as film:
        assert getattr(film, "n_frames", 1) <= 4


def test_every_goal_has_film_and_plot_of_its_own(whole: Path, tmp_path: Path) -> None:
    run = TrainedRun.open(whole)
    frames = tuple(f"{episode}:{step}" for episode in range(12) for step in range(12))
    drives = [
        Plan(run=whole),
        Plan(run=whole, seed=101),
        *(Plan(run=whole, goal_state=goal) for goal in ((5.0, 6.0), (-5.0, 6.0), (5.5, 6.0), (5.0, 6.0, 5.0, 7.0))),
        *(Plan(run=whole, start_state=start, goal_state=(5.0, 6.0)) for start in ((5.0, 5.0), (6.0, 6.0))),
        *(Plan(run=whole, goal_frame=goal) for goal in (("0:3",), ("0:13",), ("0:3", "1:2"), frames, frames[::-1])),
        *(Plan(run=whole, goal=(Path(name),)) for name in ("a.png", "a.jpg", "b.png", "folder/a.png", "../a.png")),
        *(Plan(run=whole, goal=(Path(name),)) for name in ("a b.png", "a-b.png", f"{'ä' * 120}.png")),
    ]
    names = [drive.label(run) for drive in drives]
    assert len(set(names)) == len(names)
    for name in names:
        (tmp_path / f"{name}.png").touch()


def test_evaluate_writes_what_it_prints(whole: Path, tmp_path: Path, succeed: Succeed, capsys: Output) -> None:
    runs = [tmp_path / name for name in ("a", "b")]
    for run in runs:
        shutil.copytree(whole, run)
    succeed("evaluate", "--run", *runs, "--problems", 4)
    said = capsys.readouterr().out
    text = json.loads((runs[0] / "evaluation-Planar-v0-2020-4-problems.json").read_text())
    task = make_task("E2C/Planar-v0")
    assert text["oracle"] == reference_scores(task, task.evaluation_problems(2020, 4)).tolist()
    assert len(text["time_in_goal"]) == 4
    assert not (runs[0] / "evaluation-Planar-v0-2020.json").exists(), "the name of ten problems"
    assert text["mean"] == pytest.approx(np.mean(text["time_in_goal"]))
    assert text["standard_error"] == pytest.approx(np.std(text["time_in_goal"], ddof=1) / 2)
    assert f"{text['mean']:.1%} ± {text['standard_error']:.1%}" in said
    assert f"mean of 2 runs  {text['mean']:.1%} ± 0.0%" in " ".join(said.split()).replace(
        "mean of 2 runs ", "mean of 2 runs  "
    )
    label = "Planar-v0-2020-4-problems"
    found = tags(runs[0] / "evaluations" / label)
    assert set(found["scalars"]) == {"evaluate/time_in_goal", "evaluate/oracle"}
    assert found["tensors"] == [f"drives/evaluation-{label}/text_summary"]
    logged = read_metrics(runs[0] / "metrics.jsonl")[-1]
    assert (logged["evaluate/time_in_goal"], logged["evaluate/oracle"]) == (text["mean"], np.mean(text["oracle"]))


def test_evaluate_another_task_of_the_same_system(balancing: Path, tmp_path: Path, succeed: Succeed) -> None:
    run = tmp_path / "run"
    shutil.copytree(balancing, run)
    succeed("evaluate", "--run", run, "--problems", 2, "--task", "E2C/PendulumSwingUp-v0", "--seed", 100)
    text = json.loads((run / "evaluation-PendulumSwingUp-v0-100-2-problems.json").read_text())
    assert text["task"] == "E2C/PendulumSwingUp-v0"


def test_a_run_needs_its_dataset_only_to_train(
    whole: Path, planar: Path, tmp_path: Path, succeed: Succeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "moved"
    shutil.copytree(whole, run)
    text = (run / "config.json").read_text()
    (run / "config.json").write_text(text.replace(str(planar), str(tmp_path / "gone")))
    succeed("evaluate", "--run", run, "--problems", 1)


def test_any_environment_that_renders(
    rendered: Path, tmp_path: Path, succeed: Succeed, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    shutil.copytree(rendered, run)
    succeed("plan", "--run", run, "--steps", 4)
    assert "by the environment's own reward" in capsys.readouterr().out
    assert size(run / "videos" / "plan-Pendulum-v1-100-0.gif")[1] == 480
    Image.new("RGB", (100, 100), (255, 255, 255)).save(tmp_path / "goal.png")
    monkeypatch.chdir(tmp_path)
    succeed("plan", "--run", run, "--steps", 2, "--goal", "goal.png")
    assert (run / "plots" / "plan-Pendulum-v1-100-0-to-goal.png").is_file()
    config = RunFolder.open(run).config(TrainConfig)
    assert (config.recipe.embedding.latent_dim, config.recipe.embedding.pool) == (3, 2)
    assert load_embedding(RunFolder.open(run)).observation_shape == (32, 32, 2)


def test_quickstart_goes_the_whole_way(planar: Path, tmp_path: Path, succeed: Succeed, capsys: Output) -> None:
    """With a dataset that is there already, as the second time."""
    succeed("quickstart", "--steps-scale", 0.002, "--datasets", planar.parent, "--runs", tmp_path)
    said = capsys.readouterr().out
    run = next((tmp_path / "Planar-v0").iterdir())
    assert list(run.glob("videos/*.gif"))
    assert (run / "evaluation-Planar-v0-2020.json").is_file()
    announced = [line.split()[2:] for line in said.splitlines() if line.startswith("   $ ")]
    assert [command[0] for command in announced] == ["collect", "train", "plan", "evaluate"]
    assert all(parse(command) is not None for command in announced)
