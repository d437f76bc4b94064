"""Checkpoints: complete or absent, exact to the bit, and clear about damage."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from e2c_control.errors import InputError
from e2c_control.runs.checkpoint import (
    checkpoint_path,
    checkpoint_paths,
    keep_last,
    latest,
    load_checkpoint,
    save_checkpoint,
)

MODEL = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.tensor(float("nan"))}


def save(folder: Path, step: int) -> Path:
    path = checkpoint_path(folder, step)
    save_checkpoint(path, {"model": MODEL, "rng": {}}, {"step": step, "loss": 0.1})
    return path


def test_round_trip_to_the_bit(tmp_path: Path) -> None:
    tied = torch.randn(4, 4, dtype=torch.bfloat16)
    tensors = {
        "model": {"a": tied, "b": tied, "t": tied.T, "none": torch.empty(0, 3), "flag": torch.tensor(True)},
        "generators": {"torch": torch.Generator().manual_seed(3).get_state()},
        "empty": {},
    }
    save_checkpoint(tmp_path / "c", tensors, {"step": 3, "lr": 0.1 + 0.2, "text": "ü"})
    loaded = load_checkpoint(tmp_path / "c")
    assert loaded.meta == {"step": 3, "lr": 0.1 + 0.2, "text": "ü"}
    assert loaded.tensors.keys() == tensors.keys()
    for group, named in tensors.items():
        assert loaded.tensors[group].keys() == named.keys()
        for name, tensor in named.items():
            assert loaded.tensors[group][name].dtype == tensor.dtype
            assert torch.equal(loaded.tensors[group][name], tensor)


def test_files_are_open_formats(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    path = save(tmp_path, 5)
    assert path.name == "step-00000005"
    assert sorted(file.name for file in path.iterdir()) == ["checkpoint.json", "model.safetensors", "rng.safetensors"]
    assert torch.equal(load_file(path / "model.safetensors")["weight"], MODEL["weight"])
    assert json.loads((path / "checkpoint.json").read_text())["meta"]["step"] == 5


def test_latest_skips_what_is_incomplete(tmp_path: Path) -> None:
    assert latest(tmp_path / "nowhere") is None
    for step in (900, 1000, 20):
        save(tmp_path, step)
    (tmp_path / "step-00002000").mkdir()
    (tmp_path / ".step-00003000.host-1-ab.partial").mkdir()
    (tmp_path / "step-notes").mkdir()
    (tmp_path / "step-²").mkdir()  # a digit, and no number
    assert latest(tmp_path) == tmp_path / "step-00001000"


def test_only_the_last_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 3, 10):
        save(tmp_path, step)
    keep_last(tmp_path, 2)
    assert [path.name for path in checkpoint_paths(tmp_path)] == ["step-00000003", "step-00000010"]
    assert len(list(tmp_path.iterdir())) == 2


def test_saving_again_replaces(tmp_path: Path) -> None:
    path = save(tmp_path, 1)
    save_checkpoint(path, {"other": {"x": torch.ones(1)}}, {})
    assert load_checkpoint(path).tensors.keys() == {"other"}
    assert len(list(tmp_path.iterdir())) == 1


def test_what_is_no_checkpoint_is_never_replaced(tmp_path: Path) -> None:
    file, folder, extended = tmp_path / "file", tmp_path / "folder", save(tmp_path / "run", 1)
    file.write_text("thesis")
    folder.mkdir()
    (folder / "thesis.tex").write_text("thesis")
    (extended / "notes.txt").write_text("notes")
    for path, message in ((file, "not a checkpoint"), (folder, "not a checkpoint"), (extended, "holds 'notes.txt'")):
        with pytest.raises(InputError, match=message):
            save_checkpoint(path, {"model": MODEL}, {})
    assert file.read_text() == (folder / "thesis.tex").read_text() == "thesis"
    assert load_checkpoint(extended).meta["step"] == 1


def test_an_empty_folder_becomes_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "step-00000003").mkdir()
    assert load_checkpoint(save(tmp_path, 3)).meta["step"] == 3


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def _without(name: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(path.read_text().replace(f'"{name}":', '"other":'))


def _other_version(path: Path) -> None:
    path.write_text(path.read_text().replace('"version": 1', '"version": 2'))


def _meta_as_list(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "meta": []}))


@pytest.mark.parametrize(
    ("file", "spoil", "message"),
    [
        ("model.safetensors", lambda file: os.truncate(file, 50), "model.safetensors is truncated or damaged: remove"),
        ("model.safetensors", _flip, "model.safetensors is truncated or damaged"),
        ("model.safetensors", lambda file: file.unlink(), "model.safetensors is truncated or damaged"),
        ("checkpoint.json", lambda file: os.truncate(file, 50), "checkpoint.json is truncated or damaged"),
        ("checkpoint.json", lambda file: file.unlink(), "is not a checkpoint"),
        ("checkpoint.json", _other_version, "version 2"),
        ("checkpoint.json", _without("meta"), "checkpoint.json is truncated or damaged"),
        ("checkpoint.json", _without("files"), "checkpoint.json is truncated or damaged"),
        ("checkpoint.json", _meta_as_list, "checkpoint.json is truncated or damaged"),
        ("checkpoint.json", lambda file: file.write_text("[1]"), "checkpoint.json is truncated or damaged"),
    ],
)
def test_damaged_checkpoint(tmp_path: Path, file: str, spoil: Callable[[Path], None], message: str) -> None:
    path = save(tmp_path, 1)
    spoil(path / file)
    with pytest.raises(InputError, match=message) as caught:
        load_checkpoint(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "begin",
    [
        b"",  # zeros: a header of no length
        (1 << 40).to_bytes(8, "little"),
        (2).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (12).to_bytes(8, "little") + b'{"a": [1, 2]',
        (50).to_bytes(8, "little") + b'{"a": {"data_offsets": [0, 1099511627776]}}'.ljust(50),
    ],
)
def test_a_file_of_another_size_than_its_header_says_is_not_read(
    tmp_path: Path, begin: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = save(tmp_path, 1) / "model.safetensors"
    file.write_bytes(begin)
    os.truncate(file, 1 << 30)
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"all of {path} is read"))
    with pytest.raises(InputError, match=r"model\.safetensors is truncated or damaged"):
        load_checkpoint(file.parent)


def test_unwritable_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Cannot write"):
        save(tmp_path / "file", 1)


def _run(script: str) -> subprocess.Popen[str]:
    prelude = """
