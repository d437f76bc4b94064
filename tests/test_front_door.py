"""The front door: its names are pinned, on one page, cheap to import, and all that the pages use."""

import ast
import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import e2c_control

ROOT = Path(__file__).resolve().parent.parent
# fmt: off
NAMES = (
    "Dynamics", "E2CAgent", "Embedding", "EmbeddingConfig", "Estimator", "AutoEncoder", "FreeEnergyAgent",
    "FunctionDynamics", "ICEM", "ILQR", "InputError", "LAX", "Limits", "MPC", "NoveltyCallback", "NoveltyOptions",
    "NoveltyReward", "Phase", "Plan", "PlannedCuriosity", "Planner", "PlanningOptions", "QuadraticCost", "RELAX",
    "Recipe", "System", "Task", "Term", "TrainConfig", "TrainedRun", "Trainer", "Transitions", "TransitionsWriter",
    "WeightedTerm", "check_unbiased", "collect", "drive", "make_image_env", "make_planner", "make_recipe",
    "make_task", "make_vector_env", "start_run", "train",
)
# fmt: on
"""The promise. A name is added here on purpose, and taken away only with a new major version."""

FACES = ("planners", "gradients", "autoencoders", "agents", "envs", "data", "evaluation", "benchmark")
PAGES = ("README.md", "planners/README.md", "agents/README.md", "e2c_control/README.md",
         "e2c_control/gradients/README.md", "e2c_control/autoencoders/README.md",
         *(str(path.relative_to(ROOT)) for kind in ("*.md", "*.ipynb")
           for path in sorted((ROOT / "e2c_control/docs").rglob(kind))))  # fmt: skip

INTERNALS = {
    "agents.curiosity": "",
    "agents.e2c_agent": "PlanState",
    "agents.exploration": "",
    "agents.free_energy": "",
    "agents.free_energy.learners": "settings_of",
    "agents.free_energy.sight": "SightCallback",
    "agents.policy_gradient": "PolicyGradient episode_gradients",
    "agents.policy_gradient.actions": "look",
    "autoencoders.distances": "auc energy_distance",
    "autoencoders.kernels": "SCALES",
    "autoencoders.novelty": "Found NoveltySearch amplitude",
    "autoencoders.novelty_run": "",
    "autoencoders.structure": "dominant_frequency high_share measure_structure noise_like relative_error",
    "autoencoders.toys": "gaussians mode_share modes parabola_residual",
    "benchmark.cell": "Cell gather make_cell run_cell",
    "benchmark.paper": "EXPLANATION paper_lines paper_table",
    "benchmark.report": "write_report",
    "benchmark.store": "Stored read_cells write_cell",
    "benchmark.table": "Line Scores gather summarise",
    "benchmark.text": "BINS EXPLANATION markdown_table table_csv with_interval",
    "benchmark.worlds": "WORLDS",
    "cli": "main",
    "cli.explore": "Explore",
    "cli.novelty": "",
    "cli.plan": "",
    "data.defaults": "EPISODE_LENGTH",
    "data.sampler": "Batch WindowSampler",
    "data.shards": "Shard join_shards",
    "envs.angles": "wrap",
    "envs.cart_pole": "PIXELS_PER_METRE POLE_LENGTH",
    "envs.maze": "Maze Rooms",
    "envs.pendulum": "ROD_LENGTH",
    "envs.reference": "drive reference_scores time_in_goal",
    "envs.task": "PROTOCOL_SEED",
    "envs.three_link": "GOAL_ANGLE leaning stands",
    "envs.three_link_tasks": "FoldAndRise",
    "envs.vector_env": "TaskVectorEnv",
    "evaluation.choosing": "choose",
    "evaluation.trained": "",
    "figures": "latent_map phase_plane save_png",
    "figures.canvas": "BLUE FAINT GREEN INK ORANGE PURPLE dress new_figure show_pixels to_image",
    "gradients.check": "moments",
    "gradients.exact": "all_points",
    "gradients.statistics": "cpu_microseconds step_of",
    "gradients.toys": "bit bits choice gamma gaussian interacting",
    "measures": "encode_means encode_places hold_out measure_map",
    "measures.model_error": "prediction_errors",
    "measures.ranks": "spearman",
    "models.latent_dynamics": "LatentDynamics",
    "models.layers": "mlp",
    "models.matrix_network": "LocallyLinearTransition",
    "models.network_kernels": "latent_step",
    "models.pixels": "unit_pixels",
    "models.planning_model": "planning_model",
    "models.reachability": "LANDMARKS MOST_LANDMARKS PassageDynamics",
    "objectives.objective": "Objective",
    "objectives.recipes": "RECIPES",
    "objectives.reachability": "PassageLikelihood",
    "objectives.unrolled": "LatentNoise Noise Unrolled UnrolledFeatures",
    "planners.engine": "engine_for",
    "planners.kernels": "",
    "runs.atomic": "erase replace_text",
    "runs.checkpoint": "load_checkpoint",
    "runs.folder": "RunFolder",
    "runs.versions": "package_versions source_commit",
    "tables": "table",
    "training.presets": "RECIPE default_embedding",
    "training.trainer": "Precision",
    "training.watch": "",
}
"""What the experiments take from behind the faces, module by module. It may only shrink."""

