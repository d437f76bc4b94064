"""The free-energy agent: explores what its world model cannot reconstruct yet."""

from e2c_control.agents.free_energy.agent import FreeEnergyAgent, FreeEnergyOptions

__all__ = ["FreeEnergyAgent", "FreeEnergyOptions"]
