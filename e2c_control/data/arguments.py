"""An environment and its arguments as words of a command line."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from e2c_control.errors import InputError, quoted


def naming(environment: str | None) -> str:
    """Return " --env module:Id" for a suggested command, if the environment is one that the user has to name."""
    return f" --env {quoted(environment)}" if environment and ":" in environment else ""


def parse_arguments(given: Sequence[str]) -> dict[str, Any]:
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