# fmt: off
COMMANDS_USE = (
    "agents.exploration", "agents.free_energy", "autoencoders.novelty", "autoencoders.novelty_run",
    "autoencoders.training", "benchmark.cell", "benchmark.report", "benchmark.store", "benchmark.table",
    "benchmark.text", "data.arguments", "data.card", "data.collection", "data.defaults", "data.specs",
    "envs.task", "errors", "evaluation.choosing", "evaluation.episode",
    "evaluation.picturing", "evaluation.scoring", "evaluation.trained", "fields", "figures",
    "gradients.comparing", "objectives.recipes", "parallel.jobs", "parallel.outcome", "play", "play.making",
    "play.window", "registry", "runs.atomic", "runs.checkpoint", "runs.config", "runs.folder",
    "runs.foreign", "runs.lock", "runs.logger", "runs.settings", "runs.tags", "runs.threads", "tables",
    "training.distributed", "training.presets", "training.run", "training.watch",
)
# fmt: on
"""Modules behind the faces that the commands use. The list may only shrink."""

in_checkout = pytest.mark.skipif(not (ROOT / "README.md").is_file(), reason="needs the repository")


def names_of(module: str) -> set[str]:
    """Return the names that a module promises."""
    return set(__import__(module, fromlist=["__all__"]).__all__)


def imported(source: str) -> set[tuple[str, str]]:
    """Return the names that a source imports from this project, as (module, name)."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "e2c_control":
            for alias in node.names:
                offered = getattr(import_module(node.module or ""), alias.name, None)
                inside = offered is None or isinstance(offered, ModuleType)
                found.add((f"{node.module}.{alias.name}", "") if inside else (node.module or "", alias.name))
        if isinstance(node, ast.Import):
            found |= {(alias.name, "") for alias in node.names if alias.name.startswith("e2c_control.")}
    return found


def test_the_names_are_pinned() -> None:
    offered = {name for name in dir(e2c_control) if not name.startswith("_")}
    modules = {name for name in offered if f"e2c_control.{name}" in sys.modules}
    extra = {"TYPE_CHECKING", "Any", "Path", "import_module"}
    assert offered - modules - extra == set(NAMES)
    assert len(NAMES) <= 50


@pytest.mark.parametrize("name", NAMES)
def test_each_name_is_there_and_explained(name: str) -> None:
    value = getattr(e2c_control, name)
    assert value.__name__ == name
    assert value.__module__.startswith("e2c_control.")
    assert value.__doc__


def test_type_checkers_see_the_same_names() -> None:
    source = Path(e2c_control.__file__).read_text(encoding="utf-8")
    (block,) = (
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    )
    seen = {(part.module, alias.name, alias.asname) for part in block.body for alias in part.names}
    assert {name for _, name, _ in seen} == set(NAMES)
    for module, name, known_as in seen:
        assert known_as == name
        assert getattr(__import__(module, fromlist=[name]), name) is getattr(e2c_control, name)


def test_the_import_is_cheap_until_a_name_is_used() -> None:
    code = (
        "import e2c_control, sys; dir(e2c_control); e2c_control.InputError; e2c_control.make_task('E2C/Planar-v0');"
        "print([n for n in ('torch', 'stable_baselines3', 'matplotlib', 'numba') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_name_that_is_not_there_says_so() -> None:
    with pytest.raises(AttributeError, match="module 'e2c_control' has no attribute 'Planer'"):
        _ = e2c_control.Planer


@in_checkout
def test_the_page_has_exactly_these_names() -> None:
    page = (ROOT / "e2c_control/README.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert sorted(name for row in rows for name in re.findall(r"`(\w+)`", row)) == sorted(NAMES)


@in_checkout
@pytest.mark.parametrize("page", PAGES)
def test_pages_use_the_front_door(page: str) -> None:
    """Nothing that a page shows comes from behind the faces."""
    text = (ROOT / page).read_text(encoding="utf-8")
    if page.endswith(".ipynb"):
        cells = (cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code")
        text = "".join(f"```python\n{''.join(cell['source'])}\n```" for cell in cells)
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        for module, name in imported(block):
            assert module == "e2c_control" or module.removeprefix("e2c_control.") in FACES, f"{module}.{name}"
            assert name in (NAMES if module == "e2c_control" else names_of(module)), f"{module}.{name}"


@in_checkout
def test_experiments_use_the_front_door() -> None:
    """The experiments use the front door, the faces, and the internals that are listed: no more, and no fewer."""
    behind: dict[str, set[str]] = {}
    for script in sorted((ROOT / "experiments").rglob("*.py")):
        for module, name in imported(script.read_text(encoding="utf-8")):
            room = module.removeprefix("e2c_control.")
            if module == "e2c_control" or room in FACES:
                known = {"", *(NAMES if module == "e2c_control" else names_of(module))}
                assert name in known, f"{script}: {module}.{name}"
            else:
                behind.setdefault(room, set()).add(name)
    assert {room: " ".join(sorted(names)).strip() for room, names in behind.items()} == INTERNALS


@in_checkout
def test_commands_use_the_front_door() -> None:
    """The commands use the front door, the faces, and the modules that are listed: no more, and no fewer."""
    found = {
        module.removeprefix("e2c_control.")
        for path in (ROOT / "e2c_control/cli").rglob("*.py")
        for module, _ in imported(path.read_text(encoding="utf-8"))
    }
    assert {room for room in found - {"e2c_control", *FACES} if room.partition(".")[0] != "cli"} == set(COMMANDS_USE)
