"""TensorBoard: every tag says what it means, drives are runs of their own, settings can be compared."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from e2c_control.agents import LAX, E2CAgent, FreeEnergyAgent
from e2c_control.agents.novelty import NoveltyCallback, NoveltyReward
from e2c_control.data import Transitions, make_image_env
from e2c_control.envs import make_task
from e2c_control.errors import InputWarning
from e2c_control.evaluation.film import film
from e2c_control.evaluation.picturing import picture_problem
from e2c_control.evaluation.trained import TrainedRun
from e2c_control.objectives.recipes import RECIPES, make_recipe
from e2c_control.runs.logger import read_metrics
from e2c_control.runs.tags import TAGS, describe, judged, map_verdict, verdict
from e2c_control.training.presets import default_embedding
from e2c_control.training.run import TrainConfig, start_run, train
from e2c_control.training.watch import MapWatcher

Succeed = Callable[..., None]
INTERNAL = {metadata.EXPERIMENT_TAG, metadata.SESSION_START_INFO_TAG}
"""Tags by which the HPARAMS tab knows a run, and which nobody sees."""


def boards(folder: Path) -> Iterator[tuple[str, Any]]:
    """Yield what TensorBoard reads: runs below a folder, by their paths in it."""
    for part in sorted({path.parent for path in folder.rglob("events.out*")}):
        yield str(part.relative_to(folder)), EventAccumulator(str(part), {"images": 0, "scalars": 0}).Reload()


def described(folder: Path) -> set[str]:
    """Return all tags below a folder; each has to be described in the metadata that TensorBoard shows."""
    seen, silent = set[str](), set[str]()
    for _, board in boards(folder):
        found = board.Tags()
        tags = {*found["scalars"], *found["images"], *found["tensors"]} - INTERNAL
        for tag in tags:
            said = board.SummaryMetadata(tag).summary_description
            silent |= set() if said and said == describe(tag.removesuffix("/text_summary")) else {tag}
        seen |= tags
    assert not silent
    assert seen, "nothing was logged"
    return seen


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_logs_what_is_described(name: str, planar: Path, tmp_path: Path) -> None:
    card = Transitions.open(planar).card
    recipe = make_recipe(name, default_embedding(card.frame_shape, 2, make_task(card.environment)))
    recipe = replace(
        recipe, phases=tuple(replace(one, steps=2, batch_size=8, horizon=min(one.horizon, 8)) for one in recipe.phases)
    )
    config = TrainConfig(planar, card.environment, recipe, log_every=1)
    run = start_run(tmp_path, config)
    train(run, config)
    tags = described(run.path)
    losses = {f"loss/{term.name}" for phase in recipe.phases for term in phase.terms}
    assert losses | {f"loss/total/{phase.name}" for phase in recipe.phases} | {"config/text_summary"} <= tags
    assert "loss/total" not in tags, "phases add up losses of different units"


def test_commands_log_what_is_described(whole: Path, rendered: Path, tmp_path: Path, succeed: Succeed) -> None:
    for made in (whole, rendered):
        shutil.copytree(made, tmp_path / made.name)
    succeed("evaluate", "--run", tmp_path / whole.name, "--problems", 2)
    succeed("plan", "--run", tmp_path / whole.name, "--steps", 3)
    succeed("plan", "--run", tmp_path / rendered.name, "--steps", 3)
    explored = ("--steps", 64, "--n-envs", 2, "--out", tmp_path / "data", "--runs", tmp_path / "runs")
    succeed("explore", "--env", "E2C/Planar-v0", *explored)
    tags = described(tmp_path)
    assert {"images/latent_map", "images/drive", "map/step_rank", "evaluate/oracle", "plan/cost"} <= tags
    assert {"explore/coverage", "explore/visited", "novelty/score", "config/text_summary"} <= tags


def test_agents_log_what_is_described(tmp_path: Path) -> None:
    log: dict[str, Any] = {"tensorboard_log": str(tmp_path)}
    E2CAgent("E2C/Planar-v0", steps_scale=0.002, episode_length=10, **log).learn(60)
    FreeEnergyAgent(make_image_env("E2C/Planar-v0"), "ppo", **log).learn(64)
    LAX("CnnPolicy", make_image_env("E2C/Planar-v0"), n_steps=16, **log).learn(48, log_interval=1)
    curious = NoveltyReward(make_vec_env(lambda: make_image_env("E2C/Planar-v0")))
    PPO("CnnPolicy", curious, n_steps=16, batch_size=16, **log).learn(32, NoveltyCallback())
    tags = described(tmp_path)
    assert {"map/step_rank", "train/policy_loss", "novelty/bonus", "train/approx_kl"} <= tags


def test_drives_are_runs_of_their_own_below_the_run(whole: Path, tmp_path: Path, succeed: Succeed) -> None:
    run = shutil.copytree(whole, tmp_path / "run")
    before = dict(boards(run))["."].Tags()
    succeed("plan", "--run", run, "--steps", 3)
    succeed("evaluate", "--run", run, "--problems", 2)
    found = dict(boards(run))
    drive, scores = "drives/plan-Planar-v0-100-0", "evaluations/Planar-v0-2020-2-problems"
    assert set(found) == {".", drive, scores}
    assert found["."].Tags() == before, "a drive is no point of a training's curve"
    assert [event.step for event in found[drive].Scalars("plan/cost")] == [0, 1, 2]
    (score,) = found[scores].Scalars("evaluate/time_in_goal")
    assert score.step == read_metrics(run / "metrics.jsonl")[-1]["step"]
    assert [row["of"] for row in read_metrics(run / "metrics.jsonl")[-2:]] == [
        drive,
        f"drives/evaluation-{scores[12:]}",
    ]


def test_settings_are_a_text_and_hyperparameters(whole: Path) -> None:
    board = dict(boards(whole))["."]
    (config,) = board.Tensors("config/text_summary")
    said = config.tensor_proto.string_val[0].decode()
    assert (whole / "config.json").read_text().strip() in said
    content = {tag: board.SummaryMetadata(tag).plugin_data.content for tag in INTERNAL}
    values = metadata.parse_session_start_info_plugin_data(content[metadata.SESSION_START_INFO_TAG]).hparams
    assert values["recipe"].string_value == "unfold"
    assert values["seed"].number_value == 0
    experiment = metadata.parse_experiment_plugin_data(content[metadata.EXPERIMENT_TAG])
    assert {info.name for info in experiment.hparam_infos} == set(values)
    scored = [(info.name.group, info.name.tag) for info in experiment.metric_infos]
    assert ("evaluations/Planar-v0-2020", "evaluate/time_in_goal") in scored
    assert all(info.description for info in experiment.metric_infos)


@pytest.mark.parametrize("tag", ["loss/total", "nonsense", "map/", "loss/", "plan/cost/more"])
def test_what_nobody_logs_is_not_described(tag: str) -> None:
    assert describe(tag) is None or tag == "loss/total"


def test_descriptions_are_sentences() -> None:
    for tag, known in TAGS.items():
        assert known.what.endswith("."), tag
        assert known.what.count("{") == len({*known.what.split("{")[1:]}), tag


PAGE = Path(__file__).parents[2] / "e2c_control/docs/how-to/curves.md"


@pytest.mark.skipif(not PAGE.is_file(), reason="needs the repository")
def test_the_page_of_the_documentation_has_every_tag() -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = {f"| `{tag}` | {k.what.format('*', '*')} | {k.good} | {k.bad} |" for tag, k in TAGS.items()}
    assert {line for line in page.splitlines() if line.startswith("| `")} == rows


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("map/neighbour_overlap", "good if above 0.6; bad if below 0.25: folded"),
        ("map/prediction_error_5", "good if below 0.5; bad if above 0.8: hardly better than no motion"),
        ("map/state_loss", ""),
        ("nonsense", ""),
    ],
)
def test_what_is_good_is_said_in_words(tag: str, words: str) -> None:
    assert verdict(tag) == words


def test_tables_after_training_say_what_is_good(
    planar: Path, tmp_path: Path, succeed: Succeed, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--dataset", planar, "--runs", tmp_path, "--recipe", "e2c", "--steps-scale", 0.001)
    succeed("train", *options)
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if line.startswith("nearest neighbours")]
    assert line.endswith("good if above 0.6; bad if below 0.25: folded")
    assert any(line.startswith("Map       looks ") for line in lines)


@pytest.mark.parametrize(
    ("tag", "values"),
    [
        ("map/prediction_error_1", {0.43: "good", 0.59: "between", 1.24: "bad"}),
        ("map/step_rank", {0.91: "good", 0.38: "between", 0.19: "bad"}),
        ("map/state_loss", {4204.6: ""}),
        ("nonsense", {1.0: ""}),
    ],
)
def test_each_value_is_judged(tag: str, values: dict[float, str]) -> None:
    assert {value: judged(tag, value) for value in values} == values


@pytest.mark.parametrize(
    ("word", "error", "rank", "ways"),
    [
        ("good", 0.245, 0.911, {}),  # a crane that drives
        ("bad", 0.981, 0.648, {}),  # the same one, whose actions did too little in a step
        ("good", 0.11, 0.36, {}),  # a cart-pole that balances
        ("doubtful", 0.25, 0.26, {}),  # a pendulum that balances, and does not swing up
        ("doubtful", 0.58, 0.48, {}),
        ("good", 0.507, 0.598, {"ways/passed_told": 0.896, "ways/joined": 1.0}),  # walls, .96 of the oracle
        ("bad", 0.3, 0.86, {"ways/passed_told": 0.0, "ways/joined": 1.0}),
        ("doubtful", 0.3, 0.86, {"ways/passed_told": 0.95, "ways/joined": 0.45}),
    ],
)
def test_a_map_as_a_whole_is_judged_as_those_that_were_driven_on(
    word: str, error: float, rank: float, ways: dict[str, float]
) -> None:
    found = map_verdict({"map/prediction_error_5": error, "map/step_rank": rank, **ways})
    assert found is not None
    assert found.word == word
    assert found.text.startswith(f"looks {word}")
    assert bool(found.why) == (word != "good")


def test_short_episodes_are_judged_by_what_was_measured() -> None:
    assert map_verdict({"map/step_rank": 0.9}) is None
    found = map_verdict({"map/prediction_error_1": 1.0, "map/step_rank": 0.9})
    assert found is not None
    assert found.word == "bad"


@pytest.mark.parametrize(("error", "told"), [(0.981, True), (0.245, False)])
def test_drives_say_that_the_map_failed(
    error: float, told: bool, whole: Path, tmp_path: Path, succeed: Succeed, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(whole, tmp_path / "run")
    # The ways of a step are a line of their own.
    rows = [{"step": 1, "map/prediction_error_5": error, "map/step_rank": 0.9}, {"step": 1, "ways/joined": 1.0}]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for command in (("plan", "--steps", 2), ("evaluate", "--problems", 2)):
        succeed(*command, "--run", run)
        assert ("Map       looks bad: prediction error after 5 steps 0.98" in capsys.readouterr().out) == told


def test_a_run_keeps_one_projection_for_all_its_pictures(
    balancing: Path, tmp_path: Path, succeed: Succeed, refused: Callable[..., str]
) -> None:
    run = shutil.copytree(balancing, tmp_path / "run")
    trained = TrainedRun.open(run)
    assert trained.projection is not None
    assert trained.projection.axes.shape == (3, 3)
    task = replace(trained.task(), horizon=2)
    (problem,) = task.evaluation_problems(100, 1)
    drawn = picture_problem(trained, task, problem, 100).plot
    (run / "projection.json").unlink()  # as in a run of an older version
    trained = TrainedRun.open(run)
    assert trained.projection is None
    again = picture_problem(trained, task, problem, 100).plot
    assert not np.array_equal(drawn, again), "drawn by the points of the picture, and before by those of the run"
    (run / "projection.json").write_text("{}")
    assert "projection.json is damaged: remove it" in refused("plan", "--run", run, "--steps", 2)


def test_nothing_is_shown_of_a_decoder_that_is_not_trained(planar: Path, tmp_path: Path) -> None:
    card = Transitions.open(planar).card
    recipe = make_recipe("unfold", default_embedding(card.frame_shape, 2, make_task(card.environment)))
    recipe = replace(recipe, phases=tuple(replace(one, steps=4, batch_size=8) for one in recipe.phases))
    assert [recipe.decodes(step) for step in (0, 4, 5, 8)] == [False, False, True, True]
    config = TrainConfig(planar, card.environment, recipe, log_every=1, measure_every=2, checkpoint_every=4, keep=9)
    run = start_run(tmp_path, config)
    train(run, config, watch=MapWatcher(run, config))
    board = dict(boards(run.path))["."]
    assert [event.step for event in board.Images("images/latent_map")] == [2, 4, 6, 8]
    for drawn in (board.Images("images/predictions"), board.Scalars("map/state_loss")):
        assert [event.step for event in drawn] == [6, 8]
    assert TrainedRun.open(run.path).draws
    shutil.rmtree(run.checkpoints / "step-00000008")
    with pytest.warns(InputWarning, match="not trained to its end"):
        trained = TrainedRun.open(run.path)
    assert not trained.draws
    driven = picture_problem(
        trained, replace(trained.task(), horizon=2), trained.task().evaluation_problems(1, 1)[0], 1
    )
    full, without = film(driven.episode, trained.embedding)[0], film(driven.episode, None)[0]
    assert full.shape == without.shape
    assert (without[-100:, 490:] == 255).all(), "no third picture"
