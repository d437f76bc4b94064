"""Damaged folders: whatever stands in one, opening it is refused in a sentence or works, and touches nothing outside.

Each case copies a sound folder of `tests/old/`, damages one thing in it, and uses it as somebody would to whom it was
sent: opens, drives, resumes, reports. A case fails if that raises anything but an `InputError`, changes a file outside
the folder and what the command names, imports a module that nobody named, or takes more than 1 GB or 60 seconds.

    python -m experiments.campaigns.damage              every kind of damage in every folder
    python -m experiments.campaigns.damage --quick      a few cases, nothing is written
    python -m experiments.campaigns.damage --seed 20260131 --cases 60 --out FILE      a draw of them

What is in the file already is not done again: a killed campaign goes on where it was. What failed is tried again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from e2c_control.errors import InputError
from e2c_control.runs.atomic import replace_text
from e2c_control.runs.versions import package_versions, source_commit
from experiments._rows import Row, stored

ROOT = Path(__file__).resolve().parents[2]
OLD = ROOT / "tests" / "old"
RESULT = ROOT / "experiments" / "campaigns" / "results" / "damage.json"
MOST_BYTES, MOST_SECONDS = 1 << 30, 60
HANGS_SECONDS = 600
"""After which a case is taken to wait for ever. The limit itself is of the processor: a busy machine is no fault."""
DRAWS = 2
BATCH = 25
"""Cases of one process; a fault that ends it costs the case at which it ended."""
PLANAR = "E2C/Planar-v0"

# What is done with a folder. Modules are imported before processes are forked.


def command(*arguments: str) -> None:
    """`e2c` in this process; a refusal is raised again."""
    from e2c_control.cli import main

    told = StringIO()
    with redirect_stderr(told):
        code = main(list(arguments))
    if code == 2:
        raise InputError(told.getvalue())
    if code != 0:
        raise RuntimeError(f"exit code {code}: {told.getvalue()}")


def use_dataset() -> None:
    from e2c_control.data import Transitions

    Transitions.open("dataset").windows(2, 1)
    command("train", "--dataset", "dataset", "--runs", "dataset-runs", "--name", "r", "--steps-scale", "0.001")


def use_run() -> None:
    if os.environ["WAY"] == "drive":
        command("plan", "--run", "run", "--steps", "3")
    elif os.environ["WAY"] == "score":
        command("evaluate", "--run", "run", "--problems", "1", "--horizon", "2")
    else:
        command("train", "--resume", "run", "--dataset", "whole-dataset")


def use_checkpoint() -> None:
    from e2c_control.runs.checkpoint import load_checkpoint

    load_checkpoint(Path("checkpoint"))


def use_embedded(kind: str) -> Callable[[], None]:
    def use() -> None:
        import numpy as np

        from e2c_control.agents import E2CAgent
        from e2c_control.agents.curiosity import PlannedCuriosity

        made: Any = {"E2CAgent": E2CAgent, "PlannedCuriosity": PlannedCuriosity}[kind]
        agent = made.load(kind, env=PLANAR if os.environ["WAY"] == "resume" else None)
        agent.predict(np.zeros(agent.embedding.observation_shape, np.uint8))
        if os.environ["WAY"] == "resume":
            agent.learn(24, reset_num_timesteps=False)

    return use


def use_free_energy(name: str, env: str, n_envs: int) -> Callable[[], None]:
    def use() -> None:
        from stable_baselines3.common.env_util import make_vec_env

        from e2c_control.agents import FreeEnergyAgent

        if os.environ["WAY"] == "drive":
            agent = FreeEnergyAgent.load(name, device="cpu")
            agent.predict(agent.reward.observation_space.sample()[None])
        else:
            agent = FreeEnergyAgent.load(name, env=make_vec_env(env, n_envs), device="cpu")
            agent.learn(32, reset_num_timesteps=False)

    return use


def use_gradient(name: str, env: str) -> Callable[[], None]:
    def use() -> None:
        import gymnasium

        from e2c_control.agents import LAX, RELAX, A2CBaseline

        made: Any = {"LAX": LAX, "RELAX": RELAX, "A2CBaseline": A2CBaseline}[name]
        if os.environ["WAY"] == "drive":
            model = made.load(name, device="cpu")
            model.predict(model.observation_space.sample())
        else:
            made.load(name, env=gymnasium.make(env), device="cpu").learn(16, reset_num_timesteps=False)

    return use


def use_reward() -> None:
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env

    from e2c_control.agents import NoveltyCallback, NoveltyReward

    reward = NoveltyReward.load("NoveltyReward", make_vec_env("MountainCar-v0", 2), device="cpu")
    if os.environ["WAY"] == "resume":
        PPO("MlpPolicy", reward, n_steps=16, batch_size=8, n_epochs=1, device="cpu").learn(32, NoveltyCallback())


def use_unfinished() -> None:
    from e2c_control.data import collect, make_vector_env

    Path("unfinished").rename(".unfinished-grown.unfinished")
    collect(make_vector_env(PLANAR, 4, frame_stack=1), "unfinished-grown", 90, 5, seed=3, resume=True)


def use_novelty() -> None:
    command("novelty", "--resume", "novelty-run", "--cycles", "3")


def use_benchmark() -> None:
    from e2c_control.benchmark.report import write_report
    from e2c_control.benchmark.store import read_cells

    write_report(Path("benchmark"), read_cells(Path("benchmark/cells")))


def use_exploration() -> None:
    command("explore", "--resume", "exploration", "--out", "exploration-out")


FOLDERS: Mapping[str, Callable[[], None]] = {
    "dataset": use_dataset,
    "run": use_run,
    "checkpoint": use_checkpoint,
    "E2CAgent": use_embedded("E2CAgent"),
    "PlannedCuriosity": use_embedded("PlannedCuriosity"),
    "FreeEnergyAgent-ppo": use_free_energy("FreeEnergyAgent-ppo", "MountainCar-v0", 2),
    "FreeEnergyAgent-sac": use_free_energy("FreeEnergyAgent-sac", "Pendulum-v1", 1),
    "FreeEnergyAgent-relax": use_free_energy("FreeEnergyAgent-relax", "MountainCar-v0", 2),
    "FreeEnergyAgent-lax": use_free_energy("FreeEnergyAgent-lax", "Pendulum-v1", 2),
    "RELAX": use_gradient("RELAX", "CartPole-v1"),
    "LAX": use_gradient("LAX", "Pendulum-v1"),
    "A2CBaseline": use_gradient("A2CBaseline", "CartPole-v1"),
    "NoveltyReward": use_reward,
    "unfinished": use_unfinished,
    "novelty-run": use_novelty,
    "benchmark": use_benchmark,
    "exploration": use_exploration,
}

# Damage. Each kind gets a folder, a generator, and a place outside; it changes one thing, or says that it cannot.

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
            found = [place for place in places(document) if fits(at(document, place))]
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


DAMAGES: Mapping[str, Damage] = {
    "file cut short": in_a_file(lambda content, rng: content[: rng.randrange(len(content) or 1)]),
    "file empty": in_a_file(lambda content, rng: b""),
    "bit flipped": in_a_file(flipped),
    "bytes appended": in_a_file(lambda content, rng: content + rng.randbytes(50)),
    "file of random bytes": in_a_file(lambda content, rng: rng.randbytes(len(content))),
    "text in another encoding": in_a_file(lambda content, rng: content[:20] + b"\xff\xfe\xe4" + content[20:], ".json"),
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

# Cases.


def cases(seed: int, draws: int) -> list[Row]:
    """What each case is known by, in the order of running; a folder that cannot be damaged so is left out there."""
    return [
        {"seed": seed, "folder": folder, "damage": damage, "draw": draw}
        for draw in range(draws)
        for folder in FOLDERS
        for damage in DAMAGES
    ]


def rng_of(case: Row) -> random.Random:
    return random.Random("/".join(str(case[name]) for name in ("seed", "folder", "damage", "draw")))


def run_case(case: Row, scratch: Path) -> Row:
    """Damage a copy, use it, and say what came of it."""
    rng, place = rng_of(case), scratch / "case"
    shutil.rmtree(place, ignore_errors=True)
    work, outside = place / "work", place / "outside"
    shutil.copytree(OLD / case["folder"], work / case["folder"])
    if case["folder"] == "run":
        shutil.copytree(OLD / "dataset", work / "whole-dataset")
    shutil.copytree(OLD / "dataset", outside / "victim")
    (outside / "secret.txt").write_text("secret")
    (work / "somebodys_module.py").write_text(f"open({str(outside / 'imported')!r}, 'w').close()\n")
    if not DAMAGES[case["damage"]](work / case["folder"], rng, outside):
        return {**case, "outcome": "not applicable"}
    os.environ["WAY"] = rng.choice(["drive", "resume", "score"] if case["folder"] == "run" else ["drive", "resume"])
    os.chdir(work)
    sys.path.insert(0, str(work))  # a module that a folder names could be imported, so that it is noticed
    before, heap = content(place, case["folder"]), memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    begun, refused, fault = time.process_time(), "", ""
    signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
    signal.alarm(HANGS_SECONDS)
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            FOLDERS[case["folder"]]()
    except InputError as error:
        refused = str(error).strip()
    except Late:
        fault = f"more than {MOST_SECONDS} s"
    except BaseException:
        fault = traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        sys.path.remove(str(work))
        sys.modules.pop("somebodys_module", None)
    taken = memory("VmHWM") - heap
    if not fault and content(place, case["folder"]) != before:
        fault = "changed outside"
    if not fault and taken > MOST_BYTES:
        fault = f"took {taken:,} bytes"
    if not fault and refused.count("\n"):
        fault = f"more than one sentence: {refused}"
    done: Row = {**case, "outcome": "failed" if fault else "refused" if refused else "works"}
    done |= {"seconds": round(time.process_time() - begun, 2), "megabytes": max(taken, 0) >> 20}
    return {**done, "fault": fault.replace(str(scratch), "")} if fault else done


def content(place: Path, folder: str) -> dict[str, str]:
    """Checksums of everything but the folder, and what its use makes beside it."""
    told: dict[str, str] = {}
    for parent, folders, files in os.walk(place):
        at_top = Path(parent) == place / "work"
        folders[:] = [name for name in folders if not (at_top and name.lstrip(".").startswith((folder, "__pycache__")))]
        for name in files:
            path = Path(parent) / name
            if not path.is_symlink() and not path.is_fifo():
                told[str(path.relative_to(place))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return told


def memory(name: str) -> int:
    """Of this process, in bytes, as the kernel counts it."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) << 10


