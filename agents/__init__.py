"""Things that act: learn, predict, save, load."""

from e2c_control.agents.e2c_agent import E2CAgent
from e2c_control.agents.evaluation import Drive, drive
from e2c_control.agents.filtering import FrameFilter
from e2c_control.agents.planning import PlanningOptions

__all__ = ["Drive", "E2CAgent", "FrameFilter", "PlanningOptions", "drive"]
