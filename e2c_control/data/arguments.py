"""An environment and its arguments as words of a command line."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from e2c_control.errors import InputError, quoted
from e2c_control.registry import packages_named
from e2c_control.runs.own import is_own


def naming(environment: str | None) -> str:
    """Return " --env module:Id" for a suggested command, if the environment is one that the user has to name."""
    return f" --env {quoted(environment)}" if environment and ":" in environment else ""


def as_option(folder: Path, environment: str | None = None) -> str:
    """Return a run or a dataset as a suggested command names it: quoted, and trusting the packages that it needs.

    Args:
        folder: of a run or of a dataset.
        environment: of the run, for a command with an option --env.
    """
    trust = trusting_again(folder)
    known = environment is not None and f" --trust {environment.partition(':')[0].partition('.')[0]} " in f"{trust} "
    return f"{quoted(folder)}{trust}{'' if known else naming(environment)}"


def as_given(folder: Path, env: str | None) -> str:
    """Return a run as a suggested command names it, with what the user gave for --env, if anything."""
    named = as_option(folder, env)
    return named if env is None or ":" in env else f"{named} --env {quoted(env)}"


def trusting_again(folder: Path) -> str:
    """Return " --trust my_package" for each package of the user's choice whose code a run or a dataset names."""
    found = dict[str, None]()
    for name in ("config.json", "dataset.json"):
        with suppress(OSError, ValueError, RecursionError, AttributeError):
            document: dict[str, Any] = json.loads((folder / name).read_bytes())
            own = is_own(document.get("config"), document.get("signature"))
            found |= dict.fromkeys(packages_named(document, own))
    return "".join(f" --trust {package}" for package in found)


def parse_arguments(given: Sequence[str]) -> dict[str, Any]:
    """Return `("noise=0.5", "name=abc")` as {"noise": 0.5, "name": "abc"}: a Python literal, or else a text."""
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
