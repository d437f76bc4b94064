"""The documentation site: put together whole, each link leads somewhere, each thing with a name has a page."""

import base64
import importlib.util
import json
import re
from dataclasses import is_dataclass
from pathlib import Path, PurePosixPath
from types import ModuleType

import pytest

import e2c_control
from e2c_control.agents.novelty.registry import MODELS
from e2c_control.autoencoders import METHODS
from e2c_control.cli import COMMANDS
from e2c_control.envs import task_ids
from e2c_control.fields import hints_of
from e2c_control.gradients import ESTIMATORS
from e2c_control.objectives.objective import TERMS
from e2c_control.objectives.recipes import RECIPES
from e2c_control.planners import PLANNERS

FACES = ("planners", "agents", "envs", "data", "evaluation", "gradients", "autoencoders", "benchmark")
DOCS = Path(__file__).resolve().parents[1] / "e2c_control/docs"
pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="needs the repository")
CODE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def load(name: str) -> ModuleType:
    """Return one of the site's scripts, which no package holds."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def gatherer() -> ModuleType:
    return load("gather")


@pytest.fixture(scope="module")
def site(gatherer: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    gatherer.gather(out)
    return out / "pages"


def anchors(page: Path) -> set[str]:
    """Return what headings, and the names that mkdocstrings explains, are called in links."""
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", CODE.sub("", text), re.MULTILINE)
    plain = (re.sub(r"`|\\(?=\W)|\[(.*?)\]\(.*?\)", r"\1", heading) for heading in headings)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in plain}
    return slugs | set(re.findall(r"^::: (.*)$", text, re.MULTILINE))


def test_pictures_of_notebooks_stand_beside_their_page(site: Path) -> None:
    shown = [
        page.parent / name for page in site.rglob("*.md") for name in re.findall('<img src="(.*?)"', page.read_text())
    ]
    assert len(shown) >= 6
    assert all(picture.is_file() for picture in shown)


def test_every_link_leads_somewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.md"))
    assert len(pages) > 100
    for page in pages:
        for link in re.findall(r"\]\((?!\w+:)([^)\s]+)\)", CODE.sub("", page.read_text(encoding="utf-8"))):
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            assert target.is_file(), f"{page.relative_to(site)}: {link}"
            assert not anchor or anchor in anchors(target), f"{page.relative_to(site)}: {link}"


def test_a_link_that_leads_nowhere_is_refused(gatherer: ModuleType) -> None:
    with pytest.raises(SystemExit, match=r"page\.md: the link lost\.md leads nowhere"):
        gatherer.with_links("[x](lost.md)", PurePosixPath("e2c_control/docs/page.md"), "page.md", {}, {})


def test_every_page_is_in_the_menu(gatherer: ModuleType, site: Path) -> None:
    pages = re.findall(r'"([^"]+\.md)"', json.dumps(gatherer.navigation()))
    assert sorted(pages) == sorted(str(path.relative_to(site)) for path in site.rglob("*.md"))


@pytest.mark.parametrize(
    ("folder", "names"),
    [
        ("planners", PLANNERS),
        ("estimators", ESTIMATORS),
        ("autoencoders", METHODS),
        ("terms", TERMS),
        ("recipes", RECIPES),
        ("novelty", MODELS),
        ("worlds", [name.partition("/")[2] for name in task_ids()]),
        ("commands", COMMANDS),
    ],
)
def test_everything_with_a_name_has_a_page(site: Path, folder: str, names: list[str]) -> None:
    overview = (site / folder / "index.md").read_text(encoding="utf-8")
    for name in names:
        text = (site / folder / f"{name}.md").read_text(encoding="utf-8")
        assert len(text.split()) > 20, name
        if folder in ("terms", "recipes", "novelty", "worlds", "commands"):
            assert f"]({name}.md)" in overview


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_of_a_command_explains_each_option(site: Path, name: str) -> None:
    text = (site / f"commands/{name}.md").read_text(encoding="utf-8")
    groups = [COMMANDS.find(name)]
    for group in groups:
        hints = hints_of(group)
        groups += [hint for hint in hints.values() if is_dataclass(hint)]
        for option in (option for option, hint in hints.items() if not is_dataclass(hint)):
            flag = "[STR]" if option == "page" else f"--{option.replace('_', '-')}"
            assert re.search(rf"^\| `{re.escape(flag)}[ `].*\| \S", text, re.MULTILINE), option


@pytest.mark.parametrize("face", ["", *FACES])
def test_the_reference_has_each_name(site: Path, face: str) -> None:
    text = (site / f"reference/{face or 'e2c_control'}.md").read_text(encoding="utf-8")
    module = importlib.import_module(f"e2c_control.{face}") if face else None
    names = module.__all__ if module else list(e2c_control._WHERE)
    assert sorted(re.findall(r"^::: [\w.]+\.(\w+)$", text, re.MULTILINE)) == sorted(names)


@pytest.mark.parametrize("path", sorted((DOCS / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_show_what_their_cells_made(path: Path) -> None:
    """Their outputs are those of this code, with pictures, and small. The code itself runs in test_readme.py."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    made = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    assert notebook["metadata"]["digest"] == load("notebook").digest_of(notebook), "run it: python notebook.py"
    assert sum("image/png" in output.get("data", {}) for output in made) >= 3
    assert path.stat().st_size < 500_000


def test_a_cell_shows_its_last_value() -> None:
    script, notebook = ModuleType("page"), load("notebook")
    made = notebook.outputs("from PIL import Image\nprint('two')\nImage.new('L', (2, 2))", script, 1)
    assert made[0]["text"] == ["two\n"]
    assert base64.b64decode(made[1]["data"]["image/png"]).startswith(b"\x89PNG")
    assert notebook.outputs("x = 3", script, 2) == []
    (said,) = notebook.outputs("x", script, 3)
    assert said["data"] == {"text/plain": ["3"]}


def test_no_page_promises(site: Path) -> None:
    for page in DOCS.rglob("*.md"):
        assert not re.search(r"\b(soon|not yet|coming|planned for|TODO)\b", page.read_text(encoding="utf-8")), page


def test_docstrings_become_markdown(gatherer: ModuleType) -> None:
    text = "f(x) = a*b, x_1 < 2.\n\nArgs:\n    first: one\n        line.\n    second: `a_b`."
    made = gatherer.prose(text)
    assert made.startswith(r"f(x) = a\*b, x\_1 \< 2.")
    assert "- `first`: one line.\n- `second`: `a_b`." in made


def test_pages_say_when_to_take_each_planner() -> None:
    pages = {"planner.md": DOCS / "how-to/planner.md", "overview": DOCS.parents[1] / "planners/README.md"}
    rows = {page: path.read_text(encoding="utf-8").splitlines() for page, path in pages.items()}
    for name in PLANNERS:
        assert any(row.startswith(f"| `{name}` | ") for row in rows["overview"]), name
        said = [row for row in rows["planner.md"] if row.startswith(("|", "Stay"))]
        assert any(f"(../planners/{name}.md)" in row or f"`{name}`" in row for row in said), name
