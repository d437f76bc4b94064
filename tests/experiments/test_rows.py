"""Result files grow row by row, and what they hold is not measured again."""

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not (ROOT / "experiments").is_dir(), reason="the experiments are part of a checkout, not of the installed package"
)


def test_only_what_is_missing_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted in its third row, the file has two; another process's row that came meanwhile is kept."""
    monkeypatch.syspath_prepend(str(ROOT))
    from experiments._rows import measure_missing, stored

    path, measured = tmp_path / "rows.json", list[int]()

    def result(rows: list[dict[str, Any]]) -> dict[str, Any]:
        return {"sum": sum(row["square"] for row in rows), "rows": rows}

    def measure(seed: int) -> dict[str, Any]:
        if seed == 2 and 2 not in measured:
            measured.append(2)
            path.write_text(json.dumps(result([*stored(path), {"seed": 3, "square": 9}])))
            raise KeyboardInterrupt
        measured.append(seed)
        return {"seed": seed, "square": seed**2}

    wanted = [{"seed": seed} for seed in range(4)]
    with pytest.raises(KeyboardInterrupt):
        measure_missing(path, wanted, measure, result, str)
    assert [row["seed"] for row in stored(path)] == [0, 1, 3]
    rows = measure_missing(path, wanted, measure, result, str)
    assert measured == [0, 1, 2, 2]
    assert rows == stored(path)
    assert json.loads(path.read_text()) == {"sum": 14, "rows": rows}
