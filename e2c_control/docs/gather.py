"""Put the documentation site together: `make docs` runs this, then mkdocs on what it wrote.

Pages are written by hand beside this file, or are READMEs of the repository, or are generated: one for each planner,
estimator, auto-encoder, recipe, term, novelty model and world of the registries, one for each face of the package, and
the reference of the commands, from their parsers. Every link is followed: one that leads to a page of the site is made
relative to it, one to another file of the repository takes the file along, and one that leads nowhere is refused.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import redirect_stdout, suppress
from importlib import import_module
from inspect import getdoc
from io import StringIO
from pathlib import Path, PurePosixPath
from typing import Any, cast

from torch.distributions import Bernoulli, Distribution, Gamma, Normal, OneHotCategorical

import e2c_control
from e2c_control.agents.novelty.registry import MODELS
from e2c_control.autoencoders import METHODS
from e2c_control.cli import SUMMARIES, parse
from e2c_control.cli.pages import defaults_of, text_of
from e2c_control.envs import task_ids, task_page
from e2c_control.envs.registry import TASKS
from e2c_control.gradients import ESTIMATORS, estimators_for
from e2c_control.models.embedding import EmbeddingConfig
from e2c_control.objectives.objective import TERMS
from e2c_control.objectives.recipes import RECIPES, make_recipe
from e2c_control.planners import PLANNERS
from e2c_control.runs.settings import settings

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

READMES = {
    "README.md": "development/readme.md",
    "ARCHITECTURE.md": "development/architecture.md",
    "CONTRIBUTING.md": "development/contributing.md",
    "SECURITY.md": "development/security.md",
    "CHANGELOG.md": "development/changes.md",
    "e2c_control/training/README.md": "development/training-step.md",
    "e2c_control/README.md": "reference/front-door.md",
    "planners/README.md": "planners/index.md",
    "e2c_control/gradients/README.md": "estimators/index.md",
    "e2c_control/autoencoders/README.md": "autoencoders/index.md",
    "agents/README.md": "agents/index.md",
    "experiments/RESULTS.md": "results/index.md",
    "experiments/README.md": "results/experiments.md",
}
"""Files of the repository that are pages of the site as they are."""

FACES = ("planners", "agents", "envs", "data", "evaluation", "gradients", "autoencoders", "benchmark")
LAWS: Mapping[str, Distribution] = {
    "Bernoulli": Bernoulli(0.5),
    "OneHotCategorical": OneHotCategorical(cast(Any, Normal(0.0, 1.0).sample((3,)).softmax(0))),
    "Normal": Normal(0.0, 1.0),
    "Gamma": Gamma(2.0, 1.0),
}

Nav = list[dict[str, "str | Nav"]]


def navigation() -> Nav:
    """Return the menu: titles, and pages or menus of pages."""
    how_to = {
        "Your own environment": "own-environment",
        "Goal images": "goal-images",
        "Goals or rewards?": "rewards",
        "Your own data": "own-data",
        "Where random actions do not reach": "exploring",
        "Go around walls": "walls",
        "Choose a planner": "planner",
        "Choose a recipe": "recipe",
        "Set hyperparameters": "hyperparameters",
        "Exploration for stable-baselines3": "stable-baselines3",
        "With stable-worldmodel": "stable-worldmodel",
        "Gradients of black boxes": "black-boxes",
        "Resume, and crashes": "resume",
        "Many machines": "many-machines",
        "Read the curves": "curves",
        "Troubleshooting": "troubleshooting",
    }
    return [
        {"Home": "index.md"},
        {"Quick start": "quick-start.md"},
        {"Concepts": "concepts.md"},
        {"How to": [{title: f"how-to/{name}.md"} for title, name in how_to.items()]},
        {"Notebooks": [{"Goal images": "notebooks/goal-images.md"}, {"Exploring": "notebooks/exploring.md"}]},
        {
            "Methods": [
                {"Worlds": section("worlds", [world_name(name) for name in task_ids()])},
                {"Recipes": section("recipes", RECIPES)},
                {"Objective terms": section("terms", TERMS)},
                {"Planners": section("planners", PLANNERS)},
                {"Agents": section("agents", ())},
                {"Novelty models": section("novelty", MODELS)},
                {"Gradient estimators": section("estimators", ESTIMATORS)},
                {"Auto-encoders": section("autoencoders", METHODS)},
            ]
        },
        {
            "Reference": [
                {"Front door": "reference/front-door.md"},
                {"e2c_control": "reference/e2c_control.md"},
                *({f"e2c_control.{face}": f"reference/{face}.md"} for face in FACES),
                {"Commands": section("commands", SUMMARIES)},
            ]
        },
        {"Results": [{"Results": "results/index.md"}, {"Run them again": "results/experiments.md"}]},
        {
            "Development": [
                {"Architecture": "development/architecture.md"},
                {"Anatomy of a training step": "development/training-step.md"},
                {"Contributing": "development/contributing.md"},
                {"Security": "development/security.md"},
                {"Changes": "development/changes.md"},
                {"The README": "development/readme.md"},
            ]
        },
    ]


def section(folder: str, names: Iterable[str]) -> Nav:
    """Return the menu of a folder with an overview and a page for each name."""
    return [{"Overview": f"{folder}/index.md"}, *({name: f"{folder}/{name}.md"} for name in names)]


def world_name(task_id: str) -> str:
    """Return an id without the slash: the name of its page."""
    return task_id.partition("/")[2]


def gather(out: Path) -> None:
    """Write the site's sources to a folder: ``pages/``, and ``mkdocs.yml``.

    Raises:
        SystemExit: a link of a page leads nowhere.
    """
    if out.exists():
        shutil.rmtree(out)
    pages = {str(path.relative_to(HERE)): path.read_text(encoding="utf-8") for path in HERE.rglob("*.md")}
    sources = {place: HERE / place for place in pages} | {place: ROOT / name for name, place in READMES.items()}
    pages |= {place: (ROOT / name).read_text(encoding="utf-8") for name, place in READMES.items()}
    files: dict[str, Path] = {}
    for path in sorted(HERE.glob("notebooks/*.ipynb")):
        place = f"notebooks/{path.stem}.md"
        pages[place], sources[place] = notebook_page(path, out / "pages/notebooks"), path
    pages |= dict(generated())
    known = {str(source.relative_to(ROOT)): place for place, source in sources.items()}
    known |= {f"e2c_control/docs/{place}": place for place in pages}
    for place, text in pages.items():
        source = sources.get(place, HERE / place).relative_to(ROOT)
        write(out / "pages" / place, with_links(text, PurePosixPath(source), place, known, files))
    for place, path in files.items():
        (out / "pages" / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, out / "pages" / place)
    shutil.copyfile(HERE / "site.css", out / "pages/site.css")
    base = os.path.relpath(HERE / "mkdocs.yml", out)
    plugins = {"mkdocstrings": {"handlers": {"python": {"paths": [os.path.relpath(ROOT / "build/types", out)]}}}}
    lines = ("docs_dir: pages", "site_dir: site", f"nav: {json.dumps(navigation())}", f"plugins: {json.dumps(plugins)}")
    write(out / "mkdocs.yml", "\n".join([f"INHERIT: {base}", *lines, ""]))


def write(path: Path, text: str) -> None:
    """Write a file, and the folders that lead to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def with_links(text: str, source: PurePosixPath, place: str, known: Mapping[str, str], files: dict[str, Path]) -> str:
    """Return a page whose links lead to pages and files of the site.

    Args:
        text: of the page.
        source: where it stands in the repository, which its links are relative to.
        place: where it stands on the site.
        known: places of pages by their paths in the repository.
        files: of the repository, by their places on the site; those that the page needs are added.
    """

    def moved(found: re.Match[str]) -> str:
        target, mark, anchor = found[1].partition("#")
        if not target or re.match(r"\w+:", target):
            return found[0]
        path = os.path.normpath(source.parent / target)
        path = f"{path}/README.md" if (ROOT / path / "README.md").is_file() else path
        if path not in known:
            if not (ROOT / path).is_file() or path.startswith(".."):
                raise SystemExit(f"{source}: the link {found[1]} leads nowhere.")
            files[f"files/{path}"] = ROOT / path
        there = known.get(path, f"files/{path}")
        return f"]({os.path.relpath(there, PurePosixPath(place).parent)}{mark}{anchor})"

    parts = re.split(r"(^```.*?^```)", text, flags=re.DOTALL | re.MULTILINE)  # code has no links
    return "".join(part if i % 2 else re.sub(r"\]\(([^)\s]+)\)", moved, part) for i, part in enumerate(parts))


