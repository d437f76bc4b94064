"""The one door of options: a command's dataclass is filled from words, and explained by its own docstring."""

from __future__ import annotations

import ast
import re
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import field, fields, is_dataclass, make_dataclass
from functools import cache
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_type_hints

import tyro

from e2c_control import InputError
from e2c_control.fields import conform, hints_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Command = TypeVar("Command", bound="DataclassInstance")

ALIASES: dict[str, dict[str, tuple[str, ...]]] = {
    "explore": {"steps": ("total-timesteps",)},
    "collect": {"transitions": ("total-timesteps",)},
    "plan": {"steps": ("n-timesteps",)},
    "evaluate": {"seed": ("eval-seeds",), "problems": ("n-eval-episodes",)},
    "choose": {"seed": ("eval-seeds",), "problems": ("n-eval-episodes",)},
    "": {"runs": ("log-dir",), "n_envs": ("num-envs",), "env_args": ("env-kwargs",)},
}
"""Other names of options by command, and of all commands: what users of stable-baselines3 and its zoo type."""

CHOICES = {
    "policy": "agents/free_energy/learners.py:POLICIES",
    "sight": "agents/free_energy/learners.py:SIGHTS",
    "model": "agents/novelty/registry.py:MODELS",
    "remedy": "agents/novelty/registry.py:REMEDIES",
    "recipe": "e2c_control/objectives/recipes.py:RECIPES",
    "recipes": "e2c_control/objectives/recipes.py:RECIPES",
    "worlds": "e2c_control/benchmark/worlds.py:WORLDS",
    "matrix_form": "e2c_control/models/embedding.py:TRANSITIONS",
    "network": "e2c_control/models/networks.py:NETWORKS",
    "planner": "planners/registry.py:PLANNERS",
    "toy": "e2c_control/gradients/toys.py:TOYS",
    "method": "e2c_control/gradients/registry.py:ESTIMATORS",
}
"""Options that name an entry of a registry, and where that is: help reads its names without importing it."""

TRUST = (
    "Every command takes --trust my_package as well: code of that package may be imported where a dataset or a run "
    "names it, which is not done otherwise. Where --env my_package:Id is given, that is enough."
)

LONGEST_METAVAR = 60
"""Characters of choices in place of a type; more of them stand in the text."""


def parse_options(kind: type[Command], name: str, options: Sequence[str]) -> Command:
    """Fill a command's fields from its options, or explain them and exit."""
    options = [_own_name(word, _aliases(kind, name)) for word in options]
    _check_given(kind, [option.partition("=")[0] for option in options if option.startswith("--")])
    if "--help" in options or "-h" in options:
        description, _, _ = cleandoc(kind.__doc__ or "").partition("\n\nAttributes:")
        print(f"{_wrapped(description)}\n")
        print(f"{_wrapped(TRUST)}\n")
    markers: tuple[Any, ...] = (tyro.conf.DisallowNone, tyro.conf.FlagCreatePairsOff)
    return _own(kind, tyro.cli(_shown(kind, name), prog=f"e2c {name}", description="", args=options, config=markers))


@cache
def names_in(registry: str) -> tuple[str, ...]:
    """Return the names of one of this project's registries, read from its source, which imports nothing.

    Args:
        registry: "folder/module.py:NAME", from the folder that the package's rooms stand in.
    """
    path, _, name = registry.partition(":")
    package = Path(__file__).resolve().parents[1]
    # In a checkout the rooms stand beside the package, in a wheel inside it.
    places = (package.parent / path, package / path.removeprefix("e2c_control/"))
    tree = ast.parse(next(place for place in places if place.is_file()).read_text(encoding="utf-8"))
    for made in ast.walk(tree):
        if isinstance(made, ast.AnnAssign) and isinstance(made.target, ast.Name) and made.target.id == name:
            tables = (part for part in ast.walk(made) if isinstance(part, ast.Dict))
            return tuple(ast.literal_eval(key) for key in next(tables).keys if key is not None)
    raise LookupError(registry)


def _wrapped(text: str) -> str:
    """Return a description as wide as the terminal: paragraphs are filled, indented examples stay as they are."""
    width, lines, prose = shutil.get_terminal_size().columns, list[str](), list[str]()
    for line in [*text.splitlines(), ""]:
        if line and not line.startswith(" "):
            prose.append(line)
            continue
        lines += textwrap.wrap(" ".join(prose), width, break_long_words=False, break_on_hyphens=False)
        lines, prose = [*lines, line], []
    return "\n".join(lines).rstrip()


