"""What a policy sees while it explores, kept as a dataset and watched."""

from e2c_control.agents.callbacks import Progress
from e2c_control.agents.exploration.coverage import Coverage
from e2c_control.agents.exploration.curves import Curves
from e2c_control.agents.exploration.gathering import Gathering
from e2c_control.agents.exploration.most_novel import MostNovel
from e2c_control.agents.exploration.recorder import Recorder
from e2c_control.agents.exploration.run import Exploration, ExploreConfig, given_config, resumed_config

__all__ = [
    "Coverage",
    "Curves",
    "Exploration",
    "ExploreConfig",
    "Gathering",
    "MostNovel",
    "Progress",
    "Recorder",
    "given_config",
    "resumed_config",
]