def generated() -> Iterator[tuple[str, str]]:
    """Yield the places and texts of the pages that no one writes."""
    yield from section_pages(
        "worlds", "Worlds", {world_name(name): name for name in task_ids()}, TASKS, world_page,
        "Controlled systems as Gymnasium environments, `gymnasium.make(\"E2C/Planar-v0\")`, which show images, start "
        "anywhere and know goals. `e2c envs ID` shows the same pages. "
        "Worlds of your own: [your own environment](../how-to/own-environment.md).",
    )  # fmt: skip
    yield from section_pages(
        "recipes", "Recipes", {name: name for name in RECIPES}, RECIPES, recipe_page,
        "What `e2c train --recipe NAME` trains, and how: sizes of the networks, and phases of weighted "
        "[terms](../terms/index.md). Which to choose: [choose a recipe](../how-to/recipe.md).",
    )  # fmt: skip
    yield from section_pages(
        "terms", "Objective terms", {name: name for name in TERMS}, TERMS, class_page("objective term", TERMS),
        "Losses by name, which a `Phase` of a [recipe](../recipes/index.md) weighs: "
        "`WeightedTerm(\"info_nce\", 1.0, options={\"noise\": 0.1})`. One of your own is a class derived from `Term`, "
        "given as itself or by `\"my_package:Mine\"`.",
    )  # fmt: skip
    yield from section_pages(
        "novelty", "Novelty models", {name: name for name in MODELS}, MODELS, class_page("novelty model", MODELS),
        "What scores how new an observation is: `NoveltyOptions(NAME, settings={...})`, or `e2c explore --model NAME`. "
        "How to use one: [exploration for stable-baselines3](../how-to/stable-baselines3.md).",
    )  # fmt: skip
    for folder, registry, page in (
        ("planners", PLANNERS, class_page("planner", PLANNERS)),
        ("autoencoders", METHODS, class_page("auto-encoder", METHODS)),
        ("estimators", ESTIMATORS, estimator_page),
    ):
        for name in registry:
            yield f"{folder}/{name}.md", page(name)
    for name in SUMMARIES:
        yield f"commands/{name}.md", command_page(name)
    lines = [f"| [`e2c {name}`]({name}.md) | {summary} |" for name, summary in SUMMARIES.items()]
    yield "commands/index.md", "\n".join([
        "# Commands", "", "All take `--trust my_package`, which lets a folder name code of that package.", "",
        "| command | what it does |", "|---|---|", *lines, "",
    ])  # fmt: skip
    yield "reference/e2c_control.md", api_page("e2c_control", e2c_control.__doc__ or "", front_door())
    for face in FACES:
        module = import_module(f"e2c_control.{face}")
        yield f"reference/{face}.md", api_page(module.__name__, module.__doc__ or "", module.__all__)


