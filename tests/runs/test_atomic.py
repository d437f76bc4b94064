"""A process that dies between the two renames of a replacement loses nothing."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from e2c_control.errors import InputError
from e2c_control.runs.atomic import new_folder, sweep


def write(path: Path, text: str, replace: bool = True) -> None:
    with new_folder(path, replace=replace) as folder:
        (folder / "text").write_text(text)


def die_between_the_renames(path: Path) -> None:
    script = f"""
import os
from pathlib import Path
from e2c_control.runs.atomic import new_folder
with new_folder(Path({str(path)!r}), replace=True) as folder:
    (folder / "text").write_text("new")
    rename = Path.rename
    def once(self, target):
        rename(self, target)
        os._exit(9)
    Path.rename = once
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9


def test_what_was_moved_aside_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "d"
    write(path, "old")
    die_between_the_renames(path)
    assert not path.exists()
    with pytest.raises(InputError, match="exists already"):
        write(path, "newer", replace=False)
    assert (path / "text").read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["d"]


def test_what_was_moved_aside_goes_when_there_is_something_new(tmp_path: Path) -> None:
    path = tmp_path / "d"
    write(path, "old")
    die_between_the_renames(path)
    path.mkdir()
    write(path, "newer")
    assert (path / "text").read_text() == "newer"
    assert [entry.name for entry in tmp_path.iterdir()] == ["d"]


def test_a_link_that_is_replaced_goes_alone(tmp_path: Path) -> None:
    (tmp_path / "behind").mkdir()
    (tmp_path / "behind" / "file").write_text("stays")
    (tmp_path / "name").symlink_to("behind")
    with new_folder(tmp_path / "name", replace=True) as folder:
        (folder / "file").write_text("new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["behind", "name"]
    assert [(tmp_path / at / "file").read_text() for at in ("behind", "name")] == ["stays", "new"]


def test_only_what_the_dead_of_this_machine_left_is_swept(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    host, dead, alive = socket.gethostname(), child.pid, os.getpid()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("stays")
    folder = tmp_path / "folder"
    folder.mkdir()
    kept = [
        f".a.{host}-{alive}-0123abcd.partial",
        f".a.other-{host}-{dead}-0123abcd.partial",
        f".a.{host}-{dead}-0123abcd.notes",
        f"a.{host}-{dead}-0123abcd.partial",
        f".{host}-{dead}.partial",
    ]
    gone = [f".a.b.{host}-{dead}-0123abcd.partial", f".a.{host}-{10**30}-0123abcd.partial"]
    for name in (*kept, *gone):
        (folder / name).write_text("half")
    (folder / f".link.{host}-{dead}-0123abcd.partial").symlink_to(outside)
    aside = folder / f".d.{host}-{dead}-0123abcd.replaced"
    aside.mkdir()
    sweep(folder, tmp_path / "missing")
    assert sorted(path.name for path in folder.iterdir()) == sorted([*kept, "d"])
    assert (outside / "file").read_text() == "stays"
