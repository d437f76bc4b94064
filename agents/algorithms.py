"""The state of a stable-baselines3 algorithm as tensors and JSON: nothing is pickled."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import Tensor

from e2c_control.runs.stateful import Groups, Part, State, Stateful, gather, put_back
from e2c_control.runs.typed_json import fields_from, to_json

COUNTERS: Mapping[str, object] = {
    **dict.fromkeys(("num_timesteps", "_episode_num", "_n_updates", "_total_timesteps"), int),
    "_current_progress_remaining": float,
}
LEARNT: Mapping[str, object] = {
    "optimizers": Mapping[str, object],
    "counters": Mapping[str, object],
    "episodes": list[Any],
    "successes": list[float],
}
"""What the JSON of an algorithm's state must have."""


class AlgorithmState:
    """All that the next step of an algorithm depends on but its environments: it is `Stateful` in the model's place.

    Weights, optimisers, counters, the latest episodes, and what a replay buffer holds that is `Stateful` itself.
    """

    def __init__(self, model: BaseAlgorithm) -> None:
        self._model: Any = model

    def parts(self) -> dict[str, Part]:
        """Return networks and optimisers, by the names that stable-baselines3 has for them."""
        return {name: attrgetter(name)(self._model) for name in self._model._get_torch_save_params()[0]}

    def _variables(self) -> dict[str, Tensor]:
        """Return tensors that are part of a model and of none of its networks, such as the weight of SAC's entropy."""
        return {name: getattr(self._model, name) for name in self._model._get_torch_save_params()[1]}

    def _replay(self) -> dict[str, Part]:
        buffer = getattr(self._model, "replay_buffer", None)
        return {"replay": buffer} if isinstance(buffer, Stateful) else {}

    def state(self) -> State:
        """Return networks and optimisers as groups of tensors, and the rest as JSON."""
        model, (tensors, optimizers), (replayed, replay) = self._model, gather(self.parts()), gather(self._replay())
        meta: dict[str, object] = {
            "optimizers": optimizers,
            "counters": {name: getattr(model, name) for name in COUNTERS},
            # A monitor may have kept anything of `info`: only numbers and texts are written.
            "episodes": [
                {key: to_json(value) for key, value in row.items() if np.isscalar(value)}
                for row in model.ep_info_buffer or ()
            ],
            "successes": [float(success) for success in model.ep_success_buffer or ()],
        }
        variables = {"variables": own} if (own := self._variables()) else {}
        return State({**tensors, **replayed, **variables}, {**meta, **replay})

    def restore(self, tensors: Groups, meta: Mapping[str, object], /) -> None:
        """Go on from what `state` returned; ValueError if a field of `meta` cannot have such a value."""
        model, meta = self._model, fields_from(LEARNT, meta)
        put_back(self.parts(), tensors, meta["optimizers"])
        with torch.no_grad():
            for name, variable in self._variables().items():
                variable.copy_(tensors["variables"][name])
        counters = fields_from(COUNTERS, meta["counters"])
        for name in COUNTERS:
            setattr(model, name, counters[name])
        for row in meta["episodes"]:
            fields_from(dict.fromkeys("rlt", float), row, "episodes")
        model.ep_info_buffer = deque(meta["episodes"], maxlen=model._stats_window_size)
        model.ep_success_buffer = deque(meta["successes"], maxlen=model._stats_window_size)
        put_back(self._replay(), tensors, meta)
