"""Which code made a file: package versions and the commit of the checkout."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path

from e2c_control import __version__

_PACKAGES = ("numpy", "gymnasium", "torch")


def package_versions() -> dict[str, str]:
    """Version of Python, of this package and of the ones that numbers depend on; imports none of them."""
    versions = {"python": platform.python_version(), "e2c-control": __version__}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def source_commit() -> str | None:
    """Commit of the checkout that this package runs from (``-dirty`` when edited), or None where there is none."""
    here = Path(__file__).resolve().parent
    try:
        tracked = _git(here, "ls-files", "--error-unmatch", Path(__file__).name)
        commit = _git(here, "rev-parse", "HEAD")
        edited = _git(here, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}{'-dirty' if edited else ''}" if tracked else None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
