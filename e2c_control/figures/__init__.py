"""Pictures of a map, of predictions and of driven paths. Importing this loads matplotlib."""

from e2c_control.figures.driven_path import Journey, driven_path
from e2c_control.figures.files import save_gif, save_png
from e2c_control.figures.latent_map import latent_map
from e2c_control.figures.phase_plane import phase_plane
from e2c_control.figures.predictions import predictions

__all__ = ["Journey", "driven_path", "latent_map", "phase_plane", "predictions", "save_gif", "save_png"]
