"""Training of the novelty model within one `learn` of the policy."""

from __future__ import annotations

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import unwrap_vec_wrapper

from e2c_control.agents.novelty.reward import NoveltyReward
from e2c_control.errors import InputError


class NoveltyCallback(BaseCallback):
    """Trains the model of a `NoveltyReward` every `train_every` environment steps, and logs under novelty/.

    - novelty/score: mean of the model's own scores since the last entry;
    - novelty/bonus: the same as it was paid;
    - novelty/deviation: what scores are divided by;
    - novelty/loss and novelty/loss_...: of the model's last training, and its parts;
    - novelty/updates: steps of its optimiser so far.
    """

    reward: NoveltyReward

    def _on_training_start(self) -> None:
        found = unwrap_vec_wrapper(self.training_env, NoveltyReward)
        if not isinstance(found, NoveltyReward):
            raise InputError("There is no novelty to be learnt here: wrap the environments in NoveltyReward.")
        self.reward = found

    def _on_step(self) -> bool:
        for name, key in (("score", "novelty"), ("bonus", "intrinsic")):
            self.logger.record_mean(f"novelty/{name}", float(np.mean([info[key] for info in self.locals["infos"]])))
        if self.reward.due:
            for name, value in self.reward.train().items():
                self.logger.record("novelty/loss" if name == "total" else f"novelty/loss_{name}", value)
            self.logger.record("novelty/deviation", self.reward.scale.deviation)
            self.logger.record("novelty/updates", self.reward.novelty.updates)
        return True
