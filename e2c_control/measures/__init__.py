"""Measures of a trained embedding: the quality of its latent map, and how well it predicts and controls."""

from e2c_control.measures.encoded import decode_frames, encode_means, encode_places
from e2c_control.measures.held_out import HeldOut, hold_out
from e2c_control.measures.map_metrics import MapMetrics, StateMetrics, measure, measure_map
from e2c_control.measures.recorded import Recorded, kept_latents
from e2c_control.measures.resemblance import resemblance
from e2c_control.measures.ways import measure_ways

__all__ = [
    "HeldOut",
    "MapMetrics",
    "Recorded",
    "StateMetrics",
    "decode_frames",
    "encode_means",
    "encode_places",
    "hold_out",
    "kept_latents",
    "measure",
    "measure_map",
    "measure_ways",
    "resemblance",
]
