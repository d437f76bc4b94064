"""Help is fast, complete and true: every example in it is a command that parses."""

import importlib
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from e2c_control.cli import COMMANDS, main, parse
from e2c_control.cli.options import ALIASES, CHOICES, TRUST, explanations, names_in
from e2c_control.cli.planning import Planning

HEAVY = ("torch", "stable_baselines3", "pygame", "matplotlib", "numba")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_the_list_of_commands(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert all(f"\n  {name}" in said for name in COMMANDS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"e2c-control \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_explains_every_option(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    said = capsys.readouterr().out
    kind = COMMANDS[name]
    groups = [kind, *([Planning] if "planning" in kind.__dataclass_fields__ else [])]  # type: ignore[attr-defined]
    for group in groups:
        for option in group.__dataclass_fields__:  # type: ignore[attr-defined]
            assert f"--{option.replace('_', '-')}" in said or option in ("planning", "page")
            assert option == "planning" or explanations(group).get(option), f"{option} has no explanation"
    assert f"e2c {name}" in said


def examples() -> list[str]:
    """The commands in the help texts."""
    texts = "\n".join(COMMANDS[name].__doc__ or "" for name in COMMANDS)
    return [match.group(1).strip() for match in re.finditer(r"^ +(e2c [^(\n]*)", texts, re.MULTILINE)]


@pytest.mark.parametrize("example", examples())
def test_examples_parse(example: str) -> None:
    assert parse(example.split()[1:]) is not None


def test_a_wrong_command_or_option_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evalute"]) == 2
    assert "There is no command 'evalute' (did you mean 'evaluate'?): choose one of" in capsys.readouterr().err
    assert main(["zzz"]) == 2
    assert "choose one of quickstart, collect" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["plan"])
    assert "--run" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["train", "--datasets", "x"])
    assert "--dataset" in capsys.readouterr().err


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: object, **options: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr("e2c_control.data.collection.Collection.collect", broken)
    with pytest.raises(KeyError):
        main(["collect", "--env", "E2C/Planar-v0", "--out", str(tmp_path / "data")])


def test_a_reader_that_leaves_early_is_no_bug(tmp_path: Path, start: Callable[..., "subprocess.Popen[str]"]) -> None:
    process = start(tmp_path, "collect", "--env", "E2C/Planar-v0", "--out", "data", "--transitions", 10)
    process.stdout.close()  # type: ignore[union-attr]
    assert process.wait(60) == 141
    assert process.stderr.read() == ""  # type: ignore[union-attr]
    process.stderr.close()  # type: ignore[union-attr]
    assert (tmp_path / "data" / "dataset.json").is_file()


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["quickstart", "--help"]])
def test_help_is_fast_and_imports_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import sys\nfrom e2c_control.cli import main\n"
        f"try: main({arguments!r})\nexcept SystemExit: pass\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, text=True, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout.splitlines()[-1] == "LOADED []"
    # CPU time is what a busy machine does not change.
    limit = 0.5 if arguments == ["--help"] else 1.0
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < limit


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"]])
def test_output_that_cannot_be_written(arguments: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "e2c_control", *arguments]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, cwd=tmp_path, text=True, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert re.fullmatch(r"e2c: No space left to write \(.*\): free some on all disks\.\n", done.stderr)


def test_no_default_is_called_none(capsys: pytest.CaptureFixture[str]) -> None:
    for name in COMMANDS:
        with pytest.raises(SystemExit, match="0"):
            main([name, "--help"])
        assert "default: None" not in " ".join(capsys.readouterr().out.replace("│", " ").split()), name


@pytest.mark.parametrize(
    "options",
    [
        ("--seed", "1", "--seed", "2"),
        ("--seed", "1", "--seed=1"),
        ("--overwrite", "--overwrite"),
        ("--frame-stack", "1", "--frame_stack", "2"),
        ("--env-args", "noise=1", "--env-args", "horizon=7"),
    ],
)
def test_an_option_that_is_given_twice_is_refused(options: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["collect", "--env", "E2C/Planar-v0", "--out", "nowhere", *options]) == 2
    assert "is given 2 times: give it once" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["train", "collect", "novelty", "explore"])
def test_what_a_resumed_run_would_not_look_at_is_refused(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where it is what the option has by default: the run may have another."""
    assert main([command, "--resume", "nowhere", "--seed", "0"]) == 2
    assert "--seed means nothing beside --resume" in capsys.readouterr().err


def test_help_and_version_drop_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["help", "train"])
    assert "--steps-scale" in capsys.readouterr().out
    assert main(["--version", "train"]) == 2


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("width", [60, 100])
def test_paragraphs_are_as_wide_as_the_terminal(
    name: str, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    said = capsys.readouterr().out.partition("usage:")[0]
    prose = [line for line in said.splitlines() if not line.startswith(" ")]
    assert prose
    assert max(map(len, prose)) <= width
    words = " ".join(said.split())
    assert words.endswith(TRUST)
    assert words.removesuffix(TRUST).strip() in " ".join((COMMANDS[name].__doc__ or "").split()), "nothing is lost"


@pytest.mark.parametrize("registry", sorted(set(CHOICES.values())))
def test_choices_in_help_are_those_of_the_registry(registry: str) -> None:
    path, _, name = registry.partition(":")
    module = path.removesuffix(".py").removeprefix("e2c_control/").replace("/", ".")
    assert names_in(registry) == tuple(getattr(importlib.import_module(f"e2c_control.{module}"), name))


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("explore", "{ppo,sac,relax}"),
        ("explore", "{recurrent,plain,variational,rnd,icm}"),
        ("plan", "{ilqr,"),
        ("train", "One of unfold, "),
        ("estimators", "One of score-function, "),
    ],
)
def test_choices_are_shown(command: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert shown in " ".join(capsys.readouterr().out.replace("│", " ").split())


@pytest.mark.parametrize("command", COMMANDS)
def test_other_names_of_options(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is shown, does what the option does, and is the same option to whatever counts options."""
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    kind = COMMANDS[command]
    assert set(ALIASES.get(command, {})) <= set(kind.__dataclass_fields__)  # type: ignore[attr-defined]
    for own, others in {**ALIASES[""], **ALIASES.get(command, {})}.items():
        for other in others:
            assert (f"--{other}" in said) == (own in kind.__dataclass_fields__)  # type: ignore[attr-defined]


def test_another_name_is_the_same_option(capsys: pytest.CaptureFixture[str]) -> None:
    explore = ["explore", "--env", "E2C/Planar-v0", "--out", "nowhere"]
    assert parse([*explore, "--total-timesteps", "77", "--log-dir=logs", "--num_envs", "3"]) == parse(
        [*explore, "--steps", "77", "--runs", "logs", "--n-envs", "3"]
    )
    assert parse(["evaluate", "--run", "r", "--eval-seeds", "1", "2"]) == parse(
        ["evaluate", "--run", "r", "--seed", "1", "2"]
    )
    assert main([*explore, "--total-timesteps", "77", "--steps", "78"]) == 2
    assert "--steps is given 2 times" in capsys.readouterr().err
    assert main(["explore", "--resume", "nowhere", "--total-timesteps", "77"]) == 2
    assert "--steps means nothing beside --resume" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["plan", "--run", "r", "--log-dir", "logs"])
    assert "--log-dir" in capsys.readouterr().err, "a command without that option says what was typed"
