"""Trained runs driven and scored: open one, drive it through a list of problems, draw an episode."""

from e2c_control.evaluation.driving import Drive, drive
from e2c_control.evaluation.trained import TrainedRun

__all__ = ["Drive", "TrainedRun", "drive"]
