"""One way to run an experiment: a command line, rows that are kept as they come, and a stamp of what made each.

A script declares what it measures at its end, and runs it there:

    EXPERIMENT = Experiment(__file__, {"seed": range(5), "way": WAYS}, measure, "{way}, seed {seed}", quick)

    if __name__ == "__main__":
        EXPERIMENT.main()

`--seeds`, `--ways`, `--out` and `--quick` follow from that, and the script's `Options` say what else it takes.
"""

from __future__ import annotations

import itertools
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from e2c_control.figures import save_png
from e2c_control.runs.atomic import replace_text
from e2c_control.runs.versions import package_versions, source_commit

Row = dict[str, Any]


def stamp() -> Row:
    """Return what a number was made by: commit, versions and machine."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    return {"commit": source_commit(), "versions": package_versions(), "machine": machine}


def peers_versions(python: Path, names: Sequence[str]) -> dict[str, str | None]:
    """Return the versions of packages in another interpreter's environment, None for those that it lacks."""
    listed = subprocess.run([python, "-m", "pip", "list", "--format=json"], capture_output=True, text=True, check=True)
    versions = {row["name"]: row["version"] for row in json.loads(listed.stdout)}
    return {name: versions.get(name) for name in names}


def content(path: Path) -> dict[str, Any]:
    """Return what a result file holds; nothing where there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def stored(path: Path) -> list[Row]:
    """Return the rows that were measured before."""
    return content(path).get("rows", [])


def result_file(script: str) -> Path:
    """Return where the results of a script stand: beside it, by its name."""
    path = Path(script).resolve()
    return path.parent / "results" / f"{path.stem}.json"


def write(path: Path, result: Mapping[str, Any]) -> None:
    """Write a result file, a row to a line."""
    lines = [f"{json.dumps(name)}: {_lines(value)}" for name, value in result.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_text(path, "{\n" + ",\n".join(lines) + "\n}\n")


def _lines(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(json.dumps(row) for row in value) + "\n]"
    return json.dumps(value)


def command_line(
    script: str,
    axes: Mapping[str, Sequence[Any]],
    choices: Mapping[str, Iterable[Any]],
    options: type[Any] | None,
    samples: bool = False,
) -> Any:
    """Parse a script's command line.

    Args:
        script: its `__file__`; its docstring is the help.
        axes: each is an option of its plural, which takes some of its values; strings are choices.
        choices: of an axis, where there are more than its default.
        options: a dataclass whose fields are more options.
        samples: whether it takes `--sample`.
    """
    found: list[tuple[str, Any, Any]] = []
    for name, values in axes.items():
        kind = Literal[tuple(choices.get(name, values))] if isinstance(values[0], str) else type(values[0])
        found.append((f"{name}s", tuple[kind, ...], field(default=tuple(values))))
    shown = Annotated[bool, tyro.conf.FlagCreatePairsOff]
    found.append(("out", Annotated[Path, tyro.conf.arg(help="result file")], field(default=result_file(script))))
    found.append(("quick", shown, field(default=False)))
    if samples:
        told = tyro.conf.arg(help="seed of a sample of all rows, which is measured and not written")
        found.append(("sample", Annotated[int | None, told], field(default=None)))
    kind = make_dataclass("Given", found, bases=(options,) if options else (), kw_only=True, frozen=True)
    return tyro.cli(kind, description=sys.modules["__main__"].__doc__)


def own_options(given: Any, options: type[Any] | None) -> dict[str, Any]:
    """Return the values of a script's own options by name."""
    return {one.name: getattr(given, one.name) for one in fields(options)} if options else {}


