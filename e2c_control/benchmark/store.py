"""Cells on the disk: one JSON document each, written at once, with pictures beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2c_control.benchmark.cell import Cell, Result
from e2c_control.benchmark.worlds import WORLDS
from e2c_control.errors import InputError
from e2c_control.registry import names_from
from e2c_control.runs.atomic import replace_bytes, writing
from e2c_control.runs.document import Kind
from e2c_control.runs.foreign import check_folder, file_inside
from e2c_control.runs.typed_json import JSON, fields_from, from_json, to_json

DOCUMENT = Kind(
    "e2c-control benchmark cell",
    1,
    {"cell": object, "row": object, "pictures": Mapping[str, str]},
    remedy="remove it and run the benchmark again",
    again="remove it and run the benchmark again",
)

ROW: Mapping[str, object] = {
    "seed": int,
    "train_cpu_seconds": float,
    "tasks": Mapping[str, object],
    "commit": str | None,
    "machine": str | None,
    "versions": Mapping[str, str],
}
"""What the report reads of a row; `measures`, and what stands beside the scores, came later."""

PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Stored:
    """A finished cell.

    Attributes:
        cell: what was run.
        row: scores and times.
        pictures: PNG files by name, see `Result`.
    """

    cell: Cell
    row: Mapping[str, Any]
    pictures: Mapping[str, Path]


def write_cell(folder: Path, cell: Cell, result: Result) -> None:
    """Keep a result: the pictures first, so that a document is never without them."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    names = {label: f"{cell.name}-{label.rpartition('/')[2]}.png" for label in result.pictures}
    for label, picture in result.pictures.items():
        replace_bytes(folder / names[label], picture)
    text = DOCUMENT.text({"cell": to_json(cell), "row": result.row, "pictures": names})
    replace_bytes(folder / f"{cell.name}.json", text.encode())


def read_cells(folder: Path) -> list[Stored]:
    """Read all finished cells of a folder, by name; raise `InputError` if one is damaged or of another version."""
    check_folder(folder)
    return [_read(path) for path in sorted(folder.glob("*.json"))]


def unfinished(folder: Path, wanted: Sequence[Cell]) -> list[Cell]:
    """Return those cells that the folder does not have yet.

    Raises:
        InputError: what the folder has was made with other settings, so that it cannot stand in one table with them.
    """
    stored = [one.cell for one in read_cells(folder)]
    first: dict[str, tuple[Cell, object]] = {}
    for cell in (*stored, *wanted):
        world, recipe = cell.world, cell.recipe
        shared = {"problems": cell.problems, "precision": cell.precision}
        for key, settings in (("", shared), (world.name, world), (f"{world.name} {recipe.name}", recipe)):
            earlier, known = first.setdefault(key, (cell, settings))
            if known != settings:
                place = _difference(to_json(known), to_json(settings))
                raise InputError(
                    f"{folder / earlier.name}.json was made with other settings than {cell.name} would be ({place}): "
                    "choose another folder with --out, or remove it."
                )
    return [cell for cell in wanted if cell not in stored]


def _read(path: Path) -> Stored:
    content = DOCUMENT.read(path)
    with names_from(path):
        try:
            cell = from_json(Cell, content["cell"])
        except ValueError as error:
            raise InputError(
                f"{path} was written by another version of e2c-control ({error}): remove it, or install that version."
            ) from error
    try:
        if path.stem != cell.name:
            raise ValueError("its name is not that of its cell")
        row = _checked(cell, content["row"])
    except ValueError as error:
        raise DOCUMENT.damage(path) from error
    return Stored(cell, row, {label: _picture(path.parent, name) for label, name in content["pictures"].items()})


def _checked(cell: Cell, row: object) -> Mapping[str, Any]:
    """Return the row of a cell; raise ValueError if a field that the report reads is missing or impossible."""
    if cell.world.known_by not in [world.known_by for world in WORLDS.known()]:
        raise ValueError(f"there is no world {cell.world.name} with such tasks")
    found = fields_from(ROW, row, "row")
    if "measures" in found:
        fields_from({"map/state_loss": float, "map/next_state_loss": float}, found["measures"], "row.measures")
    if found["seed"] != cell.seed:
        raise ValueError("row.seed is not that of the cell")
    for task in cell.world.tasks:
        drives = fields_from({"scores": list[float]}, found["tasks"].get(task), f"row.tasks.{task}")
        if "success" in drives:
            fields_from(dict.fromkeys(("latent_cost", "real_cost"), object), drives, f"row.tasks.{task}")
        for name, values in drives.items():
            numbers = list[bool] if name == "success" else list[float]
            if len(from_json(numbers, values, f"row.tasks.{task}.{name}")) != len(drives["scores"]) or not values:
                raise ValueError(f"row.tasks.{task}.{name} has another length than the scores")
    return found


def _picture(folder: Path, name: str) -> Path:
    """Return a PNG file that stands beside its document."""
    path = file_inside(folder, name)
    try:
        with path.open("rb") as file:
            begins = file.read(len(PNG))
    except OSError as error:
        raise InputError(f"{path} is missing or cannot be read: run the benchmark again.") from error
    if begins != PNG:
        raise InputError(f"{path} is no PNG picture: remove the cell and run the benchmark again.")
    return path


def _difference(found: JSON, wanted: JSON, place: str = "") -> str:
    """Return the first place at which two JSON values differ, with both."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        pairs = ((f"{place}.{key}".lstrip("."), found.get(key), wanted.get(key)) for key in {**found, **wanted})
    elif isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        both = zip(found, wanted, strict=True)
        pairs = ((f"{place}[{i}]", one, other) for i, (one, other) in enumerate(both))
    else:
        return "" if found == wanted else f"{place} {found!r}, not {wanted!r}"
    return next((said for key, one, other in pairs if (said := _difference(one, other, key))), "")
