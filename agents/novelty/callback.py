"""Training of the novelty model within one `learn` of the policy."""

from __future__ import annotations

import warnings

from stable_baselines3.common.callbacks import BaseCallback

from e2c_control.agents.callbacks import describe_curves
from e2c_control.agents.novelty.replay import NoveltyReplayBuffer
from e2c_control.agents.novelty.reward import NoveltyReward, rewards_of
from e2c_control.errors import InputError, InputWarning


class NoveltyCallback(BaseCallback):
    """Trains the model of each `NoveltyReward` every `train_every` environment steps, and logs under novelty/.

    - novelty/score: mean of the model's own scores since the last entry;
    - novelty/bonus: the same as it was paid;
    - novelty/deviation: what scores are divided by;
    - novelty/loss and novelty/loss_...: of the model's last training, and its parts;
    - novelty/updates: steps of its optimiser so far.

    Where several stand one upon another, the second from outside logs under novelty_2/, and so on.
    """

    rewards: list[NoveltyReward]

    def _on_training_start(self) -> None:
        self.rewards = rewards_of(self.model)
        if not self.rewards:
            raise InputError("There is no novelty to be learnt here: wrap the environments in NoveltyReward.")
        describe_curves(self.logger)
        buffer = getattr(self.model, "replay_buffer", None)
        if isinstance(buffer, NoveltyReplayBuffer):
            buffer.settle(self.rewards[0])
        elif buffer is not None:
            warnings.warn(
                f"{type(self.model).__name__} replays what it stored, so also bonuses of long ago, which have faded: "
                "give it replay_buffer_class=NoveltyReplayBuffer, which scores anew.",
                InputWarning,
                stacklevel=2,
            )

    def _on_step(self) -> bool:
        for place, reward in enumerate(self.rewards, 1):
            self._learn(reward, "novelty" if place == 1 else f"novelty_{place}")
        return True

    def _learn(self, reward: NoveltyReward, group: str) -> None:
        self.logger.record_mean(f"{group}/score", float(reward.score.mean()))
        self.logger.record_mean(f"{group}/bonus", float(reward.paid.mean()))
        if reward.due:
            for name, value in reward.train().items():
                self.logger.record(f"{group}/loss" if name == "total" else f"{group}/loss_{name}", value)
            self.logger.record(f"{group}/deviation", reward.scale.deviation)
            self.logger.record(f"{group}/updates", reward.novelty.updates)
