"""How long from an empty folder to a controller that drives, and to the first drive in an environment of one's own?

By the README's own commands and its own code, which are read from it: the shell's lines up to the first that drives,
and then the first Python block that makes an image environment. The one difference to what a newcomer does: what is
cloned is this checkout, as committed. Wall-clock seconds; those of the installation depend on how fast packages come.

    python -m experiments.control.stopwatch          # about four minutes on two cores, writes results/stopwatch.json
    python -m experiments.control.stopwatch --quick  # only says what would be done, writes nothing
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2c_control.tables import table
from experiments.runner import measure_whole

ROOT = Path(__file__).resolve().parents[2]
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELLS = ("bash", "sh", "console", "shell")
DRIVES = re.compile(r"(make run|e2c (quickstart|plan|evaluate))\b")
OWN = "make_image_env("
NOT_ITS_OWN = ("PYTHONPATH", "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "OMP_NUM_THREADS")
"""Variables of the shell that starts this, which a newcomer's does not have."""


@dataclass(frozen=True)
class Way:
    """What the README tells a newcomer.

    Attributes:
        commands: lines of a shell, in an empty folder, up to the first that drives.
        own: Python that drives in an environment of one's own.
    """

    commands: tuple[str, ...]
    own: str

    @classmethod
    def read(cls, readme: str) -> Way:
        """Read it from the text of the README; `SystemExit` where that shows no such way."""
        blocks = FENCED.findall(readme)
        lines = [
            line.strip().removeprefix("$ ") for kind, text in blocks if kind in SHELLS for line in text.splitlines()
        ]
        lines = [line for line in lines if line and not line.startswith("#")]
        last = next((i for i, line in enumerate(lines) if DRIVES.match(line)), None)
        own = next((text for kind, text in blocks if kind == "python" and OWN in text), None)
        if last is None or own is None:
            raise SystemExit(f"README.md shows no command that drives, or no Python with {OWN}...): see {__file__}.")
        return cls(_of_this_checkout(lines[: last + 1]), own)


def _of_this_checkout(lines: list[str]) -> tuple[str, ...]:
    """Return the commands with this checkout in place of what is cloned; cloned first, where the README does not."""
    if not any(line.startswith("git clone") for line in lines):
        return (f"git clone -q {shlex.quote(str(ROOT))} e2c-control", "cd e2c-control", *lines)
    cloned: list[str] = []
    for line in lines:
        first, *others = re.split(r"(?= && )", line)
        if first.startswith("git clone"):
            # The last word is the folder, or the address, whose last part is the folder then.
            folder = shlex.split(first, comments=True)[-1].rstrip("/").rpartition("/")[2].removesuffix(".git")
            first = f"git clone -q {shlex.quote(str(ROOT))} {shlex.quote(folder)}"
        cloned.append(first + "".join(others))
    return tuple(cloned)


def timed(way: Way) -> list[dict[str, Any]]:
    """Run all of it in one shell in an empty folder; returns each command with its seconds.

    Raises:
        SystemExit: a command failed, which is what this is for, too.
    """
    own = "<the README's Python>"
    script = ["set -e"]
    for command in way.commands:
        script += [command, "date +'@@ %s.%N'"]
    script += ["[ ! -d .venv ] || . .venv/bin/activate", 'python "$OWN_ENVIRONMENT"', "date +'@@ %s.%N'"]
    with tempfile.TemporaryDirectory() as folder:
        empty, code = Path(folder) / "empty", Path(folder) / "own.py"
        empty.mkdir()
        code.write_text(way.own, encoding="utf-8")
        left = {name: value for name, value in os.environ.items() if name not in NOT_ITS_OWN}
        here = str(Path(sys.prefix) / "bin")
        left["PATH"] = os.pathsep.join(part for part in left["PATH"].split(os.pathsep) if Path(part) != Path(here))
        environment = {**left, "OWN_ENVIRONMENT": str(code), "SDL_VIDEODRIVER": "dummy"}
        begun = time.time()
        shell = ["bash", "-c", "\n".join(script)]
        done = subprocess.run(shell, cwd=empty, env=environment, text=True, stdout=subprocess.PIPE, check=False)
    print(done.stdout)
    if done.returncode:
        raise SystemExit(f"The README's way ends with exit code {done.returncode}: see above.")
    moments = [begun, *map(float, re.findall(r"^@@ ([\d.]+)$", done.stdout, re.MULTILINE))]
    seconds = [round(end - start, 1) for start, end in itertools.pairwise(moments)]
    commands = [*(command.replace(str(ROOT), "ROOT") for command in way.commands), own]
    return [{"command": command, "seconds": took} for command, took in zip(commands, seconds, strict=True)]


def measure(quick: bool) -> dict[str, Any]:
    """Follow the README, or only say what that would be."""
    way = Way.read((ROOT / "README.md").read_text(encoding="utf-8"))
    if quick:
        print("\n".join([*way.commands, "", way.own]))
        return {"rows": []}
    rows = timed(way)
    *control, own = (row["seconds"] for row in rows)
    return {
        "seconds_to_a_driving_controller": round(sum(control), 1),
        "seconds_to_a_drive_in_an_own_environment": own,
        "rows": rows,
    }


def report(result: dict[str, Any]) -> None:
    """Print the seconds of each command."""
    if result["rows"]:
        print(table([("command", "seconds"), *((row["command"], f"{row['seconds']:.1f}") for row in result["rows"])]))


if __name__ == "__main__":
    measure_whole(__file__, measure, report)
