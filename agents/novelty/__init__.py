"""Novelty as a reward for any stable-baselines3 algorithm."""

from e2c_control.agents.novelty.callback import NoveltyCallback
from e2c_control.agents.novelty.forward_model import ForwardModel
from e2c_control.agents.novelty.memory import Memory
from e2c_control.agents.novelty.model import NoveltyModel
from e2c_control.agents.novelty.novelty import Novelty, NoveltyOptions
from e2c_control.agents.novelty.random_network import RandomNetwork
from e2c_control.agents.novelty.reconstruction import PlainError, ReconstructionError, RecurrentError, VariationalError
from e2c_control.agents.novelty.registry import MODELS, REMEDIES, make_model
from e2c_control.agents.novelty.remedies import LearningProgress, MinusNoise
from e2c_control.agents.novelty.replay import NoveltyReplayBuffer
from e2c_control.agents.novelty.reward import NoveltyReward
from e2c_control.agents.novelty.scaling import ReturnScale
from e2c_control.agents.novelty.weights import Weights
from e2c_control.agents.novelty.windows import Layout, Windows

__all__ = [
    "MODELS",
    "REMEDIES",
    "ForwardModel",
    "Layout",
    "LearningProgress",
    "Memory",
    "MinusNoise",
    "Novelty",
    "NoveltyCallback",
    "NoveltyModel",
    "NoveltyOptions",
    "NoveltyReplayBuffer",
    "NoveltyReward",
    "PlainError",
    "RandomNetwork",
    "ReconstructionError",
    "RecurrentError",
    "ReturnScale",
    "VariationalError",
    "Weights",
    "Windows",
    "make_model",
]