def front_door() -> list[str]:
    """Return the names that `import e2c_control` offers."""
    page = (ROOT / "e2c_control/README.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`(\w+)`", row)]


def section_pages(
    folder: str,
    title: str,
    names: Mapping[str, str],
    registry: Mapping[str, object],
    page: Callable[[str], str],
    about: str,
) -> Iterator[tuple[str, str]]:
    """Yield a page for each name, and an overview with the first sentence of each."""
    made = {file: page(name) for file, name in names.items()}
    rows = [f"| [`{names[file]}`]({file}.md) | {in_short(registry[names[file]], made[file])} |" for file in made]
    yield f"{folder}/index.md", "\n".join([f"# {title}", "", about, "", "| name | in short |", "|---|---|", *rows, ""])
    for file, text in made.items():
        yield f"{folder}/{file}.md", text


def in_short(thing: object, page: str) -> str:
    """Return a class's own first paragraph, and of anything else that of its page, on one line."""
    text = prose(getdoc(thing) or "") if isinstance(thing, type) else page.partition("\n\n")[2]
    return cell(" ".join(text.partition("\n\n")[0].split()))


def class_page(kind: str, registry: Mapping[str, Any]) -> Callable[[str], str]:
    """Return a function that makes the page of an entry of a registry of classes."""

    def page(name: str) -> str:
        made = registry[name]
        return "\n".join([f"# {name}", "", prose(text_of(made)), "", *where(kind, made), *table(defaults_of(made))])

    return page


