"""An embedding for the solvers of stable-worldmodel, and this project's planners as a solver in its worlds.

`EmbeddingCost` is a model for its solvers (CEM, iCEM, MPPI, the gradient solver), and `PlanningSolver` a solver for its
`WorldModelPolicy`, which `World.evaluate` drives by. Both keep the protocols of version 0.1.1, `Costable` and `Solver`,
and do not import it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy, deepcopy
from dataclasses import replace
from typing import Protocol

import numpy as np
import torch
from gymnasium import Space
from numpy.typing import NDArray
from torch import Tensor, nn

from e2c_control.agents.e2c_agent import E2CAgent, PlanState
from e2c_control.agents.planning import PlanningOptions
from e2c_control.data.pictures import as_frame
from e2c_control.errors import InputError
from e2c_control.models.embedding import Embedding
from e2c_control.planners import MPC, QuadraticCost, RoadmapCost
from e2c_control.planners.costs import finite_cost
from e2c_control.planners.torch_dynamics import rollout
from e2c_control.planners.torch_engine import tensor_cost

Values = NDArray[np.generic]
Preprocess = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""From images (N, h, w, c) to frames (N, H, W, C), like those that the embedding was trained on."""

OF_STEPS = ("rate_weight", "delay", "action_repeat", "frame_filter")
"""Options that mean something only where each step is planned from what the step before showed."""


class PlanConfig(Protocol):
    """What stable-worldmodel's `PlanConfig` says: blocks of a plan, those driven before the next, steps in a block."""

    horizon: int
    receding_horizon: int
    action_block: int
    warm_start: bool


class EmbeddingCost(nn.Module):
    """What actions cost in an embedding, as stable-worldmodel's solvers ask a model for it.

    It is the cost that planners of this project have by the same options: of the way in the map, by tensors and with
    derivatives, or, with the planner "roadmap", of the steps left around walls, without. The dynamics get actions as
    an environment takes them, within [-1, 1]; the weight of actions is of all that a solver tries.

    Args:
        embedding: trained; later changes of it are not seen.
        options: of the cost; default: by the roadmap where the embedding has one, else in the map.
        preprocess: makes frames of images; default: as this project makes them of what environments draw, by the mean
            of what each pixel covers, then to grey for an embedding of grey frames.

    Raises:
        InputError: the options have a rate of change, a delay, held actions or a filter.
    """

    def __init__(
        self, embedding: Embedding, options: PlanningOptions | None = None, preprocess: Preprocess | None = None
    ) -> None:
        super().__init__()
        self.embedding = deepcopy(embedding).requires_grad_(False).eval()
        self.options = options or PlanningOptions.suiting(embedding)
        _refuse(self.options, OF_STEPS, "stable-worldmodel's solvers see no single steps: leave it out")
        self._preprocess, self._landmarks = preprocess, None
        self._begun: tuple[Values, Values, NDArray[np.float64], MPC] | None = None

    def get_cost(self, info_dict: Mapping[str, object], action_candidates: Tensor) -> Tensor:
        """Return the costs (N, S) of action sequences (N, S, T, B m), T blocks of B actions each.

        Args:
            info_dict: "pixels" and "goal" (N, S, stack, h, w, c), uint8, the same for all S.
            action_candidates: what a solver tries.
        """
        shape = action_candidates.shape[:2]
        whose = np.repeat(np.arange(shape[0]), shape[1])
        controls = action_candidates.reshape(len(whose), -1, self.embedding.action_dim)
        starts, mpc = self._begin(_values(info_dict, "pixels")[:, 0], _values(info_dict, "goal")[:, 0])
        if type(mpc.cost) is QuadraticCost and mpc.cost.goal.ndim == 2:
            cost = copy(mpc.cost)
            cost.goal = cost.goal[whose]
            first = torch.as_tensor(starts[whose]).to(controls)
            states = rollout(self.embedding.transition.predict, first, controls.clamp(-1, 1))
            return tensor_cost(cost, first, *controls.shape[1:])(states, controls).reshape(shape)
        if controls.requires_grad:
            raise InputError("This cost has no derivatives: give options=PlanningOptions(), whose cost in the map has.")
        tried = controls.double().cpu().numpy()
        value = finite_cost(mpc.cost, mpc.dynamics.rollout(starts[whose], tried.clip(-1, 1)), tried, whose)
        return torch.as_tensor(value).to(controls).reshape(shape)

    def _begin(self, pixels: Values, goals: Values) -> tuple[NDArray[np.float64], MPC]:
        """Return where plans begin (N, k) and a controller to the goals, encoded once for all calls of a solver."""
        known = self._begun
        if known is None or not (np.array_equal(pixels, known[0]) and np.array_equal(goals, known[1])):
            seen = (_seen(self.embedding, images, self._preprocess) for images in (pixels, goals))
            starts, ends = (self.options.encode(self.embedding, images) for images in seen)
            mpc = self.options.controller(self.embedding, ends, self._landmarks)
            self._landmarks = mpc.cost.landmarks if isinstance(mpc.cost, RoadmapCost) else None
            known = self._begun = (pixels.copy(), goals.copy(), starts, mpc)
        return known[2:]


