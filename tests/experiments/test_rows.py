"""Result files grow row by row, each with what made it, and what they hold is not measured again."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from e2c_control import FunctionDynamics

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not (ROOT / "experiments").is_dir(), reason="the experiments are part of a checkout, not of the installed package"
)


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


def total(rows: list[dict[str, Any]]) -> int:
    return sum(row["square"] for row in rows)


def square(seed: int) -> dict[str, Any]:
    return {"seed": seed, "square": seed**2}


def test_only_what_is_missing_is_measured(tmp_path: Path) -> None:
    """Interrupted in its third row, the file has two; another process's row that came meanwhile is kept."""
    from experiments.runner import Experiment, stored, write

    path, measured = tmp_path / "rows.json", list[int]()

    def measure(seed: int) -> dict[str, Any]:
        measured.append(seed)
        if measured == [0, 1, 2]:
            write(path, {"rows": [*stored(path), square(3)]})
            raise KeyboardInterrupt
        return square(seed)

    experiment = Experiment(str(path), {"seed": range(4)}, measure, "{seed}", list, total)
    wanted = [{"seed": seed} for seed in range(4)]
    with pytest.raises(KeyboardInterrupt):
        experiment.run(path, wanted)
    assert [row["seed"] for row in stored(path)] == [0, 1, 3]
    rows = experiment.run(path, wanted)
    assert measured == [0, 1, 2, 2]
    assert rows == stored(path)
    assert json.loads(path.read_text()) == {"summary": 14, "rows": rows}


def test_each_row_says_what_made_it_and_old_ones_keep_their_word(tmp_path: Path) -> None:
    from experiments.runner import Experiment, stored, write

    path = tmp_path / "rows.json"
    write(path, {"commit": "of old", "rows": [square(0)]})
    old, new = Experiment(str(path), {"seed": range(2)}, square, "{seed}", list).run(path, [{"seed": 0}, {"seed": 1}])
    assert old == square(0)
    assert {"commit", "versions", "machine"} <= new.keys()
    assert json.loads(path.read_text())["commit"] == "of old"
    assert stored(path) == [old, new]


def test_rows_that_do_not_compare_are_kept_apart(tmp_path: Path) -> None:
    from experiments.runner import Experiment, write

    path = tmp_path / "rows.json"
    write(path, {"problems": 1, "rows": []})
    experiment = Experiment(
        str(path), {"seed": [0]}, lambda seed, problems: square(seed), "", list, shared=("problems",)
    )
    with pytest.raises(SystemExit, match="was measured with problems 1: choose another --out"):
        experiment.run(path, [{"seed": 0}], problems=2)


def test_what_failed_is_measured_again_and_fails_the_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from experiments.runner import Experiment, stored

    path, tries = tmp_path / "rows.json", list[int]()

    def measure(seed: int) -> dict[str, Any]:
        tries.append(seed)
        return {"seed": seed, "good": tries != [0, 1]}

    experiment = Experiment(
        str(path),
        {"seed": range(3)},
        measure,
        "{seed}",
        [{"seed": 7}],
        failed=lambda row: not row["good"],
        threads=None,
    )
    monkeypatch.setattr("sys.argv", ["script", "--out", str(path)])
    with pytest.raises(SystemExit, match="1"):
        experiment.main()
    assert [row["good"] for row in stored(path)] == [True, False, True]
    assert all(row["good"] for row in experiment.main())
    assert tries == [0, 1, 2, 1]
    assert sorted(row["seed"] for row in stored(path)) == [0, 1, 2]


def test_a_sample_and_a_quick_look_write_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from experiments.runner import Experiment

    experiment = Experiment(
        str(tmp_path / "script.py"),
        {"seed": range(3)},
        square,
        "{seed}: {square}",
        [{"seed": 3}],
        sample=lambda seed: [{"seed": seed}, {"seed": seed + 1}],
        failed=lambda row: row["square"] > 99,
        threads=None,
    )
    for options, squares in ((["--quick"], [9]), (["--sample", "8"], [64, 81])):
        monkeypatch.setattr("sys.argv", ["script", *options])
        assert [row["square"] for row in experiment.main()] == squares
    monkeypatch.setattr("sys.argv", ["script", "--sample", "9"])
    with pytest.raises(SystemExit, match="1"):
        experiment.main()
    assert capsys.readouterr().out == "3: 9\n8: 64\n9: 81\n9: 81\n10: 100\n1 of 2 failed\n"
    assert not list(tmp_path.iterdir())


def test_rows_may_depend_on_those_before(tmp_path: Path) -> None:
    """Only what the rows so far call for is measured, and what cannot be is tried again by the next run."""
    from experiments.runner import Experiment, write

    def measure(seed: int, rows: list[dict[str, Any]]) -> dict[str, Any] | list[dict[str, Any]]:
        return square(seed) if seed == 0 or any(row["seed"] == seed - 2 for row in rows) else []

    path = tmp_path / "rows.json"
    experiment = Experiment(str(path), {"seed": range(5)}, measure, "{seed}", list, adaptive=True)
    wanted = [{"seed": seed} for seed in range(5)]
    assert [row["seed"] for row in experiment.run(path, wanted)] == [0, 2, 4]
    write(path, {"rows": [square(1)]})
    assert [row["seed"] for row in experiment.run(path, wanted)] == [1, 0, 2, 3, 4]


def test_the_command_line_follows_from_the_axes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from experiments.runner import Experiment

    path = tmp_path / "rows.json"
    experiment = Experiment(
        str(tmp_path / "script.py"),
        {"way": ("left", "right"), "seed": range(3)},
        lambda way, seed: square(seed) | {"way": way},
        "{way} {seed}",
        lambda: print("quick"),
        exists=lambda way, seed: (way, seed) != ("right", 2),
        threads=None,
    )
    monkeypatch.setattr("sys.argv", ["script", "--ways", "right", "--seeds", "1", "2", "--out", str(path)])
    assert [(row["way"], row["seed"]) for row in experiment.main()] == [("right", 1)]
    monkeypatch.setattr("sys.argv", ["script", "--quick"])
    assert experiment.main() == []
    assert capsys.readouterr().out == "right 1\nquick\n"
    assert [file.name for file in tmp_path.iterdir()] == ["rows.json"]


def test_a_race_that_tried_nothing_shorter_says_so_in_json(monkeypatch: pytest.MonkeyPatch) -> None:
    from experiments.control import three_link_race

    monkeypatch.setattr("time.process_time", itertools.count(0, 9).__next__)
    result = three_link_race.measure(quick=True)
    assert result["one_less_degrees_outside"] is None
    json.dumps(result, allow_nan=False)
    three_link_race.report(result)


def test_the_pendulum_is_planned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from experiments.planners import pendulum

    planned = list[int]()
    monkeypatch.setattr(pendulum, "FunctionDynamics", lambda *given: planned.append(1) or FunctionDynamics(*given))
    pendulum.plans.cache_clear()
    result = pendulum.measure(quick=True)
    assert pendulum.plans(3)[0].cost.tolist() == [row["cost"] for row in result["plans"]]
    assert planned == [1]
