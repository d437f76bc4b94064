"""Kinds of damage: each gets a folder, a generator and a place outside, changes one thing, or says that it cannot."""

from __future__ import annotations

import json
import os
import random
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

Damage = Callable[[Path, random.Random, Path], bool]


def files_of(folder: Path, *endings: str) -> list[Path]:
    """Plain files below a folder, those with such endings if any are given."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in found if not endings or path.name.endswith(endings)]


def in_a_file(change: Callable[[bytes, random.Random], bytes], *endings: str) -> Damage:
    """Damage to the bytes of one file."""

    def damage(folder: Path, rng: random.Random, outside: Path) -> bool:
        files = files_of(folder, *endings)
        if not files:
            return False
        path = rng.choice(files)
        path.write_bytes(change(path.read_bytes(), rng))
        return True

    return damage


def instead_of_a_file(make: Callable[[Path, Path], None], *endings: str) -> Damage:
    """Something else under the name of a file."""

    def damage(folder: Path, rng: random.Random, outside: Path) -> bool:
        files = files_of(folder, *endings)
        if not files:
            return False
        path = rng.choice(files)
        path.unlink()
        make(path, outside)
        return True

    return damage


def flipped(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(max(len(content), 1))
    return content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :] if content else b"\0"


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Of every value in a JSON document, from its root."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value[:20]):
            yield from places(item, (*path, i))


def in_a_document(
    change: Callable[[Any, random.Random, Path], Any], fits: Callable[[Any], bool] = lambda value: True
) -> Damage:
    """Another value at a random place of one JSON document; `REMOVED` takes it away."""

    def damage(folder: Path, rng: random.Random, outside: Path) -> bool:
        for path in sorted(files_of(folder, ".json"), key=lambda _: rng.random()):
            document = json.loads(path.read_text())
            # A recipe of more steps is no damage: learning by it takes as long as it says.
            found = [place for place in places(document) if fits(at(document, place)) and place[-1:] != ("steps",)]
            # The upper levels say what a document is, and the many numbers of an optimiser are all alike.
            found = [place for place in found if "optimizers" not in place or rng.random() < 0.1]
            if not found:
                continue
            place = rng.choice(found)
            inner, value = at(document, place[:-1]), change(at(document, place), rng, outside)
            if value is REMOVED:
                del inner[place[-1]]
            else:
                inner[place[-1]] = value
            path.write_text(json.dumps(document))
            return True
        return False

    return damage


REMOVED = object()


def at(document: Any, place: Sequence[Any]) -> Any:
    for key in place:
        document = document[key]
    return document


def a_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def a_text(value: Any) -> bool:
    return isinstance(value, str)


def nested(value: Any, rng: random.Random, outside: Path) -> Any:
    for _ in range(400):
        value = [value]
    return value


def renamed_key(folder: Path, rng: random.Random, outside: Path) -> bool:
    """A key that leads out of the folder, where one names a file, a group or an attribute."""
    for path in sorted(files_of(folder, ".json"), key=lambda _: rng.random()):
        document = json.loads(path.read_text())
        mappings = [place for place in ((), *places(document)) if isinstance(at(document, place), dict)]
        mapping = at(document, rng.choice(mappings))
        if mapping:
            key = rng.choice(list(mapping))
            mapping[rng.choice(["/dev/zero", "../secret.txt", str(outside / "secret.txt"), "policy", ""])] = (
                mapping.pop(key)
            )
            path.write_text(json.dumps(document))
            return True
    return False


def in_the_tensors(change: Callable[[dict[str, Any], random.Random], None]) -> Damage:
    """Other tensors in one file of a checkpoint, with the checksum to match: somebody meant it."""

    def damage(folder: Path, rng: random.Random, outside: Path) -> bool:
        from safetensors.torch import load, save

        files = [path for path in files_of(folder, ".safetensors") if load(path.read_bytes())]
        if not files:
            return False
        path = rng.choice(files)
        tensors = load(path.read_bytes())
        change(tensors, rng)
        put(path, save({name: tensor.contiguous() for name, tensor in tensors.items()}))
        return True

    return damage


def put(path: Path, content: bytes) -> None:
    """Into a checkpoint, with its checksum."""
    path.write_bytes(content)
    meta = path.with_name("checkpoint.json")
    document = json.loads(meta.read_text())
    document["files"][path.name] = zlib.crc32(content)
    meta.write_text(json.dumps(document))


def other_shape(tensors: dict[str, Any], rng: random.Random) -> None:
    name = rng.choice(sorted(tensors))
    tensors[name] = tensors[name].reshape(-1).repeat(2)[: tensors[name].numel() + 1]


def other_dtype(tensors: dict[str, Any], rng: random.Random) -> None:
    import torch

    name = rng.choice(sorted(tensors))
    tensors[name] = tensors[name].to(rng.choice([torch.float64, torch.int8, torch.bool, torch.float16]))


def not_finite(tensors: dict[str, Any], rng: random.Random) -> None:
    name = rng.choice(sorted(tensors))
    if tensors[name].is_floating_point():
        tensors[name] = tensors[name] * float("nan")


def extreme(tensors: dict[str, Any], rng: random.Random) -> None:
    import torch

    name = rng.choice(sorted(tensors))
    kind = tensors[name].dtype
    most = 1 if kind == torch.bool else (torch.finfo if kind.is_floating_point else torch.iinfo)(kind).max
    tensors[name] = torch.full_like(tensors[name], most)


def a_tensor_less(tensors: dict[str, Any], rng: random.Random) -> None:
    del tensors[rng.choice(sorted(tensors))]


def a_tensor_more(tensors: dict[str, Any], rng: random.Random) -> None:
    import torch

    tensors["more"] = torch.zeros(3)


def boasting_tensors(folder: Path, rng: random.Random, outside: Path) -> bool:
    """A header that names tensors of terabytes."""
    files = files_of(folder, ".safetensors")
    if not files:
        return False
    header = json.dumps({"w": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}).encode()
    put(rng.choice(files), len(header).to_bytes(8, "little") + header + b"\0" * 64)
    return True


def array_header(shape: str, kind: str = "|u1") -> Callable[[bytes, random.Random], bytes]:
    """A .npy file whose header says something else."""

    def change(content: bytes, rng: random.Random) -> bytes:
        header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
        return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content[128:]

    return change


def array_values(fill: float) -> Damage:
    def damage(folder: Path, rng: random.Random, outside: Path) -> bool:
        import numpy as np

        files = files_of(folder, ".npy")
        if not files:
            return False
        path = rng.choice(files)
        array = np.load(path)
        with np.errstate(invalid="ignore"):
            array[:] = np.asarray(fill).astype(array.dtype)
        np.save(path, array)
        return True

    return damage


def linked_folder(folder: Path, rng: random.Random, outside: Path) -> bool:
    """A folder inside is a link to one outside that holds the same, or a new one has a name that is written to."""
    inner = [path for path in sorted(folder.rglob("*")) if path.is_dir()]
    if inner:
        path = rng.choice(inner)
        shutil.copytree(path, outside / "linked")
        shutil.rmtree(path)
    else:
        path = folder / rng.choice(["plots", "videos", "checkpoints"])
        (outside / "linked").mkdir()
    path.symlink_to(outside / "linked")
    return True


def planted_link(folder: Path, rng: random.Random, outside: Path) -> bool:
    """A link under a name that will be written."""
    names = ["metrics.jsonl", ".lock", "report.html", "table.md", "plots", "videos", "checkpoints", "config.json"]
    path = folder / rng.choice(names)
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.symlink_to(outside / ("victim" if path.suffix == "" and path.name != ".lock" else "secret.txt"))
    return True


def exchanged(folder: Path, rng: random.Random, outside: Path) -> bool:
    """Two files of the same kind have changed places."""
    files = files_of(folder)
    pairs = [(one, other) for one in files for other in files if one < other and one.suffix == other.suffix]
    if not pairs:
        return False
    one, other = rng.choice(pairs)
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    return True


def picture_bomb(folder: Path, rng: random.Random, outside: Path) -> bool:
    files = files_of(folder, ".png")
    if not files:
        return False
    chunk = b"IHDR" + (60_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    ends = zlib.crc32(chunk).to_bytes(4, "big")
    rng.choice(files).write_bytes(b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + chunk + ends)
    return True


def key_twice(folder: Path, rng: random.Random, outside: Path) -> bool:
    """An object in which a key stands twice, with two values: who reads the first and who the last do not agree."""
    files = files_of(folder, ".json")
    if not files:
        return False
    path = rng.choice(files)
    text = path.read_text()
    begins = [at for at, letter in enumerate(text) if letter == "{" and text[at + 1 :].strip()[:1] == '"']
    if not begins:
        return False
    at = rng.choice(begins) + 1
    key = text[at:].strip().split('"')[1]
    path.write_text(f"{text[:at]}{json.dumps(key)}: null, {text[at:]}")
    return True


def gigabyte(path: Path, outside: Path) -> None:
    """A file that takes no place on the disk, and all of it in memory."""
    with path.open("wb") as file:
        file.truncate(1 << 30)


UGLY = "\x1b[2J\x1b[31m\x07\n\t\0\u202e\ud800"
"""What a terminal would act on, and what no encoding can write."""

DAMAGES: Mapping[str, Damage] = {
    "file cut short": in_a_file(lambda content, rng: content[: rng.randrange(len(content) or 1)]),
    "file empty": in_a_file(lambda content, rng: b""),
    "bit flipped": in_a_file(flipped),
    "bytes appended": in_a_file(lambda content, rng: content + rng.randbytes(50)),
    "file of random bytes": in_a_file(lambda content, rng: rng.randbytes(len(content))),
    "text in another encoding": in_a_file(lambda content, rng: content[:20] + b"\xff\xfe\xe4" + content[20:], ".json"),
    "file of a gigabyte": instead_of_a_file(gigabyte),
    "file missing": instead_of_a_file(lambda path, outside: None),
    "folder for a file": instead_of_a_file(lambda path, outside: path.mkdir()),
    "link for a file": instead_of_a_file(lambda path, outside: path.symlink_to(outside / "secret.txt")),
    "broken link for a file": instead_of_a_file(lambda path, outside: path.symlink_to(outside / "nothing")),
    "link to a device": instead_of_a_file(lambda path, outside: path.symlink_to("/dev/zero")),
    "pipe for a file": instead_of_a_file(lambda path, outside: os.mkfifo(path)),
    "link for a folder": linked_folder,
    "link planted": planted_link,
    "files exchanged": exchanged,
    "field missing": in_a_document(lambda value, rng, outside: REMOVED),
    "field null": in_a_document(lambda value, rng, outside: None),
    "field a text": in_a_document(lambda value, rng, outside: "x", lambda value: not isinstance(value, str)),
    "field a number": in_a_document(lambda value, rng, outside: 7, lambda value: not a_number(value)),
    "field a list": in_a_document(lambda value, rng, outside: []),
    "field a mapping": in_a_document(lambda value, rng, outside: {"a": 1}),
    "field nested": in_a_document(nested),
    "size of 2^31 - 1": in_a_document(lambda value, rng, outside: 2**31 - 1, a_number),
    "size of 100,000": in_a_document(lambda value, rng, outside: 100_000, a_number),
    "number of 400 digits": in_a_document(lambda value, rng, outside: 10**400, a_number),
    "number 1e10": in_a_document(lambda value, rng, outside: 1e10, a_number),
    "number negative": in_a_document(lambda value, rng, outside: -3, a_number),
    "number zero": in_a_document(lambda value, rng, outside: 0, a_number),
    "number not finite": in_a_document(lambda value, rng, outside: rng.choice([float("nan"), float("inf")]), a_number),
    "path out of the folder": in_a_document(lambda value, rng, outside: str(outside / "victim"), a_text),
    "path upwards": in_a_document(lambda value, rng, outside: "../outside/secret.txt", a_text),
    "module of somebody else": in_a_document(lambda value, rng, outside: f"somebodys_module:{value}", a_text),
    "name of something else": in_a_document(lambda value, rng, outside: "torch.nn.nope.Tanh", a_text),
    "control characters": in_a_document(lambda value, rng, outside: UGLY + value, a_text),
    "key twice": key_twice,
    "key of something else": renamed_key,
    "tensor of another shape": in_the_tensors(other_shape),
    "tensor of another type": in_the_tensors(other_dtype),
    "tensor not finite": in_the_tensors(not_finite),
    "tensor extreme": in_the_tensors(extreme),
    "tensor missing": in_the_tensors(a_tensor_less),
    "tensor too many": in_the_tensors(a_tensor_more),
    "tensors of terabytes": boasting_tensors,
    "array of 10^19 rows": in_a_file(array_header("(10**19, 40, 40, 1)".replace("10**19", "1" + "0" * 19)), ".npy"),
    "array of objects": in_a_file(array_header("(78, 2)", "|O"), ".npy"),
    "array of nothing": in_a_file(array_header("(0, 2)", "<f4"), ".npy"),
    "array not finite": array_values(float("nan")),
    "array extreme": array_values(3e38),
    "picture of 60,000 x 60,000": picture_bomb,
}
