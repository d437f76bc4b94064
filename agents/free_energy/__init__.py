"""The free-energy agent: explores what its world model cannot reconstruct yet."""

from e2c_control.agents.free_energy.agent import FreeEnergyAgent, FreeEnergyOptions
from e2c_control.agents.free_energy.sight import SightCallback, WhitenedImages

__all__ = ["FreeEnergyAgent", "FreeEnergyOptions", "SightCallback", "WhitenedImages"]
