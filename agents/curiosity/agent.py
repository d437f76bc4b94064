"""An agent that plans towards what it does not know, instead of waiting for a policy to stumble on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from e2c_control.agents.callbacks import Callback
from e2c_control.agents.curiosity.experience import STEP, Experience
from e2c_control.agents.curiosity.options import CuriosityOptions
from e2c_control.agents.curiosity.seeking import LatentNovelty, Sought
from e2c_control.agents.embedded import Device, EmbeddedAgent
from e2c_control.agents.goals import starting
from e2c_control.data import Transitions
from e2c_control.data.source import EnvLike
from e2c_control.data.transitions import stack_frames
from e2c_control.errors import InputError, of_class
from e2c_control.fields import Count, FrameStack, ListSeed, checked
from e2c_control.measures import encode_means
from e2c_control.models.embedding import Embedding
from e2c_control.models.planning_model import planning_model
from e2c_control.objectives.recipe import Recipe
from e2c_control.objectives.recipes import Make
from e2c_control.planners import MPC, Cost, DisagreementCost, Dynamics, Ensemble, Limits, Plan
from e2c_control.runs.stateful import Groups, State
from e2c_control.training.presets import RECIPE, StepsScale

Array = NDArray[np.float64]
Images = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class CuriousState:
    """What `PlannedCuriosity.predict` hands back to be given again at the next step.

    Attributes:
        plan: of every environment.
        latents: where each was, (N, k).
        experience: of all of them together.
        steps: since the first call.
    """

    plan: Plan
    latents: Array
    experience: Experience
    steps: int


class PlannedCuriosity(EmbeddedAgent):
    """Replans at every step towards what is new in the latent space of a trained embedding.

    Its `predict` is stable-baselines3's, and depends on nothing but what it is given and what was remembered; what is
    visited travels in its state, shared by all environments.

    Made from an environment it learns by itself: each `learn` gathers, at first at random and then towards what is new,
    trains the embedding afresh on all that was seen so far, and remembers that. Made by `from_embedding` it seeks at
    once, and what it gathers (`policy` is for `collect`) trains the next one.

    Args:
        env: Gymnasium id, task, environment, a function that makes one, a vector of them, or a `DummyVecEnv`.
        recipe: name of a recipe or a function of an `EmbeddingConfig`, of which the parts for plans are trained, or a
            `Recipe`.
        frame_stack: frames in an observation; default: what the environment shows by itself.
        steps_scale: multiplies the recipe's numbers of optimiser steps.
        episode_length: steps after which a collection starts anew, from a reset.
        folder: where runs are kept, and one dataset that grows, so that an earlier round's run can no longer be
            resumed; without it they are thrown away.
        options: how to seek.
        tensorboard_log, verbose: as in stable-baselines3.
        seed: of the planner's samples, and of learning.
        device: where to train.
    """

    kind = "PlannedCuriosity"
    options_class = CuriosityOptions

    @checked
    def __init__(
        self,
        env: EnvLike,
        recipe: str | Make | Recipe = RECIPE,
        *,
        frame_stack: FrameStack | None = None,
        steps_scale: StepsScale = 1.0,
        episode_length: Count = 60,
        folder: Path | str | None = None,
        options: CuriosityOptions | None = None,
        tensorboard_log: str | Path | None = None,
        verbose: int = 0,
        seed: ListSeed = 0,
        device: Device = "auto",
    ) -> None:
        self._begin_untrained(
            env,
            recipe,
            options,
            frame_stack=frame_stack,
            steps_scale=steps_scale,
            episode_length=episode_length,
            folder=folder,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            seed=seed,
            device=device,
        )

    def _begin(self, embedding: Embedding, options: CuriosityOptions | None, seed: int) -> None:
        super()._begin(embedding, options, seed)
        self._planner = self.options.planning.make_planner()
        self._see_through(embedding)

    def _own_recipe(self, recipe: Recipe) -> Recipe:
        """Leave out the decoder's phase, since nobody looks at decoded frames, and second attempts.

        What begins a map anew is judged by numbers of worlds that were seen as a whole, which a corner does not reach.
        """
        phases = [replace(phase, retry=None) for phase in recipe.phases if phase.train != ("decoder",)]
        return replace(recipe, phases=tuple(phases))

    @property
    def options(self) -> CuriosityOptions:
        """How it seeks; others need another agent."""
        return self._options

    def learn(
        self,
        total_timesteps: int,
        callback: Callback = None,
        log_interval: int = 1,
        tb_log_name: str = "PlannedCuriosity",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Gather transitions, train the embedding afresh on them and all earlier ones, and remember them.

        A callback sees `on_step` after every step of the environments; one that returns False ends `learn` at once, and
        the agent knows what it knew before.

        Args:
            total_timesteps: transitions to gather; more steps may be taken where environments run side by side.
            callback: as stable-baselines3 takes it.
            log_interval: accepted for stable-baselines3; each `learn` reports once.
            tb_log_name: of its curves in `tensorboard_log`.
            reset_num_timesteps: whether `num_timesteps` starts at 0; what was gathered is kept either way.
            progress_bar: whether to show bars with the time left.

        Raises:
            InputError: the agent has no environment, or it cannot be learnt in.
        """
        given = (total_timesteps, callback, tb_log_name, reset_num_timesteps, progress_bar)
        return self._learn(*given, starts="reset")

    def _gathering_policy(self) -> CuriousPolicy | None:
        return None if self._gathered is None else self.policy()

    def _own_state(self) -> State:
        tensors: dict[str, dict[str, torch.Tensor]] = {}
        more: dict[str, object] = {}
        if (experience := self._remembered) is not None:
            tensors["experience"] = {name: torch.from_numpy(getattr(experience, name)) for name in ("known", "blocked")}
            more["spacing"] = experience.spacing
        return State(tensors, more)

    def _restore_own(self, tensors: Groups, meta: Mapping[str, Any]) -> None:
        if (experience := tensors.get("experience")) is not None:
            known, blocked = (experience[name].numpy() for name in ("known", "blocked"))
            if {known.shape[1:], blocked.shape[1:]} != {(self.embedding.config.latent_dim,)}:
                raise ValueError("what it remembers are no latents of its embedding")
            self._remembered = Experience(float(meta["more"]["spacing"]), known, blocked)

    def _adopt(self, embedding: Embedding, seen: Transitions) -> None:
        self._see_through(embedding)
        self._remember_all(seen)

    def _see_through(self, embedding: Embedding) -> None:
        """See through this embedding from now on; latents of the one before mean nothing in it."""
        dynamics: Dynamics = planning_model(embedding.transition)
        if self.options.seek == "disagreement":
            if not embedding.config.ensemble:
                raise InputError("The embedding has one transition, so nothing disagrees: train 'unfold-ensemble'.")
            dynamics = Ensemble([dynamics, *(planning_model(member) for member in embedding.members)])
        self.embedding, self._dynamics = embedding, dynamics
        self._remembered: Experience | None = None

    def _remember_all(self, seen: Transitions) -> None:
        """Whatever was seen, and what the embedding predicts of it in vain."""
        stack = self.embedding.observation_shape[2] // seen.card.frame_shape[2]
        rows = seen.windows(1, stack)
        frames = seen.frames[seen.window_rows(rows, 1, stack)]
        self.remember(stack_frames(frames[:, :-1]), seen.actions[rows], stack_frames(frames[:, 1:]))

    def remember(
        self, observations: Images, actions: NDArray[np.float32] | None = None, following: Images | None = None
    ) -> None:
        """Count observations (N, H, W, C) as known from the start.

        With the actions (N, m) taken there and the observations (N, H, W, C) that followed, what the embedding predicts
        of them in vain is known as well: walls need not be found again with every new embedding.
        """
        latents = encode_means(self.embedding, observations)
        experience = self._from_nothing(latents, self._remembered).reached(latents)
        if actions is not None and following is not None:
            after = encode_means(self.embedding, following)
            predicted = self._dynamics.step(latents, actions.astype(np.float64))
            experience = experience.reached(after)
            experience = experience.refused(_in_vain(latents, predicted, after, experience.spacing))
        self._remembered = experience

    def predict(
        self,
        observation: Images,
        state: CuriousState | None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[NDArray[np.float32], CuriousState]:
        """Plan anew; return the first actions, and what to pass in next time.

        Args:
            observation: (H, W, C) of one environment or (N, H, W, C) of several, uint8.
            state: what the last call returned, or none at first.
            episode_start: which environments were reset since, (N,).
            deterministic: accepted for stable-baselines3; the plan is the same either way.

        Returns:
            Actions (m,) or (N, m) in [-1, 1], and the state.

        Raises:
            InputError: the observation is of another shape or type than the embedding's, or of other environments.
        """
        images = self._checked(observation, "The observation")
        state = None if state is None else of_class("state", state, CuriousState)
        fresh = starting(len(images), None if state is None else len(state.latents), episode_start)
        latents = encode_means(self.embedding, images, finite=False)
        experience = self._from_nothing(latents, self._remembered if state is None else state.experience)
        if state is not None:
            vain = _in_vain(state.latents, state.plan.states[:, 1], latents, experience.spacing)
            experience = experience.refused(vain[~fresh])
        experience = experience.reached(latents)
        steps = 0 if state is None else state.steps + 1
        limits = Limits.symmetric(1.0, self.embedding.action_dim)
        mpc = MPC(self._planner, self._dynamics, self._cost(experience), self.options.horizon, limits)
        previous, rng = None if state is None else state.plan, np.random.default_rng([self.seed, steps])
        plan, _ = mpc.replan(latents, previous, rng=rng, restarted=fresh)
        actions = plan.controls[:, 0].astype(np.float32)
        return actions if np.ndim(observation) == 4 else actions[0], CuriousState(plan, latents, experience, steps)

    def policy(self) -> CuriousPolicy:
        """Return what `collect` takes."""
        return CuriousPolicy(self)

    def _cost(self, experience: Experience) -> Cost:
        if isinstance(self._dynamics, Ensemble):
            return Sought(DisagreementCost(self._dynamics, 1.0))
        return LatentNovelty(experience, self.options.reach * experience.spacing)

    def _from_nothing(self, latents: Array, experience: Experience | None) -> Experience:
        """Return the experience so far, or an empty one with a spacing that suits these latents (N, k)."""
        if experience is not None:
            return experience
        spacing, k = self.options.spacing, latents.shape[1]
        if spacing is None:
            finite = latents[np.isfinite(latents).all(axis=1)]
            rng = np.random.default_rng(self.seed)
            start = finite[rng.integers(len(finite), size=256)] if len(finite) else np.zeros((256, k))
            after = self._dynamics.step(start, rng.uniform(-1, 1, (256, self.embedding.action_dim)))
            spacing = max(float(np.median(np.linalg.norm(after - start, axis=1))) / STEP, 1e-9)
        return Experience.empty(spacing, k)


class CuriousPolicy:
    """`PlannedCuriosity` as `collect` asks a policy: by single frames, of which it stacks the latest itself.

    A collection does not tell it of resets: the first stacks of an episode hold frames of the one before.
    """

    def __init__(self, agent: PlannedCuriosity) -> None:
        self.agent = agent
        self.state: CuriousState | None = None
        self._frames: list[Images] = []

    def __call__(self, frames: Images, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return actions (N, m) at frames (N, H, W, C); the agent's own seed decides, not ``rng``."""
        stack = self.agent.embedding.observation_shape[2] // frames.shape[3]
        self._frames = [*(self._frames or [frames] * stack), frames][-stack:]
        actions, self.state = self.agent.predict(np.concatenate(self._frames, axis=-1), self.state)
        return actions


def _in_vain(before: Array, predicted: Array, after: Array, spacing: float) -> Array:
    """Return the predicted latents (N, k) that the system fell short of by half of the way, NaN for the others.

    It may have stayed put, or slid along a wall. One that came farther than it wanted was reset, or is somewhere else.
    """
    wanted, moved, short = (
        np.linalg.norm(b - a, axis=1) for a, b in ((before, predicted), (before, after), (after, predicted))
    )
    vain = (wanted >= STEP * spacing) & (short > wanted / 2) & (moved <= wanted)
    return np.where(vain[:, None], predicted, np.nan)
