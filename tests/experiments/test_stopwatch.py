"""The stopwatch follows the README, whatever that says, and stops where it fails."""

import re
from pathlib import Path

import pytest

stopwatch = pytest.importorskip("experiments.control.stopwatch", reason="needs the repository")
CODE = "```python\nfrom e2c_control import make_image_env\nenv = make_image_env('Pendulum-v1')\nprint('driven')\n```\n"


def page(*lines: str, code: str = CODE) -> str:
    return "# A page\n\n```bash\n" + "\n".join(lines) + "\n```\n\nText.\n\n" + code


def test_the_readme_shows_a_way() -> None:
    way = stopwatch.Way.read((stopwatch.ROOT / "README.md").read_text(encoding="utf-8"))
    assert way.commands[0].startswith(f"git clone -q {stopwatch.ROOT}")
    assert stopwatch.DRIVES.match(way.commands[-1])
    assert not any(stopwatch.DRIVES.match(command) for command in way.commands[:-1])
    compile(way.own, "README.md", "exec")
    assert "learn(" in way.own


@pytest.mark.parametrize(
    ("lines", "folder", "after"),
    [
        (("make run   # minutes", "e2c plan --run x"), "e2c-control", ("cd e2c-control", "make run   # minutes")),
        (
            ("# first", "git clone https://host/group/my-fork.git", "cd my-fork", "pip install .", "e2c quickstart"),
            "my-fork",
            ("cd my-fork", "pip install .", "e2c quickstart"),
        ),
        (("git clone https://host/it there && cd there", "make run"), "there && cd there", ("make run",)),
    ],
)
def test_lines_up_to_the_first_that_drives(lines: tuple[str, ...], folder: str, after: tuple[str, ...]) -> None:
    assert stopwatch.Way.read(page(*lines)).commands == (f"git clone -q {stopwatch.ROOT} {folder}", *after)


@pytest.mark.parametrize("text", [page("pip install ."), page("make run", code="")])
def test_a_page_without_a_way_is_told(text: str) -> None:
    with pytest.raises(SystemExit, match="shows no command that drives"):
        stopwatch.Way.read(text)


def test_each_command_is_timed_in_one_shell(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    way = stopwatch.Way(("mkdir inside", "cd inside", "sleep 0.3"), "import os; print(os.path.basename(os.getcwd()))")
    rows = stopwatch.timed(way)
    assert [row["command"] for row in rows] == [*way.commands, "<the README's Python>"]
    assert rows[2]["seconds"] >= 0.3
    assert re.search(r"^inside$", capfd.readouterr().out, re.MULTILINE)


def test_a_command_that_fails_ends_it(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="exit code 3"):
        stopwatch.timed(stopwatch.Way(("exit 3", "echo never"), "pass"))
    assert "never" not in capfd.readouterr().out
