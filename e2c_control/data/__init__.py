"""Datasets of transitions: collected from any Gymnasium environment, kept as plain ``.npy``, sampled in batches."""

from e2c_control.data.card import DatasetCard
from e2c_control.data.choices import Choices
from e2c_control.data.collect import collect
from e2c_control.data.environments import make_image_env, make_vector_env
from e2c_control.data.policy import Policy, UniformPolicy
from e2c_control.data.transitions import Transitions, stack_frames
from e2c_control.data.writer import TransitionsWriter

__all__ = [
    "Choices",
    "DatasetCard",
    "Policy",
    "Transitions",
    "TransitionsWriter",
    "UniformPolicy",
    "collect",
    "make_image_env",
    "make_vector_env",
    "stack_frames",
]