def _aliases(kind: type, command: str) -> dict[str, tuple[str, ...]]:
    """Return the other names of those options that a command has."""
    known = {**ALIASES[""], **ALIASES.get(command, {})}
    return {own: others for own, others in known.items() if own in hints_of(kind)}


def _own_name(word: str, aliases: Mapping[str, tuple[str, ...]]) -> str:
    """Return a word of a command line with an option's own name in place of another of its names, and "-" for "_"."""
    if not word.startswith("--"):
        return word
    option, equals, value = word.partition("=")
    option = option[2:].replace("_", "-")
    found = next((own.replace("_", "-") for own, others in aliases.items() if option in others), option)
    return f"--{found}{equals}{value}"


def _explained(option: str, hint: object, text: str | None, aliases: tuple[str, ...]) -> tuple[str | None, str]:
    """Return what stands in place of an option's type, if it is not the type, and its text with its other names."""
    text, metavar = text or "", None
    if option in CHOICES and _is_name(hint):
        choices = names_in(CHOICES[option])
        metavar = f"{{{','.join(choices)}}}"
        if len(metavar) > LONGEST_METAVAR or hint not in (str, str | None):
            metavar, text = None, f"{text} One of {', '.join(choices)}."
    if aliases:
        text = f"{text} Also {', '.join(f'--{alias}' for alias in aliases)}."
    return metavar, text


def _is_name(hint: object) -> bool:
    return hint is str or any(_is_name(part) for part in get_args(hint))


def explanations(kind: type) -> dict[str, str]:
    """Return what the docstrings of a class and its bases say of each attribute."""
    found: dict[str, str] = {}
    for part in reversed(kind.__mro__):
        _, _, attributes = cleandoc(part.__doc__ or "").partition("\nAttributes:\n")
        listed, _, _ = attributes.partition("\n\n")
        for entry in re.split(r"^    (?=\w)", listed, flags=re.MULTILINE)[1:]:
            name, _, text = entry.partition(":")
            found[name] = " ".join(text.split())
    return found


@cache
def _shown(kind: type[DataclassInstance], command: str) -> type[object]:
    """Return a dataclass with the same fields, as tyro is to explain them: its own first, no default called None."""
    hints, texts = get_type_hints(kind, include_extras=True), explanations(kind)
    made: list[tuple[str, object, object]] = []
    for option in sorted(fields(kind), key=lambda option: option.name not in vars(kind)["__annotations__"]):
        hint, default = hints[option.name], option.default
        if is_dataclass(hint):
            group = _shown(hint, command)
            made.append((option.name, Annotated[group, tyro.conf.arg(name="")], field(default_factory=group)))
            continue
        hidden = "" if default in (None, ()) else None
        aliases = _aliases(kind, command).get(option.name, ())
        metavar, text = _explained(option.name, hint, texts.get(option.name), aliases)
        explained = tyro.conf.arg(help=text, help_behavior_hint=hidden, metavar=metavar)
        made.append((option.name, Annotated[hint, explained], field(default=default)))
    return make_dataclass(kind.__name__, made, frozen=True, kw_only=True, namespace={"__doc__": ""})


def _own(kind: type[Command], parsed: object) -> Command:
    """Return the command that was parsed, with its groups of options, each value as its field may have it."""
    values: dict[str, object] = {}
    for name, hint in hints_of(kind).items():
        given = getattr(parsed, name)
        if is_dataclass(hint) and isinstance(hint, type):
            values[name] = _own(hint, given)
        else:
            values[name] = conform(hint, given, f"--{name.replace('_', '-')}")
    return kind(**values)


def _check_given(kind: type, given: list[str]) -> None:
    """Refuse options that would be dropped: one given twice, of which the last would hold, or beside a config."""
    for option in given:
        if given.count(option) > 1:
            raise InputError(
                f"{option} is given {given.count(option)} times: give it once, with all that belongs to it."
            )
    for lead in ("--resume", "--config"):
        beside: tuple[str, ...] = getattr(kind, f"BESIDE_{lead[2:].upper()}", ())
        left = [option for option in given if option not in (lead, "--help", *beside)]
        if lead in given and left:
            raise InputError(f"{left[0]} means nothing beside {lead}, which goes on by its own options: leave it out.")
