"""Ids of environments: found by name, imported when the user names their module, refused where a file does."""

import difflib
import importlib
from collections.abc import Container, Iterable, Mapping
from reprlib import repr as short
from typing import TypeGuard

import gymnasium
from gymnasium import error
from gymnasium.envs.registration import EnvSpec

from e2c_control.data.foreign import AnyEnv
from e2c_control.errors import InputError, in_a_sentence, near_miss
from e2c_control.registry import is_trusted, look_here_for

_OTHER_OPTION = "give {0} itself, not among the arguments of the environment"
# Names that mean something else than an argument of the environment, and what to do instead.
_OPTIONS = {
    "num_envs": _OTHER_OPTION.format("n_envs"),
    "n_envs": _OTHER_OPTION.format("n_envs"),
    "frame_stack": _OTHER_OPTION.format("frame_stack"),
    "image_size": _OTHER_OPTION.format("image_size"),
    "grayscale": "give the colours themselves, not among the arguments of the environment",
    "seed": _OTHER_OPTION.format("seed"),
    "processes": "leave it out",
    "vectorization_mode": "leave it out",
    "render_mode": "leave it out, what cannot be seen otherwise is rendered in any case",
}
_COLOURS = ("colours", "colour", "colors", "color", "rgb", "greyscale", "gray", "grey")


def check_arguments(env_id: str, names: Iterable[str], allowed: Container[str] = ()) -> None:
    """Raise `InputError` for an argument of an environment that is an option of something else.

    Args:
        env_id: whose arguments.
        names: of the arguments that a user gave.
        allowed: options that may be among them.
    """
    for name in names:
        if name in _OPTIONS and name not in allowed:
            raise InputError(f"{env_id} cannot take {name!r} as an argument: {_OPTIONS[name]}.")


def an_id(place: str, value: object) -> str:
    """Return what is a text; anything else raises InputError."""
    if not isinstance(value, str):
        raise InputError(f"{short(value)} is no id: give {by_id(value)}.")
    return value


def _is_env(env: object) -> TypeGuard[AnyEnv]:
    return isinstance(env, gymnasium.Env)


def by_id(env: object) -> str:
    """Return how what somebody made can be named by an id, in words for what is made anew and can only be named."""
    if not _is_env(env):
        return "'Id' or 'module:Id'"
    if env.unwrapped.spec is not None:
        return f"its id, {env.unwrapped.spec.id!r}"
    kind = type(env.unwrapped).__name__
    return f"'My/{kind}-v0' after gymnasium.register('My/{kind}-v0', {kind})"


def meant_elsewhere(names: Iterable[str]) -> str:
    """Return what to do about arguments of an environment that are almost options of something else; "" for others."""
    for name in names:
        if name in _COLOURS:
            return "the environment takes no such argument; colours are grayscale=False"
        if (hint := near_miss(name, _OPTIONS)) and name not in _OPTIONS:
            return f"the environment takes no {name!r}{hint}"
    return ""


def find_spec(env_id: str) -> EnvSpec:
    """Return the registered `EnvSpec` of "Id" or "module:Id"; raise `InputError` if there is none."""
    module, _, name = an_id("env_id", env_id).rpartition(":")
    if module:
        look_here_for(module)
        with in_a_sentence(f"{env_id} cannot be made, the import of {module} fails"):
            try:
                importlib.import_module(module)
            except ModuleNotFoundError as missing:
                if not missing.name or not f"{module}.".startswith(f"{missing.name}."):
                    raise  # it is there, and what it imports is not
                raise InputError(
                    f"Unknown environment {env_id!r}: {missing}, install it or check its name."
                ) from missing
    try:
        return gymnasium.spec(name)
    except error.Error as unknown:
        close = difflib.get_close_matches(name, gymnasium.registry, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else "`gymnasium.pprint_registry()` lists what there is."
        if not module and "/" in name and close and close[0].partition("/")[0] != name.partition("/")[0]:
            hint = f"if it is your own, give 'module:{name}', where the import of module registers it."
        raise InputError(f"Unknown environment {env_id!r} (another package's is 'module:Id'): {hint}") from unknown


def own_id(env_id: str) -> str:
    """Return an id as datasets name it: without a module in front where that is this project's, always imported."""
    module, _, name = env_id.rpartition(":")
    return name if module.partition(".")[0] == "e2c_control" else env_id


def named_in_a_file(environment: str, option: str = "--env") -> str:
    """Return the id under which an environment can be made that a file names, without importing anything.

    "module:Id" stands for code of another package, and a file may come from anywhere. So that module is not imported:
    what it registers must be known already, because the user named it.

    Args:
        environment: "Id" or "module:Id", as a dataset's card or an exploration's config has it.
        option: by which the user can name it.

    Raises:
        InputError: it is not registered.
    """
    module, _, name = environment.rpartition(":")
    import_trusted(environment)
    if module and name not in gymnasium.registry:
        raise InputError(
            f"{short(environment)} is named in a folder, and opening a folder imports no code of other packages: if "
            f"you trust that module, name it with {option} {short(environment)[1:-1]}, or add --trust "
            f"{module.partition('.')[0]}."
        )
    return name


def names_none(environment: str) -> bool:
    """Return whether what a file gives is no environment's id but a name, as that of recordings: no module is in front
    of it that could register it, and nothing is registered under it.
    """
    return ":" not in environment and environment not in gymnasium.registry


def import_trusted(environment: str) -> None:
    """Import the module of the "module:Id" that a file names, if the user trusts it: see `registry.trusting`."""
    module = environment.rpartition(":")[0]
    if module and is_trusted(module):
        find_spec(environment)


def import_named(env: str, environment: str, folder: object) -> None:
    """Import the module of the environment that the user names, if it is the one that a folder was made in.

    Args:
        env: "Id" or "module:Id", from the user.
        environment: the same from the folder.
        folder: for the sentence.

    Raises:
        InputError: it is another environment, or there is none of that name.
    """
    if env.rpartition(":")[2] != environment.rpartition(":")[2]:
        raise InputError(f"{folder} is of {short(environment)}, not of {env}: leave out --env, or name that one.")
    find_spec(env)


def check_file_arguments(environment: str, kwargs: Mapping[str, object]) -> None:
    """Refuse arguments of an environment that a file gives and that may be paths, or names of code, as "module:Name".

    Raises:
        InputError: one holds a text that looks like that.
    """
    for name, value in kwargs.items():
        if isinstance(value, str) and (value.startswith((".", "~")) or any(mark in value for mark in "/\\\0:")):
            raise InputError(
                f"{short(environment)} gets {name}={short(value)} from a folder, which may lead out of it: make "
                "the environment in Python, where you name the path or the code yourself."
            )
