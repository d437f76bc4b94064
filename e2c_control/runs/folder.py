"""Run folders: ``runs/<task>/<name>/`` with config.json, metrics.jsonl, events, checkpoints/, plots/ and videos/."""

import shutil
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from reprlib import repr as short
from typing import Self

from e2c_control.errors import InputError, near_miss, path_of
from e2c_control.registry import trusting
from e2c_control.runs.atomic import new_folder, sweep, writing
from e2c_control.runs.config import Config, is_own_config, read_config, write_config
from e2c_control.runs.foreign import check_folder
from e2c_control.runs.lock import NAME as LOCK
from e2c_control.runs.lock import locked


@dataclass(frozen=True)
class RunFolder:
    """Where one run keeps its files.

    Attributes:
        path: the folder.
    """

    path: Path

    def __post_init__(self) -> None:
        _check_text(self.path)

    @classmethod
    def create(cls, root: Path | str, task: str, config: object, name: str | None = None) -> Self:
        """Make ``root/task/name`` and write the dataclass ``config`` into it.

        Args:
            root: folder of all runs, usually ``runs``.
            task: environment id; its namespace and module are left out of the path.
            config: a frozen dataclass.
            name: default: the time, with a number behind it if that is taken.

        Raises:
            InputError: a run of that name exists, or the folder cannot be written.
        """
        root = path_of("root", root)
        _check_text(root)
        parent = root / task.rpartition(":")[2].rpartition("/")[2]
        with writing(parent):
            parent.mkdir(parents=True, exist_ok=True)
        return cls(_new_folder(parent, name, config))

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open an existing run; raise `InputError` if there is none."""
        path = path_of("path", path)
        if not (path / "config.json").is_file():
            if (path / "checkpoint.json").is_file():
                from e2c_control.runs.checkpoint import CHECKPOINT

                saved = CHECKPOINT.read(path / "checkpoint.json")["meta"].get("agent")
                if not isinstance(saved, str) or not saved.isidentifier():
                    raise InputError(f"{path} is a checkpoint, not a run: give the run folder that it is from.")
                remedy = f"open it in Python, {saved[:80]}.load({str(path)!r})"
                raise InputError(f"{path} is a saved {saved[:80]}, not a run: {remedy}.")
            if not path.exists():
                near = near_miss(path.name, [other.name for other in _runs_in(path.parent)])
                raise InputError(f"There is no run {path}{near}: check the path.")
            raise InputError(f"{path} is not a run, it has no config.json: check the path.")
        check_folder(path)
        return cls(path)

    @classmethod
    def elsewhere(cls, path: Path) -> Self:
        """Return a folder for what is made of a run whose own folder is not to be written."""
        with writing(path):
            path.mkdir(parents=True, exist_ok=True)
        return cls(path)

    @contextmanager
    def held(self) -> Generator[None]:
        """Hold the folder for this process, see `locked`, and remove what killed ones left half written."""
        from e2c_control.runs.checkpoint import remove_torn  # here, because it imports torch

        with locked(self.path):
            sweep(self.path, self.checkpoints, self.path / "plots", self.path / "videos")
            remove_torn(self.checkpoints)
            yield

    def config(self, kind: type[Config], trust: Sequence[str] = ()) -> Config:
        """Return the config that the run was made with, which may name code in the modules ``trust``."""
        with trusting(trust):
            return read_config(self.path / "config.json", kind)

    def config_text(self) -> str:
        """Return the text of ``config.json``."""
        with writing(self.path):
            return (self.path / "config.json").read_text(encoding="utf-8")

    @property
    def own(self) -> bool:
        """Whether this user's own command wrote its config."""
        return is_own_config(self.path / "config.json")

    def require_own(self, place: object, remedy: str) -> None:
        """Refuse a path of the config that leads out of the folder, unless this user's own command wrote it there.

        Args:
            place: the path.
            remedy: what to do instead, such as "name the dataset with --dataset".

        Raises:
            InputError: the config was written elsewhere, or changed since.
        """
        if not self.own:
            raise InputError(
                f"{self.path} was made elsewhere or by an older version, or its config.json was changed since, so its "
                f"path {short(str(place))} is not followed: {remedy}."
            )

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
        sweep(folder)
        return folder


def _runs_in(folder: Path) -> list[Path]:
    return [config.parent for config in folder.glob("*/config.json")]


def _check_text(path: Path) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{path} has bytes in its name that are no UTF-8, where TensorBoard cannot write: choose another folder."
        ) from error


def _new_folder(parent: Path, name: str | None, config: object) -> Path:
    """Make the folder with its config in it at once: a kill leaves either a run or a free name.

    It is made, not looked for: of two runs that start at once, each gets its own.
    """
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    names = [name] if name else [stamp, *(f"{stamp}-{i}" for i in range(2, 100))]
    for candidate in names:
        path = parent / candidate
        _clear(path)
        try:
            with new_folder(path) as folder:
                write_config(folder / "config.json", config)
        except InputError:
            if not path.exists():
                raise
            continue
        return path
    raise InputError(
        f"The run {parent / names[0]} exists already: give another name (--name), or go on with it (--resume)."
    )


def _clear(path: Path) -> None:
    """Remove what a killed start left: a folder with nothing in it but a lock or half a config."""
    with writing(path):
        if path.is_dir() and not path.is_symlink() and all(_of_a_start(entry.name) for entry in path.iterdir()):
            shutil.rmtree(path)


def _of_a_start(name: str) -> bool:
    return name == LOCK or (name.startswith(".config.json.") and name.endswith(".partial"))