@dataclass(frozen=True)
class Experiment:
    """Rows, one for each combination of the values of some axes.

    Attributes:
        script: its `__file__`, which says where the results go.
        axes: what a row is known by, and the values: their product is measured, the last axis running fastest.
        measure: makes a row, several, or an empty list where it cannot be, from values of the axes and of the script's
            options. A part of a row that is named like an axis is the row's value on it.
        told: a line about a new row, or its template.
        quick: shows all of it in a moment; or what the rows are known by that do.
        summary: of all rows, for the file.
        report: prints what all rows say.
        picture: draws all rows, for the file beside the result.
        about: what else the file says, from all rows.
        choices: values that an axis may have on the command line, where there are more than those of `axes`.
        exists: whether there is such a combination; all by default.
        adaptive: whether `measure` gets the rows so far as well, as `rows`: what it makes depends on them.
        failed: whether a row tells of a failure: it is measured again by the next run, and this one exits with 1.
        sample: draws what a few rows are known by, for `--sample SEED`.
        order: sorts the rows of the file.
        options: a dataclass of more options, which `measure` gets.
        shared: options that are the same for all rows of a file, which says them.
        threads: that torch computes with; None leaves it to torch.
    """

    script: str
    axes: Mapping[str, Iterable[Any]]
    measure: Callable[..., Row | list[Row]]
    told: Callable[[Row], str] | str
    quick: Callable[[], object] | Sequence[Row]
    summary: Callable[[list[Row]], Any] | None = None
    report: Callable[[list[Row]], object] | None = None
    picture: Callable[[list[Row]], Any] | None = None
    about: Callable[[list[Row]], Mapping[str, Any]] = lambda rows: {}
    choices: Mapping[str, Iterable[str]] = field(default_factory=dict[str, Iterable[str]])
    exists: Callable[..., bool] = lambda **known_by: True
    adaptive: bool = False
    failed: Callable[[Row], bool] = lambda row: False
    sample: Callable[[int], Sequence[Row]] | None = None
    order: Callable[[Row], Any] | None = None
    options: type[Any] | None = None
    shared: tuple[str, ...] = ()
    threads: int | None = 1

    def main(self) -> list[Row]:
        """Measure what the command line asks for and the result file lacks, and tell what all of it says."""
        axes = {name: list(values) for name, values in self.axes.items()}
        given = command_line(self.script, axes, self.choices, self.options, self.sample is not None)
        if self.threads is not None:
            import torch

            torch.set_num_threads(self.threads)
        options = own_options(given, self.options)
        if given.quick and callable(self.quick):
            self.quick()
            return []
        if given.quick or (self.sample is not None and given.sample is not None):
            few = self.quick if given.quick else self.sample(given.sample)
            return self._judged([row for known_by in few for row in self._measured(known_by, options)])
        wanted = [
            known_by
            for values in itertools.product(*(getattr(given, f"{name}s") for name in axes))
            if self.exists(**(known_by := dict(zip(axes, values, strict=True))))
        ]
        rows = self.run(given.out, wanted, **options)
        if self.report is not None:
            self.report(rows)
        if self.picture is not None:
            save_png(self.picture(rows), given.out.with_suffix(".png"))
        return self._judged(rows)

    def _measured(self, known_by: Row, options: Row) -> list[Row]:
        """Measure, and tell."""
        measured = self.measure(**known_by, **options)
        new = measured if isinstance(measured, list) else [measured]
        for row in new:
            print(self.told.format(**row) if isinstance(self.told, str) else self.told(row), flush=True)
        return new

    def _judged(self, rows: list[Row]) -> list[Row]:
        if failed := sum(map(self.failed, rows)):
            print(f"{failed} of {len(rows)} failed", flush=True)
            raise SystemExit(1)
        return rows

    def run(self, path: Path, wanted: Iterable[Row], **options: Any) -> list[Row]:
        """Measure each row that a file lacks, and write it at once: a killed script goes on where it was.

        Remove the file to measure all again.

        Args:
            path: of the file.
            wanted: what each row is known by, in the order of measuring.
            options: of the script, for `measure`.

        Returns:
            All rows that the file holds in the end.
        """
        shared = {name: options[name] for name in self.shared}
        for known_by in wanted:
            before = content(path)
            for name, value in shared.items():
                if before.get(name, value) != value:
                    raise SystemExit(f"{path} was measured with {name} {before[name]}: choose another --out.")
            so_far = before.get("rows", [])
            if any(known_by.items() <= row.items() and not self.failed(row) for row in so_far):
                continue
            also = {"rows": so_far} if self.adaptive else {}
            new = [row | stamp() for row in self._measured(known_by, options | also)]
            if not new:
                continue
            before = content(path)  # read again: another process may have added its own meanwhile
            kept = (row for row in before.pop("rows", []) if not known_by.items() <= row.items())
            rows = [*kept, *new]
            if self.order is not None:
                rows.sort(key=self.order)
            # A commit of the whole file, of those without a stamp in each row, stays: it is of the rows that lack one.
            result = before | shared | self.about(rows)
            if self.summary is not None:
                result["summary"] = self.summary(rows)
            write(path, result | {"rows": rows})
        return stored(path)


def measure_whole(
    script: str,
    measure: Callable[..., dict[str, Any]],
    report: Callable[[dict[str, Any]], object] | None = None,
    picture: Callable[[dict[str, Any]], Any] | None = None,
    options: type[Any] | None = None,
    threads: int | None = 1,
) -> dict[str, Any]:
    """Run a script whose result is of one piece, and write it unless `--quick`.

    Args:
        script: its `__file__`.
        measure: gets `quick` and the options by name.
        report: prints the result.
        picture: draws it, for the file beside the result.
        options: a dataclass of more options.
        threads: that torch computes with; None leaves it to torch.

    Returns:
        The result.
    """
    given = command_line(script, {}, {}, options)
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    result = measure(quick=given.quick, **own_options(given, options))
    if report is not None:
        report(result)
    if not given.quick:
        write(given.out, result | stamp())
        if picture is not None:
            save_png(picture(result), given.out.with_suffix(".png"))
    return result