class PlanningSolver:
    """An agent's planner as a solver of stable-worldmodel's `WorldModelPolicy`.

    Each episode goes on from its own last plan and memory: the info's "id" says which episode it is.

    Args:
        agent: trained for frames of the world, with options of its own but the horizon, which is the policy's.
        preprocess: as for `EmbeddingCost`.
    """

    def __init__(self, agent: E2CAgent, preprocess: Preprocess | None = None) -> None:
        self.agent, self._preprocess = agent, preprocess

    def configure(self, *, action_space: Space[Values], n_envs: int, config: PlanConfig) -> None:
        """Take over the environments and the planning loop, and forget all episodes.

        Raises:
            InputError: the actions are not the embedding's, or several steps are to be driven by a plan that goes by
                what each step shows.
        """
        agent, m, given = self.agent, self.agent.embedding.action_dim, action_space.shape
        self._warm, self._driven = config.warm_start, config.receding_horizon * config.action_block
        if given != (n_envs, m):
            raise InputError(f"The actions are {given}, those of the embedding {(n_envs, m)}: train it in this world.")
        if self._driven > 1:
            remedy = "several steps are driven by one plan: give PlanConfig(receding_horizon=1, action_block=1)"
            _refuse(agent.options, (*OF_STEPS, "planner") if agent.options.by_places else OF_STEPS, remedy)
        options = replace(agent.options, horizon=config.horizon * config.action_block)
        self.agent = E2CAgent.from_embedding(agent.embedding, options, agent.seed)
        self.n_envs, self.horizon, self.action_dim = n_envs, config.horizon, m * config.action_block
        self._goals, self._kept = np.empty(0, np.uint8), dict[int, tuple[PlanState, int]]()

    def solve(self, info_dict: Mapping[str, object], init_action: Tensor | None = None) -> dict[str, object]:
        """Plan for all environments, or some of them.

        Args:
            info_dict: "pixels" and "goal" (N, stack, h, w, c), uint8, and "id" (N, 1).
            init_action: not looked at: the last plans are kept here.

        Returns:
            "actions" (N, horizon, action_dim), and "costs" of the plans.
        """
        pixels, goals, numbers = (_values(info_dict, name) for name in ("pixels", "goal", "id"))
        episodes: list[int] = numbers.ravel().tolist()
        actions, costs = np.empty((len(pixels), self.horizon, self.action_dim)), np.empty(len(pixels))
        if len(set(episodes)) < len(episodes):
            raise InputError("Several environments have the same episode id: reset each with a seed of its own.")
        kept, groups = self._kept, dict[int, list[int]]()  # rows that were planned together before, or that begin
        for row, episode in enumerate(episodes):
            groups.setdefault(id(kept[episode][0]) if episode in kept else 0, []).append(row)
        for together, rows in groups.items():
            before = [self._kept[episodes[row]] for row in rows] if together else []
            if not np.array_equal(goals[rows], self._goals):
                self._goals = goals[rows]
                self.agent.set_goal(_seen(self.agent.embedding, self._goals, self._preprocess))
            shown = _seen(self.agent.embedding, pixels[rows], self._preprocess)
            _, state = self.agent.predict(shown, before[0][0].select([at for _, at in before]) if before else None)
            plan = state.plan.shift(self.agent.options.horizon, steps=0)
            actions[rows], costs[rows] = plan.controls.reshape(len(rows), self.horizon, -1), plan.cost
            state = state.later(self._driven - 1)
            new = {episodes[row]: (state, at) for at, row in enumerate(rows)}
            kept = {episode: known for episode, known in kept.items() if episode not in new} | new
        # The newest last: episodes that are over never come back, and are forgotten in time.
        self._kept = dict(list(kept.items())[-4 * self.n_envs :]) if self._warm else {}
        return {"actions": torch.from_numpy(actions), "costs": costs.tolist()}

    __call__ = solve


def _values(info: Mapping[str, object], name: str) -> Values:
    if name not in info:
        raise InputError(f"The info has no {name!r}: drive in a World of stable-worldmodel, to goals of a dataset.")
    return value.cpu().numpy() if isinstance(value := info[name], Tensor) else np.asarray(value)


def _seen(embedding: Embedding, images: Values, preprocess: Preprocess | None) -> NDArray[np.uint8]:
    """Return observations (N, H, W, stack C) of images (N, stack, h, w, c), the oldest first."""
    if images.ndim != 5 or images.dtype != np.uint8:
        given = f"{images.dtype} of shape {images.shape[1:]}"
        raise InputError(f"Images are {given}: leave them as the World draws them, uint8 (1, H, W, C), untransformed.")
    (n, stack), (height, width, channels) = images.shape[:2], embedding.observation_shape
    flat, shape = images.reshape(-1, *images.shape[2:]).astype(np.uint8, copy=False), (height, width, channels // stack)
    if preprocess is not None:
        flat = preprocess(flat)
    elif flat.shape[1:] != shape:
        flat = np.stack([as_frame(image, shape) for image in flat])
    return np.concatenate(np.moveaxis(flat.reshape(n, stack, *flat.shape[1:]), 1, 0), axis=-1)


def _refuse(options: PlanningOptions, names: tuple[str, ...], why: str) -> None:
    usual = PlanningOptions()
    for name in (name for name in names if getattr(options, name) != getattr(usual, name)):
        raise InputError(f"{name} is {getattr(options, name)!r}, but {why}.")
