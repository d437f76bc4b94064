"""Planned curiosity: planners that seek what is new in latent space."""

from e2c_control.agents.curiosity.agent import CuriousPolicy, CuriousState, PlannedCuriosity
from e2c_control.agents.curiosity.experience import Experience
from e2c_control.agents.curiosity.options import CuriosityOptions
from e2c_control.agents.curiosity.seeking import LatentNovelty, Sought

__all__ = [
    "CuriosityOptions",
    "CuriousPolicy",
    "CuriousState",
    "Experience",
    "LatentNovelty",
    "PlannedCuriosity",
    "Sought",
]
