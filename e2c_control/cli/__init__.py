"""The command `e2c`.

This file knows the names of the commands and nothing else, so that a list of them costs no imports. Each command is a
frozen dataclass in a file of its own: its fields are the options, its docstring is the help, calling it does the work
and imports what that needs.
"""

from __future__ import annotations

import errno
import io
import os
import re
import sys
import warnings
from collections.abc import Sequence
from dataclasses import Field
from typing import ClassVar, Protocol

from e2c_control import InputError
from e2c_control.errors import InputWarning
from e2c_control.registry import Registry, trusting

SUMMARIES = {
    "quickstart": "the whole way on the planar world, in a few minutes: start here",
    "collect": "make a dataset of images and actions from any Gymnasium environment",
    "explore": "make a dataset by curiosity: a policy seeks what a model of the images gets wrong",
    "train": "train an embedding on a dataset, or go on with a run that was stopped",
    "plan": "drive to one goal given as an image, and make pictures of it",
    "play": "set goals by mouse in a window and watch the agent plan, or drive with the keys",
    "choose": "find the best of several runs by images alone, without any true state",
    "evaluate": "drive many problems and compare the scores with the oracle's",
    "benchmark": "train every recipe in every world with every seed, and compare the scores",
    "novelty": "search a data set for what is new to a model that learns it, and not just noise",
    "envs": "list the environments, or show the page of one",
    "recipes": "list what `e2c train` can train, or show the page of one recipe",
    "planners": "list the planners, or show the page of one",
    "estimators": "compare gradient estimators on a small problem: bias, variance, cost",
}

HELP = """\
usage: e2c COMMAND [OPTIONS]

Control from pixels: learn a space in which images become states, and plan in it.

commands:
{commands}

One after the other:
  e2c collect  --env E2C/Planar-v0 --out datasets/planar
  e2c train    --dataset datasets/planar
  e2c plan     --run runs/Planar-v0/NAME
  e2c evaluate --run runs/Planar-v0/NAME

`e2c COMMAND --help` explains a command. Curves and pictures of all runs: tensorboard --logdir runs
Code of your own goes by "my_package:Mine" wherever a name is asked for. Every command opens what was made with it if
you add --trust my_package.
"""

_FORMAT = warnings.formatwarning

INPUT_ERROR, INTERRUPTED, PIPE_CLOSED = 2, 130, 141


class Command(Protocol):
    """What `e2c` can be asked to do. One that has an option --resume says in `BESIDE_RESUME` what may go with it."""

    __dataclass_fields__: ClassVar[dict[str, Field[object]]]

    def __call__(self) -> None: ...


COMMANDS: Registry[type[Command]] = Registry(
    "command", {name: f"e2c_control.cli.{name}:{name.capitalize()}" for name in SUMMARIES}
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    A user's mistake (`InputError`) is one line on stderr and code 2, Ctrl-C is 130. Anything else is a mistake of this
    program and keeps its traceback.
    """
    _open_output()
    given = list(sys.argv[1:] if arguments is None else arguments)
    warnings.formatwarning = _sentence
    if given[:1] != ["play"]:
        # Pictures are drawn into arrays alone: SDL need not look for a screen, nor complain that there is none.
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    command = None
    try:
        try:
            given, trusted = _split_trust(given)
            with trusting(trusted):
                command = parse(given)
                if command is not None:
                    command()
        finally:
            sys.stdout.flush()  # what cannot be written should be noticed here, not when Python ends
    except InputError as error:
        print(f"e2c: {_as_options(str(error), command)}", file=sys.stderr)
        return INPUT_ERROR
    except KeyboardInterrupt as stop:
        # On a line of its own, below the ^C that a terminal shows and the bar that stood there.
        print("\ne2c: stopped" + "".join(f"; {hint}" for hint in stop.args) + ".", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _drop_output()  # the reader, such as `head`, has seen enough
        return PIPE_CLOSED
    except OSError as error:
        if error.filename is not None:
            print(f"e2c: {_of_the_machine(error)}", file=sys.stderr)
            return INPUT_ERROR
        # Without a name it is the output, or machine code that a compiler puts by.
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        _drop_output()
        print(f"e2c: No space left to write ({error.strerror}): free some on all disks.", file=sys.stderr)
        return INPUT_ERROR
    return 0


def _open_output() -> None:
    """Make sure that there is somewhere to print to, and that any text can be printed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free, lest a file of ours does
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, open until the end
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _as_options(sentence: str, command: Command | None) -> str:
    """Return a sentence for Python callers, such as "collect with starts='reset'", with the command's options in it."""
    known = vars(command) if command else {}

    def option(given: re.Match[str]) -> str:
        name = f"--{given[1].replace('_', '-')}"
        return " ".join(filter(None, (name, given[3]))) if given[1] in known else given[0]

    return re.sub(r"\b(\w+)=(True|'(\w+)')", option, sentence)


def _of_the_machine(error: OSError) -> str:
    """Return the system's own message about a file, for errors that no code nearer to it explains."""
    if isinstance(error, PermissionError):
        return f"No permission for {error.filename}: change its permissions, or choose another path."
    return f"{error.filename}: {error.strerror}: check the path and its disk."


def _sentence(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Return a warning as the command line shows it: what concerns the user, without a place in the code."""
    if issubclass(category, InputWarning):
        return f"e2c: {message}\n"
    return _FORMAT(message, category, filename, lineno, line)


def _drop_output() -> None:
    """Drop what Python flushes at its end, which must not complain again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parse(arguments: Sequence[str]) -> Command | None:
    """Return the command that the arguments ask for; None if they ask for help, which is then printed."""
    name, options = (arguments[0], list(arguments[1:])) if arguments else ("--help", [])
    if name == "help" and options:
        return parse([options[0], "--help"])
    if name in ("-h", "--help", "help"):
        print(help_text(), end="")
        return None
    if name == "--version" and not options:
        from e2c_control import __version__

        print(f"e2c-control {__version__}")
        return None
    from e2c_control.cli.options import parse_options

    return parse_options(COMMANDS.find(name), name, options)


def help_text() -> str:
    """Return what `e2c --help` says."""
    width = max(map(len, SUMMARIES))
    lines = [f"  {name:{width}}  {summary}" for name, summary in SUMMARIES.items()]
    return HELP.format(commands="\n".join(lines))


def _split_trust(given: list[str]) -> tuple[list[str], list[str]]:
    """Return the arguments without --trust, which all commands have, and the packages that it names."""
    left, trusted, words = list[str](), list[str](), iter(given)
    for word in words:
        option, _, value = word.partition("=")
        if option != "--trust":
            left.append(word)
            continue
        value = value or next(words, "")
        if not value.replace(".", "_").isidentifier():
            raise InputError("--trust takes the name of a package: --trust my_package.")
        trusted.append(value)
    return left, trusted
