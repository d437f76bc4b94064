"""How commands talk: what was made, where it is, what to do next."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

import tyro

from e2c_control.errors import InputError, quoted, whole

T = TypeVar("T")
Unset = Annotated[T | None, tyro.conf.arg(help_behavior_hint="")]
"""An option that is not given unless it is: its help says what happens then, and no default called None."""

LARGEST_SEED = 2**32 - 1
"""What NumPy's legacy generator takes, which the published lists of problems are drawn from."""

MOST_PROBLEMS = 10_000


def say(label: str, text: object = "") -> None:
    """A line with a label in front, at once even where the output is a file."""
    print(f"{label:<9} {text}".rstrip(), flush=True)


def suggest(*commands: str) -> None:
    """What to do next."""
    for i, command in enumerate(commands):
        say("Next" if i == 0 else "or", command)


def naming(environment: str | None) -> str:
    """Return " --env module:Id" for a suggested command, if the environment is one that the user has to name."""
    return f" --env {quoted(environment)}" if environment and ":" in environment else ""


def nothing_here(options: object, *names: str) -> None:
    """Refuse the options that mean nothing in the environment of a run."""
    for name in names:
        if getattr(options, name) is not None:
            raise InputError(f"--{name.replace('_', '-')} means nothing in this environment: leave it out.")


def check_seed(seed: int) -> None:
    """Refuse a seed that some generator would refuse later."""
    whole("--seed", seed, least=0, most=LARGEST_SEED)


def parse_arguments(given: Sequence[str]) -> Mapping[str, Any]:
    """`("noise=0.5", "name=abc")` as {"noise": 0.5, "name": "abc"}: a Python literal where it is one, else text."""
    arguments: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise InputError(f"'{text}' is no argument of an environment: write it as name=value.")
        try:
            arguments[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            arguments[name] = value
    return arguments
