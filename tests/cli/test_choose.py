"""Choosing among runs: by what the camera shows alone, on any list but the published one."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from e2c_control.evaluation import drive
from e2c_control.evaluation.choosing import choose
from e2c_control.evaluation.trained import TrainedRun

Succeed = Callable[..., None]
Refused = Callable[..., str]


@pytest.fixture(scope="module")
def two(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run, and the same run at its last checkpoint but one."""
    folder = tmp_path_factory.mktemp("chosen")
    last, before = (Path(shutil.copytree(whole, folder / name)) for name in ("last", "before"))
    shutil.rmtree(max((before / "checkpoints").iterdir()))
    return last, before


@pytest.mark.filterwarnings("default:.*is not trained to its end")
def test_the_order_is_that_of_the_images(
    two: tuple[Path, Path], succeed: Succeed, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []
    for path in two:
        trained = TrainedRun.open(path)
        task = trained.task()
        seen.append(drive(trained.agent(task), task, task.evaluation_problems(100, 3)).resemblance.mean())
    tried = choose(two, problems=3)
    assert [one.alike.mean() for one in tried] == sorted(seen, reverse=True)
    assert {one.run for one in tried} == set(two)
    succeed("choose", "--run", *two, "--problems", 3)
    told = capsys.readouterr().out
    told = "\n".join(line for line in told.splitlines() if not line.startswith("Note"))
    assert told.index(str(tried[0].run)) < told.index(str(tried[1].run))
    assert f"e2c evaluate --run {tried[0].run}" in told


def test_an_episode_at_its_goal_is_all_like_it(two: tuple[Path, Path]) -> None:
    """Resemblance and true membership agree where the agent starts at the goal and cannot leave it."""
    trained = TrainedRun.open(two[0])
    task = trained.task()
    (problem,) = task.evaluation_problems(100, 1)
    agent = trained.agent(task)
    done = drive(agent, task, [problem._replace(start=problem.goal)])
    still = (done.states[1:, 0] == problem.goal).all(-1)
    assert (done.resemblance[still, 0] == 1).all()


def test_the_published_list_is_refused(two: tuple[Path, Path], refused: Refused) -> None:
    assert "2020" in refused("choose", "--run", *two, "--seed", 2020)


def test_two_environments_are_refused(two: tuple[Path, Path], refused: Refused, tmp_path: Path) -> None:
    other = Path(shutil.copytree(two[0], tmp_path / "other"))
    card = other / "dataset.json"
    card.write_text(card.read_text().replace("E2C/Planar-v0", "E2C/PlanarWalls-v0"))
    assert "one environment" in refused("choose", "--run", two[0], other)


def test_other_arguments_of_the_environment_are_refused(
    two: tuple[Path, Path], refused: Refused, tmp_path: Path
) -> None:
    noisy = Path(shutil.copytree(two[0], tmp_path / "noisy"))
    card = noisy / "dataset.json"
    made = json.loads(card.read_text())
    card.write_text(json.dumps(made | {"environment_kwargs": {"noise": 2.0}}))
    assert "noise" in refused("choose", "--run", two[0], noisy)


def test_a_run_that_is_given_twice_is_driven_once(two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(two[0].parent)
    assert [one.run for one in choose([two[0], Path("last")], problems=1)] == [two[0]]