class Late(BaseException):
    """A case has taken too long."""


def late(*_: object) -> None:
    raise Late


def in_a_process(batch: Sequence[Row], scratch: Path) -> Iterator[Row]:
    """Rows of the cases, run by one forked process; it ends early with the case that ends it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        signal.signal(signal.SIGALRM, late)
        signal.signal(signal.SIGPROF, late)
        limit = memory("VmSize") + 8 * MOST_BYTES  # far above what a case may take: the machine stays usable
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        with os.fdopen(writer, "w") as rows:
            for case in batch:
                rows.write(json.dumps(run_case(case, scratch)) + "\n")
                rows.flush()
        os._exit(0)
    os.close(writer)
    done = 0
    try:
        with os.fdopen(reader) as rows:
            for line in rows:
                yield json.loads(line)
                done += 1
    finally:
        if done < len(batch):
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    if done < len(batch):
        yield {**batch[done], "outcome": "failed", "fault": f"the process died, status {status}"}


def warm_up() -> None:
    """Import and compile what every process would."""
    import gymnasium
    from stable_baselines3.common.env_util import make_vec_env

    import e2c_control.agents.curiosity
    import e2c_control.agents.exploration
    import e2c_control.agents.free_energy
    import e2c_control.agents.policy_gradient
    import e2c_control.benchmark.report
    import e2c_control.cli.explore
    import e2c_control.cli.novelty
    import e2c_control.cli.plan
    import e2c_control.evaluation.trained
    import e2c_control.training.watch  # noqa: F401

    make_vec_env("MountainCar-v0", 1).close()
    gymnasium.make("Pendulum-v1").close()


def result(rows: list[Row], seed: int) -> dict[str, Any]:
    """What the file holds."""
    counts = {name: Counter(row["outcome"] for row in rows if row["damage"] == name) for name in DAMAGES}
    folders = {name: Counter(row["outcome"] for row in rows if row["folder"] == name) for name in FOLDERS}
    tried = [row for row in rows if row["outcome"] != "not applicable"]
    return {
        "seed": seed,
        "commit": source_commit(),
        "versions": package_versions(),
        "machine": platform.machine(),
        "cases": len(tried),
        "outcomes": Counter(row["outcome"] for row in tried),
        "most_seconds": max((row.get("seconds", 0) for row in tried), default=0),
        "most_megabytes": max((row.get("megabytes", 0) for row in tried), default=0),
        "by_damage": {name: dict(count) for name, count in counts.items()},
        "by_folder": {name: dict(count) for name, count in folders.items()},
        "rows": rows,
    }


def run(wanted: list[Row], seed: int, out: Path | None) -> list[Row]:
    """Run the cases that the file has not yet, or that failed; every row is kept as soon as it is there."""
    rows = [row for row in stored(out) if row["outcome"] != "failed"] if out else []
    known = {json.dumps([row[name] for name in ("seed", "folder", "damage", "draw")]) for row in rows}
    waiting = [case for case in wanted if json.dumps(list(case.values())) not in known]
    with tempfile.TemporaryDirectory(prefix="e2c-campaign-") as scratch:
        while waiting:
            for row in in_a_process(waiting[:BATCH], Path(scratch)):
                rows.append(row)
                waiting = waiting[1:]
                if row["outcome"] == "failed":
                    print(f"{row['folder']}, {row['damage']}, draw {row['draw']}: {row['fault']}", flush=True)
            if out:
                replace_text(out, json.dumps(result(rows, seed), indent=1) + "\n")
    return rows


def main() -> None:
    """Run the campaign, or a part of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few cases, nothing is written")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, help="so many of them, drawn by the seed")
    parser.add_argument("--folder", choices=FOLDERS, help="this folder alone")
    parser.add_argument("--damage", choices=DAMAGES, help="this kind alone")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    wanted = [
        case
        for case in cases(given.seed, DRAWS)
        if given.folder in (None, case["folder"]) and given.damage in (None, case["damage"])
    ]
    count = 4 if given.quick else given.cases
    if count is not None:
        wanted = random.Random(given.seed).sample(wanted, min(count, len(wanted)))
    with tempfile.TemporaryDirectory() as state:
        os.environ["XDG_STATE_HOME"] = os.environ["SB3_LOGDIR"] = state
        warm_up()
        rows = run(wanted, given.seed, None if given.quick else given.out.resolve())
    outcomes = Counter(row["outcome"] for row in rows)
    print(f"seed {given.seed}: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())))
    if outcomes["failed"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