def where(kind: str, made: type) -> list[str]:
    """Return a line on where a class is imported from."""
    faces = [face for face in FACES if getattr(import_module(f"e2c_control.{face}"), made.__name__, None) is made]
    if not faces:
        return []
    target = f"../reference/{faces[0]}.md#e2c_control.{faces[0]}.{made.__name__}"
    return [f"The {kind}'s class: [`e2c_control.{faces[0]}.{made.__name__}`]({target}).", ""]


def table(options: Mapping[str, object]) -> list[str]:
    """Return options and their defaults as a table."""
    rows = [f"| `{name}` | `{value}` |" for name, value in options.items()]
    return ["## Options", "", "| option | default |", "|---|---|", *rows, ""] if rows else []


def world_page(name: str) -> str:
    """Return the page of a world: what `help(env.unwrapped)` shows."""
    words, _, numbers = task_page(name).partition("## In numbers\n")
    words = re.sub(r"^## ", "\n## ", words.removeprefix(f"{name}: "), flags=re.MULTILINE)
    words = words[:1].upper() + words[1:]
    return "\n".join([f"# {name}", "", prose(words), "", "## In numbers", "", "```text", numbers.rstrip(), "```", ""])


def recipe_page(name: str) -> str:
    """Return the page of a recipe, with its settings."""
    phases = [
        (phase, {term.name: term.weight for term in phase.terms})
        for phase in make_recipe(name, EmbeddingConfig()).phases
    ]
    steps = [
        f"{i}. **{phase.name}**, {phase.steps:,} steps: "
        + ", ".join(f"[`{term}`](../terms/{term}.md) x {weight:g}" for term, weight in terms.items())
        for i, (phase, terms) in enumerate(phases, 1)
    ]
    values = table(settings(make_recipe(name, EmbeddingConfig())))[2:]
    return "\n".join([
        f"# {name}", "", prose(text_of(RECIPES.find(name))), "", "## Phases", "", *steps, "", "## Settings", "",
        f"Of the recipe for two latents. `e2c train --recipe {name} --set PATH=VALUE` sets any of them.", "", *values,
    ])  # fmt: skip


def estimator_page(name: str) -> str:
    """Return the page of an estimator, with the distributions that it takes."""
    made = {law: found[name] for law, one in LAWS.items() if name in (found := estimators_for(one))}
    one = next(iter(made.values()))
    parts = [type(part).__name__ for part in (getattr(one, "baseline", None), getattr(one, "network", None)) if part]
    with_parts = f" with `{'`, `'.join(parts)}`" if parts and not isinstance(ESTIMATORS[name], type) else ""
    return "\n".join([
        f"# {name}", "", prose(text_of(type(one))), "",
        f"`make_estimator(\"{name}\", distribution)` makes a `{type(one).__name__}`{with_parts}. "
        f"It takes: {', '.join(made)}.", "",
        *where("estimator", type(one)), *table(defaults_of(type(one))),
    ])  # fmt: skip


