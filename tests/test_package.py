"""What gets installed: every folder of the package, a light import, metadata that tells the truth."""

import re
import resource
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import e2c_control

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "stable_baselines3", "pygame", "matplotlib", "numba", "tensorboard", "cv2")

in_checkout = pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="needs the repository")
# A wheel is tested away from the repository: nothing may come from it there.
installed = pytest.mark.skipif((ROOT / "pyproject.toml").is_file(), reason="for an installed wheel")


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@in_checkout
def test_every_folder_is_packaged() -> None:
    """A new folder that is missing from the list works in a checkout and not in a wheel."""
    mapping = project()["tool"]["setuptools"]["package-dir"]
    found = set()
    for package, folder in mapping.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            inside = init.parent.relative_to(ROOT / folder).parts
            found.add(".".join((package, *inside)))
    assert found == set(project()["tool"]["setuptools"]["packages"])


@in_checkout
def test_lower_bounds_allow_the_pinned_versions() -> None:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in lines if "==" in line}
    dependencies = project()["project"]["dependencies"] + project()["project"]["optional-dependencies"]["dev"]
    for requirement in map(Requirement, dependencies):
        if requirement.marker is not None and not requirement.marker.evaluate({"python_version": "3.11"}):
            continue  # constraints.txt pins what developers use
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)])
    assert pinned["torch"] == "2.13.0", "no local version: one file for CPU and CUDA"


@pytest.mark.parametrize(
    "code",
    [
        "import e2c_control",
        "import gymnasium; gymnasium.make('e2c_control.envs:E2C/Planar-v0').reset()",
        "import e2c_control, gymnasium; gymnasium.make_vec('E2C/PendulumSwingUp-v0', 2).reset()",
        "import e2c_control.planners",
    ],
)
def test_imports_stay_light(code: str, tmp_path: Path) -> None:
    check = f"{code}\nimport sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-P", "-c", check], cwd=tmp_path, text=True, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout == "[]\n"
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.5


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> "metadata.PackageMetadata":
    """Metadata as a wheel has it, built from what stands here: that of an installed checkout may be older."""
    folder = tmp_path_factory.mktemp("metadata")
    build = f"from setuptools import build_meta; build_meta.prepare_metadata_for_build_wheel({str(folder)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=ROOT, check=True, capture_output=True)
    (made,) = folder.glob("*.dist-info")
    return metadata.PathDistribution(made).metadata


@in_checkout
def test_the_version_stands_in_one_place(built: "metadata.PackageMetadata") -> None:
    assert built["Version"] == e2c_control.__version__
    assert "version" not in project()["project"]
    assert f"version: {e2c_control.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    versions = re.findall(r"^## (\d[\d.]*) - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == e2c_control.__version__, "the newest version of the changelog"


@in_checkout
def test_metadata_of_a_wheel(built: "metadata.PackageMetadata") -> None:
    """A plain installation brings what the package imports, and nothing that only its developers need."""
    from packaging.requirements import Requirement

    needed = [Requirement(line) for line in built.get_all("Requires-Dist") or []]
    for version in ("3.11", "3.14"):
        where = {"python_version": version, "extra": ""}
        plain = {one.name for one in needed if one.marker is None or one.marker.evaluate(where)}
        assert {"numpy", "gymnasium", "torch", "tyro", "pygame-ce" if version == "3.14" else "pygame"} <= plain
        assert not plain & {Requirement(line).name for line in project()["project"]["optional-dependencies"]["dev"]}
    assert built["Requires-Python"] == ">=3.11"
    assert built["Description-Content-Type"] == "text/markdown"
    assert built["License-Expression"] == "MIT"


@installed
def test_the_documentation_stays_outside() -> None:
    assert not (Path(e2c_control.__file__).parent / "docs").exists()


@installed
def test_the_wheel_has_the_version() -> None:
    assert metadata.version("e2c-control") == e2c_control.__version__


def test_the_command() -> None:
    (command,) = (entry for entry in metadata.entry_points(group="console_scripts") if entry.name == "e2c")
    assert command.value == "e2c_control.cli:main"
    from e2c_control.cli import main

    assert command.load() is main


def test_types_travel_along() -> None:
    assert (Path(e2c_control.__file__).parent / "py.typed").is_file()


@in_checkout
def test_it_runs_at_the_root_of_a_checkout() -> None:
    done = subprocess.run([sys.executable, "-m", "e2c_control", "--help"], cwd=ROOT, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr


@in_checkout
@pytest.mark.parametrize("path", [".github/workflows/ci.yml", ".pre-commit-config.yaml"])
def test_what_runs_elsewhere_runs_what_is_here(path: str) -> None:
    """Continuous integration calls the script of this repository; hooks are the linters that it pins."""
    yaml = pytest.importorskip("yaml")
    text = (ROOT / path).read_text()
    assert yaml.safe_load(text)
    if path.startswith(".github"):
        assert ".ci/run" in text
        tried = re.search(r"python: \[(.*)\]", text)
        assert tried is not None
        told = re.findall(r"Python :: (3\.\d+)", " ".join(project()["project"]["classifiers"]))
        assert re.findall(r"3\.\d+", tried[1]) == told, "each version that the package says it runs on is tried"
    else:
        pinned = re.search(r"^ruff==(.*)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
        assert pinned is not None
        assert f"rev: v{pinned[1]}\n" in text


@installed
def test_nothing_comes_from_a_checkout() -> None:
    import e2c_control.agents
    import e2c_control.envs
    import e2c_control.planners

    places = {
        Path(module.__file__ or "").parent for module in (e2c_control.agents, e2c_control.envs, e2c_control.planners)
    }
    package = Path(e2c_control.__file__).parent
    assert places == {package / name for name in ("agents", "envs", "planners")}
    assert not (package.parent / "pyproject.toml").exists()
    assert list(e2c_control.__path__) == [str(package)]
