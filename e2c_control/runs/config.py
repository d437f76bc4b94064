"""``config.json``: a frozen dataclass as JSON and back, with what made it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from e2c_control.errors import InputError
from e2c_control.registry import names_from
from e2c_control.runs.atomic import replace_text
from e2c_control.runs.document import Kind
from e2c_control.runs.own import is_own, sign
from e2c_control.runs.typed_json import from_json, to_json
from e2c_control.runs.versions import package_versions, source_commit

CONFIG = Kind("e2c-control config", 1, {"config": object}, remedy="start the run again", again="start the run again")

Config = TypeVar("Config")


def write_config(path: Path, config: object) -> None:
    """Write the dataclass ``config`` with the versions, the commit and the time."""
    text = CONFIG.text(
        {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": source_commit(),
            "versions": package_versions(),
            "signature": sign(to_json(config)),
            "config": to_json(config),
        }
    )
    replace_text(path, text)


def read_config(path: Path, kind: type[Config]) -> Config:
    """Read a dataclass of the type ``kind``; if it has an ``upgraded(content)``, that makes today's of older JSON.

    Raises:
        InputError: the file is missing or damaged, a field has a value that it cannot have, or the file was written
            for another format or other fields.
    """
    if not path.is_file():
        found = f"{path} is no file" if path.exists() else f"There is no {path}"
        raise InputError(f"{found}: give the config.json of a run.")
    content = CONFIG.read(path)["config"]
    upgraded = getattr(kind, "upgraded", None)
    with names_from(path):
        try:
            return from_json(kind, upgraded(content) if upgraded else content)
        except ValueError as error:
            raise InputError(
                f"{path} is damaged, or was written for another version of e2c-control or by another of its commands "
                f"({error}): restore the file, go on with what wrote it, or start the run again."
            ) from error


def is_own_config(path: Path) -> bool:
    """Return whether `write_config` of this user wrote the file as it is: then its paths are the user's own words."""
    content = CONFIG.read(path)
    return is_own(content["config"], content.get("signature"))


def read_given(path: Path, kind: type[Config], remedy: str = "") -> Config:
    """Read the config of another run, for a new one.

    Args:
        path: its config.json.
        kind: of dataclass.
        remedy: what to do where its paths are not this user's own words; none if they are not followed.
    """
    config = read_config(path, kind)
    if remedy and not is_own_config(path):
        raise InputError(f"{path} was made elsewhere or changed since, so its paths are not followed: {remedy}.")
    return config