def command_page(name: str) -> str:
    """Return the page of a command: what ``--help`` prints, as its parser prints it, options as a table."""
    said = StringIO()
    columns, os.environ["COLUMNS"] = os.environ.get("COLUMNS"), "4000"
    try:
        with redirect_stdout(said), suppress(SystemExit):
            parse([name, "--help"])
    finally:
        os.environ.pop("COLUMNS")
        os.environ |= {} if columns is None else {"COLUMNS": columns}
    words, _, options = said.getvalue().partition("\nusage: ")
    words = re.sub(
        r"\n((?:  e2c .*\n|  torchrun .*\n)+)", lambda found: f"\n\n```bash\n{dedented(found[1])}```\n\n", f"{words}\n"
    )
    rows: list[list[str]] = []
    for line in options.splitlines():
        entry = re.fullmatch(r"[│ ] (\S.*?)(?: {2,}(\S.*?))?\s*│?", line)
        more = re.fullmatch(r"[│ ] {3,}(\S.*?)\s*│?", line)
        if entry:
            rows.append([entry[1], entry[2] or ""])
        elif more and rows:
            rows[-1][1] = f"{rows[-1][1]} {more[1]}".strip()
    lines = [f"| `{cell(option)}` | {cell(prose(text))} |" for option, text in rows]
    return "\n".join(
        [
            f"# e2c {name}",
            "",
            prose(words.strip()),
            "",
            "## Options",
            "",
            "| option | what it says |",
            "|---|---|",
            *lines,
            "",
        ]
    )


def dedented(lines: str) -> str:
    """Return example lines as a reader would type them, remarks behind a hash."""
    return re.sub(
        r"^  (.*?)(?: {2,}\((.*)\))?$",
        lambda line: line[1] + (f"  # {line[2]}" if line[2] else ""),
        lines,
        flags=re.MULTILINE,
    )


def cell(text: str) -> str:
    """Return text that may stand in a table."""
    return text.replace("|", "\\|")


def api_page(module: str, about: str, names: list[str]) -> str:
    """Return a page on which mkdocstrings explains each name of a module."""
    paths = [f"{home_of(module, name)}.{name}" for name in sorted(names, key=str.lower)]
    parts = [f"::: {path}\n" for path in paths]
    return "\n".join([f"# {module}", "", prose(about.strip()), "", *parts])


def home_of(module: str, name: str) -> str:
    """Return where a name of a module is found by reading sources: `planners.lqr` is a function, and a module, too."""
    home = str(getattr(getattr(import_module(module), name), "__module__", module))
    return home if home.endswith(f".{name}") else module


def prose(text: str) -> str:
    """Return a docstring as Markdown: nothing in it is a mark of emphasis, and arguments are a list."""
    text = re.sub(r"^(Args|Attributes|Raises|Returns):\n((?:    .*\n?|\n)+)", as_list, text, flags=re.MULTILINE)
    parts = re.split(r"(^```.*?^```|``.+?``|`[^`\n]+`|^    \S.*$)", text, flags=re.DOTALL | re.MULTILINE)
    return "".join(part if i % 2 else re.sub(r"([*_<\[])", r"\\\1", part) for i, part in enumerate(parts))


def as_list(found: re.Match[str]) -> str:
    """Return a section of a docstring, such as Args, as a list of its entries."""
    entries = re.split(r"^    (?=\w)", found[2].rstrip(), flags=re.MULTILINE)[1:]
    said = [entry.partition(":") for entry in entries]
    lines = (f"- `{name}`: {' '.join(text.split())}" for name, _, text in said)
    return "\n".join([f"**{found[1]}**", "", *lines, ""])


def notebook_page(path: Path, pictures: Path) -> str:
    """Return a notebook as Markdown, and write the pictures that its cells made."""
    parts = list[str]()
    for number, one in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
        text = "".join(one["source"])
        if one["cell_type"] == "markdown":
            parts.append(text)
            continue
        parts.append(f"```python\n{text}\n```")
        for output in one["outputs"]:
            data = output.get("data", {})
            if "image/png" in data:
                name = f"{path.stem}-{number}.png"
                pictures.mkdir(parents=True, exist_ok=True)
                (pictures / name).write_bytes(base64.b64decode(data["image/png"]))
                parts.append(f'<img src="{name}" alt="Output of the cell above">')
            elif said := "".join(output.get("text", data.get("text/plain", []))).rstrip():
                parts.append(f"```text\n{said}\n```")
    return "\n\n".join([*parts, ""])


if __name__ == "__main__":
    gather(Path(sys.argv[1]))
