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
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from e2c_control import InputError
from e2c_control.runs.atomic import erase
from experiments import runner
from experiments.campaigns._damages import DAMAGES
from experiments.campaigns._uses import FOLDERS, OF_CONFIGS
from experiments.runner import Row, result_file, stamp, stored

OLD = Path(__file__).resolve().parents[2] / "tests" / "old"
MOST_BYTES, MOST_SECONDS = 1 << 30, 60
HANGS_SECONDS = 600
"""After which a case is taken to wait for ever. The limit itself is of the processor: a busy machine is no fault."""
DRAWS = 2
BATCH = 25
"""Cases of one process; a fault that ends it costs the case at which it ended."""


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
    made = stamp()
    with tempfile.TemporaryDirectory(prefix="e2c-campaign-") as scratch:
        while waiting:
            for row in in_a_process(waiting[:BATCH], Path(scratch)):
                rows.append(row | made)
                waiting = waiting[1:]
                if row["outcome"] == "failed":
                    print(f"{row['folder']}, {row['damage']}, draw {row['draw']}: {row['fault']}", flush=True)
            if out:
                runner.write(out, runner.content(out) | result(rows, seed))
    return rows


def main() -> None:
    """Run the campaign, or a part of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few cases, nothing is written")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, help="so many of them, drawn by the seed")
    parser.add_argument("--folder", choices=FOLDERS, help="this folder alone")
    parser.add_argument("--damage", choices=DAMAGES, help="this kind alone")
    parser.add_argument("--out", type=Path, default=result_file(__file__))
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
