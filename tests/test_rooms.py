"""The rooms: each imports only what stands below it, and only the documentation imports the command line."""

import ast
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import e2c_control

ROOT = Path(__file__).resolve().parent.parent
FLOORS = (
    {"errors"},
    {"fields", "tables"},
    {"registry"},
    {"parallel", "runs", "envs"},
    {"planners"},
    {"data"},
    {"models"},
    {"measures", "figures"},
    {"gradients", "autoencoders"},
    {"objectives"},
    {"training"},
    {"agents"},
    {"evaluation"},
    {"play", "benchmark"},
    {"cli"},
    {"docs"},
)
"""From the ground up: a room may import itself and every floor below its own, also where an import is lazy."""
HEIGHT = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
FOLDERS = {"e2c_control": "e2c_control", "envs": "e2c_control.envs", "planners": "e2c_control.planners",
           "agents": "e2c_control.agents"}  # fmt: skip

pytestmark = pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="needs the repository")


def imports() -> Iterator[tuple[str, str, str]]:
    """Yield (file, its room, an imported room) for every import from another room."""
    for folder, package in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            module = [*package.split("."), *path.relative_to(ROOT / folder).with_suffix("").parts]
            if module[1] in ("__init__", "__main__"):
                continue  # the front door, and `python -m e2c_control`, stand above all rooms
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module:
                    names = [f"{node.module}.{alias.name}" for alias in node.names]
                for name in names:
                    if not name.startswith("e2c_control.") or name == "e2c_control.__version__":
                        continue
                    offered = getattr(e2c_control, name.removeprefix("e2c_control."), None)
                    if "." not in name.removeprefix("e2c_control.") and not isinstance(offered, ModuleType):
                        name = getattr(offered, "__module__", name)  # a name of the front door: where it comes from
                    if (room := name.split(".")[1]) != module[1]:
                        yield str(path.relative_to(ROOT)), module[1], room


def test_every_room_has_a_floor() -> None:
    rooms = {room for path, room, _ in imports()} | {room for _, _, room in imports()}
    assert rooms <= set(HEIGHT), sorted(rooms - set(HEIGHT))


def test_imports_run_down() -> None:
    up = sorted({f"{path} imports {to}" for path, room, to in imports() if HEIGHT[to] >= HEIGHT[room]})
    assert not up, up
