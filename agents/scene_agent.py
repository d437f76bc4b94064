"""An agent that tells scene and mover apart, and so drives in scenes that it never saw."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from e2c_control.agents.goals import EpisodeGoals, GoalEnv, check_goals, starting
from e2c_control.data.transitions import Transitions
from e2c_control.errors import InputError, InputWarning
from e2c_control.fields import ListSeed, checked
from e2c_control.models.scene import Scene, SceneConfig
from e2c_control.planners import Limits, Memory
from e2c_control.planners.memory import NEARER, SURPRISE
from e2c_control.planners.open_places import CLOSED, OpenPlaces
from e2c_control.planners.sampling import spread
from e2c_control.runs.stateful import State, gather, loading, put_back, save
from e2c_control.training.scene import SceneSigns, SceneTraining, learn_scene

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

TRIED = 81
"""Actions among which each step chooses."""


@dataclass(frozen=True, eq=False)
class SceneState:
    """What `SceneAgent.predict` hands back to be given again at the next step.

    Attributes:
        backgrounds: of the episodes, (N, H, W, C).
        ways: the steps to their goals.
        places: where the mover was, (N, 2).
        hoped: where it was to be next, (N, 2).
        actions: (N, m).
        memories: what came out otherwise.
    """

    backgrounds: Tensor
    ways: OpenPlaces
    places: Array
    hoped: Array
    actions: Array
    memories: tuple[Memory, ...]


class SceneAgent:
    """Drives the one thing that moves in a picture to where a goal image shows it, around what blocks it.

    At the first frame of an episode it paints the background, finds out where in it the mover can be, and counts the
    steps from everywhere to the goal. Then it takes the action at each step after which the fewest are left. What came
    out otherwise than expected, and where it came no nearer, is remembered for the rest of the episode.

        agent = SceneAgent.learnt(collect(make_vector_env("E2C/Rooms-v0", 20), "rooms", 20_000, 100))
        env = gymnasium.make("E2C/Rooms-v0")
        agent.follow_goals(env)

    Args:
        scene: trained.
        signs: of its training.
    """

    kind = "SceneAgent"

    def __init__(self, scene: Scene, signs: SceneSigns) -> None:
        self.scene, self.signs = scene, signs
        m = scene.config.action_dim
        self._tried = spread(Limits(-np.ones(m), np.ones(m)), TRIED, np.random.default_rng(0))
        self._gain, self._scale = scene.gain.detach().double().numpy(), float(scene.get_buffer("scale"))
        self._goals: NDArray[np.uint8] | None = None
        self._followed: EpisodeGoals | None = None

    @classmethod
    @checked
    def learnt(cls, transitions: Transitions, seed: ListSeed = 0, training: SceneTraining | None = None) -> Self:
        """Return an agent that learnt from recorded images and actions; says where the method does not hold.

        Args:
            transitions: single frames of many scenes, each of which stays as it is for an episode.
            seed: of weights and batches.
            training: how long.

        Raises:
            InputError: nothing moves, or no action moves it.
        """
        agent = cls(*learn_scene(transitions, seed, training))
        if agent.signs.doubt is not None:
            warnings.warn(agent.signs.doubt, InputWarning, stacklevel=3)
        return agent

    def set_goal(self, images: ArrayLike) -> None:
        """Drive to an image (H, W, C), or one for each environment (N, H, W, C), of the same scene as the episode."""
        self._goals, self._followed = self._checked(images, "The goal"), None

    def follow_goals(self, env: GoalEnv) -> None:
        """Drive to whatever is the goal of the episode: `goal_observation` of these environments, read at each reset.

        Raises:
            InputError: the environments have no `goal_observation`.
        """
        self._followed = EpisodeGoals(env)

    @torch.no_grad()
    def predict(
        self,
        observation: NDArray[np.uint8],
        state: SceneState | None = None,
        episode_start: Bools | None = None,
        deterministic: bool = True,
    ) -> tuple[NDArray[np.float32], SceneState]:
        """Return the actions after which the fewest steps are left, and what to pass in next time.

        Args:
            observation: (H, W, C) of one environment or (N, H, W, C) of several, uint8; of frame stacks the last.
            state: what the last call returned, or none at first.
            episode_start: which environments were reset since, (N,).
            deterministic: accepted for stable-baselines3; the action is the same either way.

        Returns:
            Actions (m,) or (N, m) in [-1, 1], and the state.

        Raises:
            InputError: no goal is set, or the observation is of another shape or type than those learnt from.
        """
        frames = self._checked(observation, "The observation")
        fresh = starting(len(frames), None if state is None else len(state.places), episode_start)
        if self._followed is not None:
            counted = self._followed.at_start()
            fresh = counted if state is not None and counted is not None else fresh
            if fresh.any():
                self._goals = self._checked(self._followed.images(), "The environment's goal")
        backgrounds, ways = self._begun(frames, fresh, state)
        places = self.scene.places(torch.from_numpy(frames), backgrounds).double().numpy()
        lost = ~np.isfinite(places).all(1)
        if state is None:
            places[lost] = ways.goals[lost]
            memories = (Memory.empty(2, self._tried.shape[1]),) * len(places)
        else:
            places[lost] = state.hoped[lost]
            memories = self._remembered(places, fresh, state)
        if fresh.any() and (ways.to_go(places[:, None])[fresh] >= CLOSED).any():
            warnings.warn(
                "No way is known from the start to the goal: it is tried through what may be closed.",
                InputWarning,
                stacklevel=2,
            )
        actions, hoped = self._chosen(backgrounds, ways, places, memories)
        taken = actions.astype(np.float32)
        after = SceneState(backgrounds, ways, places, hoped, actions, memories)
        return taken if np.ndim(observation) == 4 else taken[0], after

    def save(self, path: Path | str) -> None:
        """Write a folder of JSON and safetensors; the goal is not in it."""
        tensors, _ = gather({"scene": self.scene})
        save(path, State(tensors, {"config": self.scene.config, "signs": self.signs}), self.kind)

    @classmethod
    def load(cls, path: Path | str, trust: Sequence[str] = ()) -> Self:
        """Return an agent that `save` wrote.

        Raises:
            InputError: the folder is missing or damaged, or holds something else.
        """
        with loading(path, {"config": SceneConfig, "signs": SceneSigns}, cls.kind, trust=trust) as (tensors, meta):
            scene = Scene(meta["config"])
            put_back({"scene": scene}, tensors, meta)
            return cls(scene.eval().requires_grad_(False), meta["signs"])

    def _begun(self, frames: NDArray[np.uint8], fresh: Bools, state: SceneState | None) -> tuple[Tensor, OpenPlaces]:
        """Return backgrounds and ways of all episodes, those that begin with new ones."""
        if state is not None and not fresh.any():
            return state.backgrounds, state.ways
        given = check_goals(self._goals, len(frames))
        goals = torch.from_numpy(np.broadcast_to(given, frames.shape)[fresh].copy())
        # Start and goal are two pictures of one scene: what the mover covers in the one shows in the other.
        painted = self.scene.backgrounds(torch.from_numpy(frames[fresh]), goals)
        found = self.scene.places(goals, painted)
        if not found.isfinite().all():
            raise InputError("A goal image shows no mover: give an image with the mover where it is to go.")
        is_open = self.scene.open_places(painted).numpy()
        new = OpenPlaces.towards(found.double().numpy(), self._gain, is_open)
        if state is None:
            return painted, new
        backgrounds, rows = state.backgrounds.clone(), np.flatnonzero(fresh)
        backgrounds[torch.from_numpy(rows)] = painted
        return backgrounds, state.ways.updated(rows, new)

    def _remembered(self, places: Array, fresh: Bools, state: SceneState) -> tuple[Memory, ...]:
        """Return the memories after the step that led to places (N, 2); only what is worth remembering is looked at."""
        empty = Memory.empty(2, self._tried.shape[1])
        memories = [empty if new else memory for new, memory in zip(fresh, state.memories, strict=True)]
        before, left = (state.ways.to_go(p[:, None])[:, 0] for p in (state.places, places))
        surprised = np.linalg.norm(places - state.hoped, axis=1) > SURPRISE * self._scale
        for n in np.flatnonzero(~fresh & surprised):
            memories[n] = memories[n].after(state.places[n], state.actions[n], state.hoped[n], places[n], self._scale)
        raised = np.array([len(memory.stalls) > 0 for memory in memories])
        for n in np.flatnonzero(~fresh & (raised | (left >= before - NEARER))):
            heights = memories[n].raised(np.stack((state.places[n], places[n])), self._scale)
            memories[n] = memories[n].nearer(
                state.places[n], float(before[n] + heights[0]), float(left[n] + heights[1])
            )
        return tuple(memories)

    def _chosen(
        self, backgrounds: Tensor, ways: OpenPlaces, places: Array, memories: tuple[Memory, ...]
    ) -> tuple[Array, Array]:
        """Return actions (N, m) with the least steps to expect, and where they lead, (N, 2)."""
        tried = self._tried
        patches = self.scene.patches(backgrounds, torch.from_numpy(places).float())
        odds, shift = self.scene.moves(patches[:, None], torch.from_numpy(tried).float())
        chance, landings = torch.sigmoid(odds).double().numpy(), places[:, None] + shift.double().numpy()
        here, there = np.zeros((len(places), 1)), np.zeros(chance.shape)
        for n, memory in enumerate(memories):
            if len(memory.states):
                known, changes = memory.recalled(np.tile(places[n], (len(tried), 1)), tried, self._scale)
                chance[n, known], landings[n, known] = 1.0, places[n] + changes[known]
            if len(memory.stalls):
                here[n], there[n] = memory.raised(places[n][None], self._scale), memory.raised(landings[n], self._scale)
        stay = ways.to_go(places[:, None]) + here
        best = (chance * (ways.to_go(landings) + there) + (1.0 - chance) * stay).argmin(1)
        each = np.arange(len(places))
        likely = chance[each, best] > 0.5
        return tried[best], np.where(likely[:, None], landings[each, best], places)

    def _checked(self, given: ArrayLike, what: str) -> NDArray[np.uint8]:
        """Return the last frames (N, H, W, C) of images, of one or of several."""
        height, width, colours = self.scene.config.frame_shape
        images = np.asarray(given)
        fits = images.ndim in (3, 4) and images.shape[-3:-1] == (height, width) and images.shape[-1] % colours == 0
        if images.dtype != np.uint8 or not fits or images.size == 0:
            raise InputError(
                f"{what} must be uint8 of shape {(height, width, colours)} or (N, {height}, {width}, {colours}), not "
                f"{images.dtype} of shape {images.shape}: show the agent what it learnt from."
            )
        return images.reshape(-1, height, width, images.shape[-1])[..., -colours:]
