"""Callbacks, as stable-baselines3's users know them, and what tells them of every step."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any, NoReturn, cast

from gymnasium.vector import VectorWrapper
from stable_baselines3.common.callbacks import BaseCallback, CallbackList, ConvertCallback
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat
from tqdm import tqdm

from e2c_control.data.foreign import Vectors
from e2c_control.errors import flag
from e2c_control.runs import progress as bars
from e2c_control.runs.tags import describing

AfterStep = Callable[[dict[str, object]], bool]
Callback = BaseCallback | list[BaseCallback] | Callable[[dict[str, object], dict[str, object]], bool] | None


class Stopped(BaseException):
    """A callback asked to stop. No `Exception`, so that nobody takes it for an error of the environment."""


def describe_curves(logger: Logger) -> None:
    """Say in TensorBoard what each curve means that stable-baselines3 logs."""
    for output in logger.output_formats:
        if isinstance(output, TensorBoardOutputFormat):
            describing(output.writer)


class Counted(VectorWrapper[Any, Any, Any]):
    """Tells somebody about every step of a vector of environments."""

    def __init__(self, env: Vectors, after_step: AfterStep) -> None:
        super().__init__(env)
        self._after_step = after_step

    def step(self, actions: Any) -> Any:
        result = self.env.step(actions)
        _, rewards, terminated, truncated, infos = result
        if not self._after_step({"rewards": rewards, "dones": terminated | truncated, "infos": infos}):
            raise Stopped
        return result


class Progress(BaseCallback):
    """Moves a bar by the environment steps that are taken."""

    def __init__(self, bar: tqdm[NoReturn]) -> None:
        super().__init__()
        self.bar = bar

    def _on_training_start(self) -> None:
        self._shown = self.num_timesteps

    def _on_step(self) -> bool:
        self.bar.update(self.num_timesteps - self._shown)
        self._shown = self.num_timesteps
        return True


@contextmanager
def with_bar(callbacks: Iterable[BaseCallback], steps: int, shown: bool) -> Generator[CallbackList]:
    """Return callbacks, and one that moves a bar over so many environment steps, as all commands show it.

    stable-baselines3's own bar takes packages that need not be there.
    """
    with bars.progress_bar(steps, unit=" steps", enabled=flag("progress_bar", shown)) as bar:
        yield CallbackList([*callbacks, Progress(bar)])


class OfAgent(CallbackList):
    """A callback that gets an agent where stable-baselines3 gives it the algorithm inside: to be saved, to be asked."""

    def __init__(self, agent: Any, callback: Callback) -> None:
        super().__init__([as_callback(callback)])
        self.agent = agent

    def _init_callback(self) -> None:
        for callback in self.callbacks:
            callback.init_callback(self.agent)


def as_callback(callback: Callback) -> BaseCallback:
    """Return one callback of none, one, a list of them or a function."""
    if isinstance(callback, list):
        return CallbackList(cast(list[BaseCallback], callback))
    return callback if isinstance(callback, BaseCallback) else ConvertCallback(callback)
