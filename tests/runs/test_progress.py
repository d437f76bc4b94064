"""One policy for every progress bar: live on a terminal, rare lines in a log, nothing where it would be noise."""

import pytest

from e2c_control.runs import progress
from e2c_control.runs.progress import progress_bar

Output = pytest.CaptureFixture[str]


def shown(capsys: Output, *, enabled: bool = True) -> str:
    with progress_bar(20, done=5, unit="step", enabled=enabled) as bar:
        for _ in range(15):
            bar.update()
    return capsys.readouterr().err


def test_a_terminal_gets_a_live_bar(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    said = shown(capsys)
    assert "5/20" in said
    assert "20/20" in said


def test_a_log_gets_no_line_of_what_is_soon_over(capsys: Output) -> None:
    assert shown(capsys) == ""


def test_a_log_gets_lines_of_what_takes_long(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LOG_SECONDS", 1e-9)
    said = shown(capsys)
    assert "6/20" in said
    # tqdm pads a line with blanks where the one before, with a higher rate, was longer.
    assert said.splitlines()[-1].rstrip().endswith("step/s]"), "an error that follows has a line of its own"
    assert said.endswith("\n")


def test_silent_unless_enabled(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert shown(capsys, enabled=False) == ""
