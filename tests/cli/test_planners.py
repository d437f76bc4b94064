"""The choice of a planner: every one drives, what none can do is refused, and TensorBoard shows what happened."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from e2c_control.cli import main
from e2c_control.cli.planning import Planning
from e2c_control.planners import PLANNERS
from e2c_control.runs.logger import read_metrics

Succeed = Callable[..., None]
Refused = Callable[..., str]
Output = pytest.CaptureFixture[str]

OF_ANY_RUN = [name for name in PLANNERS if name != "roadmap"]
SCALARS = {f"plan/{name}" for name in ("cost", "iterations", "regularisation", "cpu_milliseconds", "at_limit")}
SCALARS |= {"plan/fallbacks"}


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "run")
    return tmp_path / "run"


def events(run: Path) -> dict[str, float]:
    """The newest table of a drive, as TensorBoard reads it."""
    newest = max(run.glob("*/*/events.out*"), key=lambda path: path.stat().st_mtime_ns)
    table = EventAccumulator(str(newest.parent), size_guidance={"tensors": 0}).Reload()
    (tag,) = table.Tags()["tensors"]
    rows = table.Tensors(tag)[-1].tensor_proto.string_val[0].decode().splitlines()[2:]
    cells = ([cell.strip() for cell in row.strip("|").split("|")] for row in rows)
    return {name: float(value) for name, value in cells}


@pytest.mark.parametrize("planner", OF_ANY_RUN)
def test_every_planner_plans_and_is_written_down(run: Path, planner: str, succeed: Succeed) -> None:
    succeed("plan", "--run", run, "--planner", planner, "--steps", 4, "--horizon", 3)
    shown = events(run)
    assert set(shown) >= SCALARS
    assert shown["plan/cost"] > 0
    assert shown["plan/cpu_milliseconds"] > 0
    assert 0 <= shown["plan/at_limit"] <= 1
    assert shown["plan/fallbacks"] == 0
    assert shown["plan/iterations"] <= (50 if planner == "adam" else 5)
    logged = read_metrics(run / "metrics.jsonl")[-1]
    assert {name: pytest.approx(logged[name], rel=1e-5) for name in SCALARS} == {name: shown[name] for name in SCALARS}
    assert (run / "plots" / f"plan-Planar-v0-100-0-{planner}-horizon-3.png").is_file()


@pytest.mark.parametrize("planner", OF_ANY_RUN)
def test_every_planner_is_evaluated(run: Path, planner: str, succeed: Succeed) -> None:
    succeed("evaluate", "--run", run, "--planner", planner, "--problems", 2, "--horizon", 2, "--seed", 100)
    label = f"{planner}-horizon-2"
    text = json.loads((run / f"evaluation-Planar-v0-100-2-problems-{label}.json").read_text())
    assert (text["planning"]["planner"], text["planning"]["horizon"]) == (planner, 2)
    assert set(events(run)) == SCALARS | {"plan/converged", "evaluate/time_in_goal", "evaluate/oracle"}
    assert (run / "evaluations" / f"Planar-v0-100-2-problems-{label}").is_dir()


@pytest.mark.filterwarnings("ignore:No recorded")  # the map is hardly trained
def test_a_run_with_reachability_is_driven_by_the_roadmap_unless_told_otherwise(
    planar: Path, tmp_path: Path, succeed: Succeed, refused: Refused, run: Path
) -> None:
    given = ("--dataset", planar, "--recipe", "unfold-roadmap", "--steps-scale", 0.005, "--name", "ways")
    succeed("train", *given, "--runs", tmp_path)
    ways = tmp_path / "Planar-v0" / "ways"
    succeed("evaluate", "--run", ways, "--problems", 1, "--seed", 100)
    text = json.loads((ways / "evaluation-Planar-v0-100-1-problems.json").read_text())
    assert (text["planning"]["planner"], text["planning"]["horizon"]) == ("roadmap", 1)
    succeed("evaluate", "--run", ways, "--problems", 1, "--seed", 100, "--planner", "lqr", "--horizon", 2)
    text = json.loads((ways / "evaluation-Planar-v0-100-1-problems-lqr-horizon-2.json").read_text())
    assert text["planning"]["planner"] == "lqr"
    succeed("plan", "--run", ways, "--steps", 2)
    assert list(ways.glob("plots/plan-*.png"))
    assert "unfold-roadmap" in refused("plan", "--run", run, "--planner", "roadmap")


def test_the_options_reach_the_planner(run: Path, succeed: Succeed) -> None:
    def planned(*options: object) -> dict[str, float]:
        succeed("plan", "--run", run, "--steps", 1, *options)
        return events(run)

    assert planned("--iterations", 0)["plan/iterations"] == 0
    assert planned("--planner", "icem", "--iterations", 2)["plan/iterations"] == 2
    few, many = (planned("--planner", "cem", "--samples", n)["plan/cost"] for n in (2, 400))
    assert many < few
    # From zero actions alone, and from six sequences with zero among them: never worse.
    one, six = (planned("--iterations", 0, "--starts", n)["plan/cost"] for n in (1, 6))
    assert six <= one


def test_rate_delay_and_held_actions_are_set_by_name(run: Path, succeed: Succeed, refused: Refused) -> None:
    given = ("rate_weight=2", "delay=1", "action_repeat=2")
    succeed("plan", "--run", run, "--steps", 4, "--set", *given)
    succeed("evaluate", "--run", run, "--problems", 2, "--seed", 100, "--set", *given)
    label = "rate_weight-2-delay-1-action_repeat-2"
    told = json.loads((run / f"evaluation-Planar-v0-100-2-problems-{label}.json").read_text())["planning"]
    assert (told["rate_weight"], told["delay"], told["action_repeat"]) == (2, 1, 2)
    assert "delay is -1, where a whole number from 0" in refused("plan", "--run", run, "--set", "delay=-1")


def test_frames_are_filtered_where_it_is_asked_for(run: Path, planar: Path, refused: Refused, succeed: Succeed) -> None:
    succeed("evaluate", "--run", run, "--problems", 1, "--filter-frames")
    text = json.loads((run / "evaluation-Planar-v0-2020-1-problems-filter-frames.json").read_text())
    variances = text["planning"]["frame_filter"]
    assert all(value > 0 for value in variances["frame_variance"] + variances["process_variance"])
    config = run / "config.json"
    config.write_text(config.read_text().replace(str(planar), str(planar.parent / "gone")))
    assert "leave out --filter-frames" in refused("evaluate", "--run", run, "--problems", 1, "--filter-frames")


@pytest.mark.parametrize("command", ["plan", "evaluate"])
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ("--planner", "newton"),
            "There is no planner 'newton': choose one of ilqr, aico, cem, icem, mppi, lqr, adam, grasp, roadmap.",
        ),
        (("--planner", "cem", "--starts", 3), "starts means nothing to the planner 'cem': leave it out."),
        (("--planner", "lqr", "--iterations", 3), "iterations means nothing to the planner 'lqr': leave it out."),
        (("--samples", 30), "samples means nothing to the planner 'ilqr': leave it out."),
        (("--planner", "mppi", "--linearization", "jacobian"), "linearization means nothing to the planner 'mppi'"),
        (("--horizon", 0), "--horizon is 0: give a whole number from 1 to 2000."),
        (("--iterations", -1), "--iterations is -1: give a whole number from 0 to 10000."),
        (("--starts", 0), "--starts is 0: give a whole number from 1 to 10000."),
        (("--planner", "cem", "--samples", 1), "--samples is 1: give a whole number from 2 to 10000."),
    ],
)
def test_what_does_not_go_together(refused: Refused, command: str, options: tuple[object, ...], sentence: str) -> None:
    assert sentence in refused(command, "--run", "nowhere", *options)


@pytest.mark.parametrize(
    ("given", "label"),
    [
        ({}, ""),
        ({"planner": "ilqr"}, "ilqr"),  # which is no default where the run knows reachability
        ({"planner": "ICEM"}, "icem"),
        ({"planner": "e2c_control.planners:CEM"}, "cem"),
        ({"iterations": 0}, "iterations-0"),
        ({"filter_frames": True, "set": ("state_weight=20",)}, "filter-frames-state_weight-20"),
    ],
)
def test_files_are_named_by_what_is_given(given: dict[str, Any], label: str) -> None:
    """Nothing given has the name that is kept for the published protocol."""
    assert Planning(**given).label == label


@pytest.mark.parametrize(("command", "compares"), [("plan", False), ("evaluate", False), ("planners", True)])
def test_help_says_which_to_choose(command: str, compares: bool, capsys: Output) -> None:
    """The comparison stands once; the other commands show the names and point to it."""
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert all(name in said for name in PLANNERS)
    assert ("it linearises once a replan" in said) == compares
    assert "e2c planners" in said


def test_several_tasks_and_lists_make_one_table(
    balancing: Path, tmp_path: Path, succeed: Succeed, refused: Refused, capsys: Output
) -> None:
    run = tmp_path / "run"
    shutil.copytree(balancing, run)
    tasks, seeds = ("E2C/PendulumBalance-v0", "E2C/PendulumSwingUp-v0"), (100, 101)
    succeed("evaluate", "--run", run, "--task", *tasks, "--seed", *seeds, "--problems", 2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["run", "task", "seed"]
    assert [line.split()[1:3] for line in lines[2:6]] == [
        [task.removeprefix("E2C/"), str(seed)] for task in tasks for seed in seeds
    ]
    assert [line.split()[:4] for line in lines[6:8]] == [["mean", "of", "2", "lists"]] * 2
    for task in tasks:
        for seed in seeds:
            text = json.loads((run / f"evaluation-{task.removeprefix('E2C/')}-{seed}-2-problems.json").read_text())
            assert (text["task"], text["problem_seed"]) == (task, seed)
    before = sorted(run.iterdir())
    assert "Flat-v0" in refused("evaluate", "--run", run, "--task", tasks[0], "E2C/Flat-v0", "--seed", 105)
    assert sorted(run.iterdir()) == before, "nothing is driven before all tasks are known"
