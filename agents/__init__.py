"""Things that act: learn, predict, save, load."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from e2c_control.agents.e2c_agent import E2CAgent
from e2c_control.agents.filtering import FrameFilter
from e2c_control.agents.learning import RoundOptions
from e2c_control.agents.planning import PlanningOptions

if TYPE_CHECKING:
    from e2c_control.agents.curiosity import CuriosityOptions, PlannedCuriosity
    from e2c_control.agents.free_energy import FreeEnergyAgent
    from e2c_control.agents.novelty import NoveltyCallback, NoveltyOptions, NoveltyReplayBuffer, NoveltyReward
    from e2c_control.agents.policy_gradient import LAX, RELAX, A2CBaseline
    from e2c_control.agents.scene_agent import SceneAgent
    from e2c_control.agents.stable_worldmodel import EmbeddingCost, PlanningSolver
    from e2c_control.training.scene import SceneTraining

_LATER = {
    **dict.fromkeys(("CuriosityOptions", "PlannedCuriosity"), "e2c_control.agents.curiosity"),
    **dict.fromkeys(("LAX", "RELAX", "A2CBaseline"), "e2c_control.agents.policy_gradient"),
    **dict.fromkeys(
        ("NoveltyCallback", "NoveltyOptions", "NoveltyReplayBuffer", "NoveltyReward"), "e2c_control.agents.novelty"
    ),
    **dict.fromkeys(("EmbeddingCost", "PlanningSolver"), "e2c_control.agents.stable_worldmodel"),
    "FreeEnergyAgent": "e2c_control.agents.free_energy",
    "SceneAgent": "e2c_control.agents.scene_agent",
    "SceneTraining": "e2c_control.training.scene",
}
"""What is imported when it is asked for."""

__all__ = [
    "LAX",
    "RELAX",
    "A2CBaseline",
    "CuriosityOptions",
    "E2CAgent",
    "EmbeddingCost",
    "FrameFilter",
    "FreeEnergyAgent",
    "NoveltyCallback",
    "NoveltyOptions",
    "NoveltyReplayBuffer",
    "NoveltyReward",
    "PlannedCuriosity",
    "PlanningOptions",
    "PlanningSolver",
    "RoundOptions",
    "SceneAgent",
    "SceneTraining",
]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
