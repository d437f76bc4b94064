"""Control and reinforcement learning from pixels.

The names that this module offers are the front door: they are kept from version to version, and nothing else is
promised, though the second-level modules (planners, gradients, autoencoders, agents, envs, data, evaluation) change
seldom. README.md beside this file has them on one page. Importing this package registers the Gymnasium environments
(``E2C/...``) and loads neither torch nor stable-baselines3: each name is imported when it is first used.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

# In a checkout the sibling folders (envs, planners, agents) are not inside this one: look beside it too, so that
# `python -m e2c_control` works at the repository's root however the package is installed.
_here = Path(__file__).resolve().parent
if not (_here / "envs").is_dir() and (_here.parent / "envs" / "__init__.py").is_file():
    __path__.append(str(_here.parent))

from e2c_control import envs as envs  # noqa: E402  (registers the environments)

if TYPE_CHECKING:
    from e2c_control.agents import LAX as LAX
    from e2c_control.agents import RELAX as RELAX
    from e2c_control.agents import E2CAgent as E2CAgent
    from e2c_control.agents import FreeEnergyAgent as FreeEnergyAgent
    from e2c_control.agents import NoveltyCallback as NoveltyCallback
    from e2c_control.agents import NoveltyOptions as NoveltyOptions
    from e2c_control.agents import NoveltyReward as NoveltyReward
    from e2c_control.agents import PlannedCuriosity as PlannedCuriosity
    from e2c_control.agents import PlanningOptions as PlanningOptions
    from e2c_control.autoencoders import AutoEncoder as AutoEncoder
    from e2c_control.data import Transitions as Transitions
    from e2c_control.data import TransitionsWriter as TransitionsWriter
    from e2c_control.data import collect as collect
    from e2c_control.data import make_image_env as make_image_env
    from e2c_control.data import make_vector_env as make_vector_env
    from e2c_control.envs import System as System
    from e2c_control.envs import Task as Task
    from e2c_control.envs import make_task as make_task
    from e2c_control.errors import InputError as InputError
    from e2c_control.evaluation import TrainedRun as TrainedRun
    from e2c_control.evaluation import drive as drive
    from e2c_control.gradients import Estimator as Estimator
    from e2c_control.gradients import check_unbiased as check_unbiased
    from e2c_control.models.embedding import Embedding as Embedding
    from e2c_control.models.embedding import EmbeddingConfig as EmbeddingConfig
    from e2c_control.objectives.objective import WeightedTerm as WeightedTerm
    from e2c_control.objectives.recipe import Phase as Phase
    from e2c_control.objectives.recipe import Recipe as Recipe
    from e2c_control.objectives.recipes import make_recipe as make_recipe
    from e2c_control.objectives.term import Term as Term
    from e2c_control.planners import ICEM as ICEM
    from e2c_control.planners import ILQR as ILQR
    from e2c_control.planners import MPC as MPC
    from e2c_control.planners import Dynamics as Dynamics
    from e2c_control.planners import FunctionDynamics as FunctionDynamics
    from e2c_control.planners import Limits as Limits
    from e2c_control.planners import Plan as Plan
    from e2c_control.planners import Planner as Planner
    from e2c_control.planners import QuadraticCost as QuadraticCost
    from e2c_control.planners import make_planner as make_planner
    from e2c_control.training.run import TrainConfig as TrainConfig
    from e2c_control.training.run import start_run as start_run
    from e2c_control.training.run import train as train
    from e2c_control.training.trainer import Trainer as Trainer

_OFFERED = {
    "agents": "E2CAgent FreeEnergyAgent LAX NoveltyCallback NoveltyOptions NoveltyReward PlannedCuriosity "
    "PlanningOptions RELAX",
    "autoencoders": "AutoEncoder",
    "data": "Transitions TransitionsWriter collect make_image_env make_vector_env",
    "envs": "System Task make_task",
    "errors": "InputError",
    "evaluation": "TrainedRun drive",
    "gradients": "Estimator check_unbiased",
    "models.embedding": "Embedding EmbeddingConfig",
    "objectives.objective": "WeightedTerm",
    "objectives.recipe": "Phase Recipe",
    "objectives.recipes": "make_recipe",
    "objectives.term": "Term",
    "planners": "Dynamics FunctionDynamics ICEM ILQR Limits MPC Plan Planner QuadraticCost make_planner",
    "training.run": "TrainConfig start_run train",
    "training.trainer": "Trainer",
}
"""Modules, and the names that the front door offers of each."""

_WHERE = {name: f"e2c_control.{module}" for module, names in _OFFERED.items() for name in names.split()}

__all__ = list(_WHERE)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value  # asked once
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
