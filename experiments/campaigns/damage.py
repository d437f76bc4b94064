"""Damaged folders: whatever stands in one, opening it is refused in a sentence or works, and touches nothing outside.

Each case copies a sound folder of `tests/old/`, damages one thing in it, and uses it as somebody would to whom it was
sent: opens, drives, resumes, reports. A case fails if that raises anything but an `InputError`, changes a file outside
the folder and what the command names, imports a module that nobody named, or takes more than 1 GB or 60 seconds.

    python -m experiments.campaigns.damage                    # every kind of damage in every folder
    python -m experiments.campaigns.damage --quick            # a few cases, nothing is written
    python -m experiments.campaigns.damage --sample 20260131  # sixty cases by this seed, nothing is written

What is in the file already is not done again: a killed campaign goes on where it was. What failed is tried again.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path

from e2c_control import InputError
from e2c_control.runs.atomic import erase
from experiments.campaigns._damages import DAMAGES
from experiments.campaigns._uses import FOLDERS, OF_CONFIGS
from experiments.runner import Experiment, Row

OLD = Path(__file__).resolve().parents[2] / "tests" / "old"
MOST_BYTES, MOST_SECONDS = 1 << 30, 60
HANGS_SECONDS = 600
"""After which a case is taken to wait for ever. The limit itself is of the processor: a busy machine is no fault."""
DRAWS, SAMPLE = 2, 60


def rng_of(case: Row) -> random.Random:
    return random.Random("/".join(str(case[name]) for name in ("seed", "folder", "damage", "draw")))


def run_case(case: Row, scratch: Path) -> Row:
    """Damage a copy, use it, and say what came of it."""
    rng, place = rng_of(case), scratch / "case"
    shutil.rmtree(place, ignore_errors=True)
    work, outside = place / "work", place / "outside"
    shutil.copytree(OLD / OF_CONFIGS.get(case["folder"], case["folder"]), work / case["folder"])
    if case["folder"] in OF_CONFIGS:
        for entry in (work / case["folder"]).iterdir():
            if entry.name != "config.json":
                erase(entry)
    if case["folder"] in ("run", "config"):
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


class Late(KeyboardInterrupt):  # which no sentence about somebody's code stands in for
    """A case has taken too long."""


def late(*_: object) -> None:
    raise Late


def measure(seed: int, draw: int, folder: str, damage: str) -> Row:
    """Run a case in a forked process: a fault that ends it costs this case alone."""
    case = {"seed": seed, "folder": folder, "damage": damage, "draw": draw}
    scratch = prepared()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        signal.signal(signal.SIGALRM, late)
        signal.signal(signal.SIGPROF, late)
        limit = memory("VmSize") + 8 * MOST_BYTES  # far above what a case may take: the machine stays usable
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        with os.fdopen(writer, "w") as told:
            told.write(json.dumps(run_case(case, scratch)))
        os._exit(0)
    os.close(writer)
    try:
        with os.fdopen(reader) as told:
            text = told.read()
    except KeyboardInterrupt:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        _, status = os.waitpid(child, 0)
    return {**case, "outcome": "failed", "fault": f"the process died, status {status}"} if status else json.loads(text)


@cache
def prepared() -> Path:
    """Import and compile what every process would, in a state of its own; returns the folder of the cases."""
    scratch = tempfile.TemporaryDirectory(prefix="e2c-campaign-")
    atexit.register(scratch.cleanup)
    os.environ["XDG_STATE_HOME"] = os.environ["SB3_LOGDIR"] = f"{scratch.name}/state"
    warm_up()
    return Path(scratch.name)


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


def counts(rows: Sequence[Row]) -> Row:
    """Count outcomes, of all and by kind."""
    tried = [row for row in rows if row["outcome"] != "not applicable"]
    return {
        "cases": len(tried),
        "outcomes": Counter(row["outcome"] for row in tried),
        "most_seconds": max((row.get("seconds", 0) for row in tried), default=0),
        "most_megabytes": max((row.get("megabytes", 0) for row in tried), default=0),
        "by_damage": {name: Counter(row["outcome"] for row in rows if row["damage"] == name) for name in DAMAGES},
        "by_folder": {name: Counter(row["outcome"] for row in rows if row["folder"] == name) for name in FOLDERS},
    }


def told(row: Row) -> str:
    return f"{row['folder']}, {row['damage']}, draw {row['draw']}: {row['outcome']} {row.get('fault', '')}".rstrip()


def sample(seed: int, count: int = SAMPLE) -> list[Row]:
    """Draw so many of all cases."""
    kinds = [(draw, folder, damage) for draw in range(DRAWS) for folder in FOLDERS for damage in DAMAGES]
    drawn = random.Random(seed).sample(kinds, count)
    return [{"seed": seed, "draw": draw, "folder": folder, "damage": damage} for draw, folder, damage in drawn]


EXPERIMENT = Experiment(
    __file__,
    {"seed": [0], "draw": range(DRAWS), "folder": list(FOLDERS), "damage": list(DAMAGES)},
    measure,
    told,
    sample(0, 4),
    about=counts,
    report=lambda rows: print(dict(counts(rows)["outcomes"])),
    failed=lambda row: row["outcome"] == "failed",
    sample=sample,
)

if __name__ == "__main__":
    EXPERIMENT.main()
