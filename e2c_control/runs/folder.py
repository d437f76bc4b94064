"""Run folders: ``runs/<task>/<name>/`` with config.json, metrics.jsonl, events, checkpoints/, plots/ and videos/."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from e2c_control.errors import InputError
from e2c_control.runs.atomic import writing
from e2c_control.runs.config import Config, read_config, write_config


@dataclass(frozen=True)
class RunFolder:
    """Where one run keeps its files.

    Attributes:
        path: the folder.
    """

    path: Path

    @classmethod
    def create(cls, root: Path | str, task: str, config: Any, name: str | None = None) -> Self:
        """Make ``root/task/name`` and write the dataclass ``config`` into it.

        Args:
            root: folder of all runs, usually ``runs``.
            task: environment id; its namespace and module are left out of the path.
            config: a frozen dataclass.
            name: default: the time, with a number behind it if that is taken.

        Raises:
            InputError: a run of that name exists, or the folder cannot be written.
        """
        parent = Path(root) / task.rpartition(":")[2].rpartition("/")[2]
        with writing(parent):
            parent.mkdir(parents=True, exist_ok=True)
        run = cls(_new_folder(parent, name))
        write_config(run.path / "config.json", config)
        return run

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """An existing run; `InputError` if there is none."""
        path = Path(path)
        if not (path / "config.json").is_file():
            raise InputError(f"{path} is not a run, it has no config.json: check the path.")
        return cls(path)

    def config(self, kind: type[Config]) -> Config:
        """The config that the run was made with; see `read_config`."""
        return read_config(self.path / "config.json", kind)

    @property
    def metrics(self) -> Path:
        """One JSON object for each logged step."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints; see `save_checkpoint`."""
        return self.path / "checkpoints"

    @property
    def plots(self) -> Path:
        """Folder of pictures, made when first asked for."""
        return self._folder("plots")

    @property
    def videos(self) -> Path:
        """Folder of GIFs, made when first asked for."""
        return self._folder("videos")

    def _folder(self, name: str) -> Path:
        folder = self.path / name
        with writing(folder):
            folder.mkdir(exist_ok=True)
        return folder


def _new_folder(parent: Path, name: str | None) -> Path:
    """The folder is made, not looked for: of two runs that start at once, each gets its own."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    names = [name] if name else [stamp, *(f"{stamp}-{i}" for i in range(2, 100))]
    for candidate in names:
        with writing(parent / candidate):
            try:
                (parent / candidate).mkdir()
            except FileExistsError:
                continue
            return parent / candidate
    raise InputError(f"The run {parent / names[0]} exists already: choose another name, or resume it.")