import time, torch
from pathlib import Path
from e2c_control.errors import InputError
from e2c_control.runs import atomic
from e2c_control.runs.checkpoint import checkpoint_path, save_checkpoint
def save(folder, step, size=10):
    tensors = {"model": {"x": torch.full((size,), float(step))}}
    save_checkpoint(checkpoint_path(Path(folder), step), tensors, {"step": step})
"""
    return subprocess.Popen([sys.executable, "-c", prelude + script], stdout=subprocess.PIPE, text=True)


def test_kill_in_the_middle_leaves_the_previous_one(tmp_path: Path) -> None:
    process = _run(f"""
save({str(tmp_path)!r}, 1)
def stuck(path):
    print("writing", flush=True)
    time.sleep(60)
atomic.sync = stuck
save({str(tmp_path)!r}, 2)
""")
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    assert len(list(tmp_path.iterdir())) == 2
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    newest = latest(tmp_path)
    assert newest is not None
    assert load_checkpoint(newest).meta["step"] == 1
    save(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000001", "step-00000002"]


def test_full_disk_leaves_the_previous_one(tmp_path: Path) -> None:
    """A file size limit makes the kernel refuse a write half way, as a full disk does."""
    process = _run(f"""
import resource, signal
save({str(tmp_path)!r}, 1)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
for step in (1, 2):
    try:
        save({str(tmp_path)!r}, step, 1_000_000)
    except InputError as error:
        print(error)
""")
    output, _ = process.communicate(timeout=60)
    assert output.count("No space left to write") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    assert load_checkpoint(tmp_path / "step-00000001").meta["step"] == 1
