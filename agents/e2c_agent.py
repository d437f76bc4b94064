"""An agent that sees images, plans in an embedding of them, and drives to a goal that is an image."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, cast

import gymnasium
import numpy as np
import torch
from gymnasium.vector import VectorEnv
from numpy.typing import ArrayLike, NDArray
from stable_baselines3.common.vec_env import VecEnv

from e2c_control.agents.callbacks import Callback
from e2c_control.agents.embedded import Device, EmbeddedAgent
from e2c_control.agents.filtering import FrameFilter
from e2c_control.agents.goals import EpisodeGoals, GoalEnv, check_goals, starting
from e2c_control.agents.learning import LearningOptions, RoundOptions
from e2c_control.agents.planning import Objective, PlanningOptions, model_of
from e2c_control.agents.randomness import later_seed
from e2c_control.agents.replanning import Rows, replan_each
from e2c_control.agents.rounds import Exploring, episode_returns, train_round
from e2c_control.data import Transitions
from e2c_control.data.card import DatasetCard, read_card
from e2c_control.data.defaults import EPISODE_LENGTH, default_starts
from e2c_control.data.policy import Policy
from e2c_control.data.source import EnvLike, EnvSource
from e2c_control.data.specs import check_file_arguments
from e2c_control.errors import InputError, InputWarning, of_class
from e2c_control.fields import Count, FrameStack, ListSeed, checked
from e2c_control.measures.encoded import Observations
from e2c_control.measures.recorded import Recorded, kept_latents
from e2c_control.models.embedding import Embedding
from e2c_control.models.reachability import PassageDynamics
from e2c_control.objectives.recipe import Recipe
from e2c_control.objectives.recipes import Make
from e2c_control.planners import MPC, Belief, Dynamics, Memory, Plan, RaisedCost, Remembering, RoadmapCost
from e2c_control.planners.mpc import Replan
from e2c_control.runs.folder import RunFolder
from e2c_control.runs.stateful import Groups, State
from e2c_control.training.presets import StepsScale
from e2c_control.training.run import TrainConfig, load_embedding, resolve_device


@dataclass(frozen=True, eq=False)
class PlanState:
    """What `E2CAgent.predict` hands back to be given again at the next step.

    Attributes:
        plan: of every environment.
        steps: since the start of each environment's episode, (N,).
        belief: about every environment's latent, where frames are filtered.
        memories: of every environment's episode, what came out otherwise, where plans are made among places.
        recent: actions given last, oldest first, (N, delay + 1, m): the first of them takes effect now.
    """

    plan: Plan
    steps: NDArray[np.int64]
    belief: Belief | None = None
    memories: tuple[Memory, ...] | None = None
    recent: NDArray[np.float64] | None = None

    def select(self, rows: Sequence[int] | Rows) -> PlanState:
        """Return the state of some of the environments."""
        at = np.asarray(rows)
        belief = None if self.belief is None else Belief(self.belief.mean[at], self.belief.covariance[at])
        memories = None if self.memories is None else tuple(self.memories[row] for row in rows)
        recent = None if self.recent is None else self.recent[at]
        return PlanState(self.plan.select(at), self.steps[at], belief, memories, recent)

    def later(self, steps: int) -> PlanState:
        """Return the state after so many further steps of the plans, of which nothing was seen."""
        return replace(self, plan=self.plan.shift(steps=steps), steps=self.steps + steps) if steps else self


def _as_recorded(env: EnvLike, card: DatasetCard) -> EnvSource:
    """Return the source behind what a user gives; of the id that a dataset is of, as it was collected from."""
    if not isinstance(env, str) or env.rpartition(":")[2] != card.environment.rpartition(":")[2]:
        return EnvSource.of(env, card.frame_stack)
    check_file_arguments(card.environment, card.environment_kwargs)
    return EnvSource.of(env, card.frame_stack, **card.environment_kwargs)


REWARD_RECIPE, REWARD_LENGTH = "unfold-reward", 200
"""What is trained by default for a reward, and how long an episode of a collection is at most."""

WAY = 25
"""Landmarks of the way that are shown ahead."""


def _remember(
    places: NDArray[np.float64],
    fresh: NDArray[np.bool_],
    state: PlanState | None,
    model: Dynamics,
    cost: RoadmapCost,
) -> tuple[NDArray[np.float64], tuple[Memory, ...]]:
    """Return where environments are (N, d), and the memories of their episodes after the step that led there.

    Where an image stands for several places, the prediction takes the place of what was seen.
    """
    empty, graph = Memory.empty(places.shape[1], model.control_dim), cost.landmarks
    usual = model.deviation if isinstance(model, PassageDynamics) else 0.0
    if state is None or state.memories is None:
        return places, (empty,) * len(places)
    plan, hidden = state.plan, graph.aliased[graph.cells(places)] & ~fresh
    memories = [empty if new else memory for new, memory in zip(fresh.tolist(), state.memories, strict=True)]
    for n in np.flatnonzero(hidden):  # nothing is seen of what came of the move: do not try the same for ever
        memories[n] = memories[n].stalled(plan.states[n, 0])
    to_go, left = cost.to_go(np.stack((plan.states[:, 0], places)))
    for n in np.flatnonzero(~fresh & ~hidden):
        before, control, memory = plan.states[n, 0], plan.controls[n, 0], memories[n]
        _, hoped = Remembering(model, memory, graph.scale).moves(before[None], control[None])
        heights = memory.raised(np.stack((before, places[n])), graph.scale)
        memory = memory.nearer(before, float(to_go[n] + heights[0]), float(left[n] + heights[1]))
        memories[n] = memory.after(before, control, hoped[0], places[n], graph.scale, usual)
    return np.where(hidden[:, None], plan.states[:, 1], places), tuple(memories)


class E2CAgent(EmbeddedAgent):
    """Embed to Control (Watter et al. 2015) with stable-baselines3's `learn`, `predict`, `save` and `load`.

    Made from an environment it learns first, and learning again goes on with all that was seen so far; made by
    `from_embedding` it drives at once.

        agent = E2CAgent("E2C/Planar-v0").learn(20_000)

    Args:
        env: Gymnasium id, task, environment, a function that makes one, a vector of them, or a `DummyVecEnv`.
        recipe: name of a recipe, "my_package:recipe", a function of an `EmbeddingConfig`, or a `Recipe` with its own
            sizes; default: unfold-roadmap in a world whose walls block the straight way, unfold in others, and
            unfold-reward where it is a reward that is planned for.
        objective: what it plans for: to come near a "goal", an image, or for the environment's "reward". For a reward
            it learns in rounds, and gathers where its plans lead.
        latent_dim: of the latent space, for a recipe given by name; default: what suits the environment.
        frame_stack: frames in an observation; default: what the environment shows by itself.
        steps_scale: multiplies the recipe's numbers of optimiser steps.
        episode_length: steps after which a collection starts anew; default: 12 in environments with a task, whose
            episodes then begin all over the world, and 40 in others, where each begins at a reset; 200 for a reward.
        folder: where the dataset, which grows, and runs are kept; without it they are thrown away.
        options: how to plan; default: what the environment's task says, or `PlanningOptions.for_reward`.
        rounds: how gathering and training alternate, where it is a reward that is planned for.
        tensorboard_log, verbose: as in stable-baselines3.
        seed: of the random starts of each replan, and of learning.
        device: where to train.
    """

    kind = "E2CAgent"
    options_class = PlanningOptions

    @checked
    def __init__(
        self,
        env: EnvLike,
        recipe: str | Make | Recipe | None = None,
        *,
        objective: Objective = "goal",
        latent_dim: Count | None = None,
        frame_stack: FrameStack | None = None,
        steps_scale: StepsScale = 1.0,
        episode_length: Count | None = None,
        folder: Path | str | None = None,
        options: PlanningOptions | None = None,
        rounds: RoundOptions | None = None,
        tensorboard_log: str | Path | None = None,
        verbose: int = 0,
        seed: ListSeed = 0,
        device: Device = "auto",
    ) -> None:
        for_reward = objective == "reward"
        if options is not None and (options.objective == "reward") != for_reward:
            raise InputError(
                f"options plan for a {options.objective}, and objective is '{objective}': give both alike."
            )
        if rounds is not None and not for_reward:
            raise InputError("rounds are of an agent that plans for a reward: give objective='reward', too.")
        self._begin_untrained(
            env,
            REWARD_RECIPE if for_reward and recipe is None else recipe,
            PlanningOptions.for_reward() if for_reward and options is None else options,
            latent_dim=latent_dim,
            frame_stack=frame_stack,
            steps_scale=steps_scale,
            episode_length=REWARD_LENGTH if for_reward and episode_length is None else episode_length,
            folder=folder,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            seed=seed,
            device=device,
            anything=for_reward,
            rounds=rounds,
        )
        choices = None if self._world is None else self._world.choices
        if choices != self.options.choices:
            if options is not None:
                raise InputError(
                    f"options.choices is {options.choices}, and the environment's is {choices}: give that."
                )
            self._options = replace(self.options, choices=choices)
        if for_reward and self.embedding.reward is None:
            raise InputError("The recipe learns no reward: leave it out, or take 'unfold-reward' as an example of one.")

    def _begin(self, embedding: Embedding, options: PlanningOptions | None, seed: int) -> None:
        super()._begin(embedding, options, seed)
        self.last_replan: Replan | None = None
        self.known: Recorded | None = None
        self._goal_images: NDArray[np.uint8] | None = None
        self._goal_latents: NDArray[np.float64] | None = None
        self._followed: EpisodeGoals | None = None
        self._followed_before_saving = False
        self._mpc: MPC | None = None

    def _usual_length(self, world: EnvSource) -> int:
        return EPISODE_LENGTH[default_starts(world.native)]

    def _usual_options(self, world: EnvSource | None) -> PlanningOptions:
        return PlanningOptions.suiting(self.embedding, None if world is None else world.task)

    @property
    def options(self) -> PlanningOptions:
        """How it plans; new ones hold from the next `predict`."""
        return self._options

    @options.setter
    def options(self, options: PlanningOptions) -> None:
        self._options = of_class("options", options, PlanningOptions)
        self._forget_plans()

    def learn(
        self,
        total_timesteps: int,
        callback: Callback = None,
        log_interval: int = 1,
        tb_log_name: str = "E2CAgent",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Collect transitions with random actions, then train the embedding, from fresh weights, on all so far.

        A callback sees `on_step` after every step of the environments, while nothing is trained yet: what evaluates
        the agent belongs after `learn`. `on_rollout_end` follows the collection, `on_training_end` the training. A
        callback that returns False ends `learn` at once, and the embedding stays as it was.

        Args:
            total_timesteps: transitions to collect; more steps may be taken where environments run side by side.
            callback: as stable-baselines3 takes it.
            log_interval: accepted for stable-baselines3; each `learn` reports once.
            tb_log_name: of its curves in `tensorboard_log`.
            reset_num_timesteps: whether `num_timesteps` starts at 0; what was collected is kept either way.
            progress_bar: whether to show bars with the time left.

        Raises:
            InputError: the agent has no environment, or it cannot be learnt in.
        """
        world, learning = self._where()
        first, length = min(learning.rounds.first, total_timesteps), learning.episode_length
        if self._by_rounds and self._gathered is None and first <= length:
            raise InputError(
                f"The first round has {first} steps and an episode up to {length}, and one has to be held out: learn "
                "for more steps, with `rounds.first` more, or give the agent a shorter episode_length."
            )
        given = (total_timesteps, callback, tb_log_name, reset_num_timesteps, progress_bar)
        return self._learn(*given, starts="reset" if self._by_rounds else default_starts(world.native))

    def _round_seed(self) -> int:
        # The first collection is that of `e2c collect` with this seed; every later one has a seed of its own.
        return later_seed(self.seed, self._steps_taken) if self._steps_taken else self.seed

    @property
    def _by_rounds(self) -> bool:
        """Whether it gathers where its plans lead: towards a reward."""
        return self.options.objective == "reward"

    def _round_size(self) -> int:
        if not self._by_rounds:
            return super()._round_size()
        rounds = self._where()[1].rounds
        return rounds.first if self._gathered is None else rounds.size

    def _gathering_policy(self) -> Policy | None:
        if not self._by_rounds or self._gathered is None:
            return None
        world, learning = self._where()
        return Exploring(self, world.frame_stack, learning.rounds.noise, self.options.choices)

    def _trained(
        self, transitions: Transitions, folder: Path, seed: int, progress: bool
    ) -> tuple[Embedding, dict[str, float]]:
        if not self._by_rounds:
            return super()._trained(transitions, folder, seed, progress)
        _, learning = self._where()
        before, known = (None, 0) if self._gathered is None else (self.embedding, len(self._gathered.frames))
        embedding, quality = train_round(learning, transitions, before, seed)
        return embedding, quality | episode_returns(transitions, known)

    def _adopt(self, embedding: Embedding, seen: Transitions) -> None:
        self.embedding, self.known = embedding, None
        self._forget_plans()

    @classmethod
    def load(
        cls,
        path: Path | str,
        env: EnvLike | None = None,
        device: torch.device | str = "cpu",
        trust: Sequence[str] = (),
    ) -> Self:
        """Return an agent that `save` wrote, which goes on as it would have, or one of a run that `e2c train` made.

        One that followed goals needs to be told again whose. One of a run learns afresh by the run's recipe.

        Args:
            path: the folder of the agent, or of the run.
            env: where it may learn again, and whose task says how it plans, for a run; of the id that the run's dataset
                is of, it is made with the arguments and looks that are noted there.
            device: where it encodes.
            trust: modules whose code the folder may name, such as ``("my_package",)``.

        Raises:
            InputError: the folder is missing or damaged, or holds something else, or the environment does not fit it.
        """
        if not (Path(path) / "checkpoints").is_dir():
            return super().load(path, env, device, trust)
        run = RunFolder.open(path)
        config = run.config(TrainConfig, trust)
        world = None if env is None else _as_recorded(env, read_card(run.path))
        options = None if world is None or world.task is None else PlanningOptions.for_task(world.task)
        agent = cls.from_embedding(load_embedding(run, resolve_device(device), trust), options, config.seed)
        agent.known = kept_latents(run.path, agent.embedding.config.latent_dim)
        if world is not None:
            agent._learning = LearningOptions(config.recipe, agent._usual_length(world), config.device)
            agent._settle(world, path)
        return agent

    def set_goal(self, images: ArrayLike) -> None:
        """Drive to an image (H, W, C), or one for each environment (N, H, W, C), all uint8.

        An agent of a run warns of a goal that is unlike everything recorded there.
        """
        goals = self._checked(images, "The goal")
        if self.known is not None and (said := self.known.doubt(self.embedding, goals)):
            warnings.warn(said, InputWarning, stacklevel=2)
        self._take_goals(goals)
        self._followed = None

    def follow_goals(self, env: GoalEnv) -> None:
        """Drive to whatever is the goal of the episode: `goal_observation` of these environments, read at each reset.

        For environments that draw a goal for every episode, as this project's do unless one is fixed. A saved agent
        does not know its environments: tell it again after `load`.

        Raises:
            InputError: the environments have no `goal_observation`, or show other observations than the embedding's.
        """
        if not isinstance(cast(object, env), gymnasium.Env | VectorEnv | VecEnv):
            raise InputError(f"follow_goals got a {type(env).__name__}: give the environments that are driven in.")
        seen: Any = env
        space = seen.single_observation_space if isinstance(env, VectorEnv) else seen.observation_space
        shape = self.embedding.observation_shape
        if space.shape != shape:
            raise InputError(
                f"The environment shows {space.shape}, the embedding was trained on {shape}: make the environment with "
                "the same frame stack and size."
            )
        self._followed = EpisodeGoals(env)

    def _take_goals(self, goals: NDArray[np.uint8]) -> None:
        latents = self.options.encode(self.embedding, goals)
        # One goal is everybody's, however many they are.
        goal = latents[0] if len(latents) == 1 else latents
        cost = None if self._mpc is None else self._mpc.cost
        known = cost.landmarks if isinstance(cost, RoadmapCost) else None
        self._goal_images, self._goal_latents = goals, goal
        self._mpc = self.options.controller(self.embedding, goal, known)

    def _forget_plans(self) -> None:
        """Forget goals encoded and matrices copied, which belong to the embedding of then."""
        self._mpc = None
        if self._goal_images is not None:
            self._take_goals(self._goal_images)

    def _follow(self, goals: EpisodeGoals, fresh: NDArray[np.bool_], first: bool) -> NDArray[np.bool_]:
        """Take over the goals of the episodes that begin now; returns which ones those are, (N,).

        Args:
            goals: of the environments.
            fresh: which episodes begin, as far as the caller of `predict` knows, (N,).
            first: whether there is no state yet, so that no episode goes on.
        """
        counted = None if first else goals.at_start()
        if counted is not None and counted.shape == fresh.shape:
            fresh = counted
            if not fresh.any():
                return fresh
        else:
            counted = None
        images = self._checked(goals.images(), "The environment's goal")
        known = self._goal_images
        if known is None or not np.array_equal(images, known):
            self._take_goals(images)
            if counted is None and known is not None and known.shape == images.shape:
                # Nobody counts steps here: where the goal is another one, the episode is too.
                fresh = fresh | (images != known).any(axis=(1, 2, 3))
        return fresh

    def predict(
        self,
        observation: Observations,
        state: PlanState | None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[NDArray[np.float32], PlanState]:
        """Plan anew; return the first actions, and what to pass in next time.

        Args:
            observation: (H, W, C) of one environment or (N, H, W, C) of several, uint8; or vectors (d,) or (N, d), or a
                mapping of both, "image" and "vector", as the embedding was trained.
            state: what the last call returned, or none at first.
            episode_start: which environments were reset since, (N,).
            deterministic: accepted for stable-baselines3; the plan is the same either way.

        Returns:
            Actions (m,) or (N, m) in [-1, 1], or one-hot where they are choices, and the state.

        Raises:
            InputError: no goal is set, or the observation is of another shape or type than the embedding's.
        """
        observations, count, one = self._observed(observation, "The observation")
        state = None if state is None else of_class("state", state, PlanState)
        fresh = starting(count, None if state is None else len(state.steps), episode_start)
        if self._followed is not None:
            fresh = self._follow(self._followed, fresh, state is None)
        steps = np.where(fresh, 0, 0 if state is None else state.steps + 1).astype(np.int64)
        mpc = self._controller(count)
        recent = self._recent(fresh, state, mpc.dynamics.control_dim)
        latents, belief, memories = self.options.encode(self.embedding, observations, finite=False), None, None
        roadmap = mpc.cost if isinstance(mpc.cost, RoadmapCost) else None
        if roadmap is not None:
            latents, memories = _remember(latents, fresh, state, mpc.dynamics, roadmap)
            if fresh.any() and (said := roadmap.doubt(latents)):
                warnings.warn(said, InputWarning, stacklevel=2)
        if self.options.frame_filter is not None:
            belief = self._fuse(self.options.frame_filter, latents, fresh, state, mpc.dynamics, recent[:, 0])
            latents = belief.mean

        def controller(rows: Rows) -> MPC:
            goals = self._goal_latents
            if roadmap is not None and memories is not None and goals is not None:
                memory, graph = memories[int(rows[0])], roadmap.landmarks
                dynamics = Remembering(mpc.dynamics, memory, graph.scale)
                cost = self.options.cost(self.embedding, dynamics, goals if goals.ndim == 1 else goals[rows], graph)
                return replace(mpc, dynamics=dynamics, cost=RaisedCost(cost, memory, graph.scale, roadmap.step_weight))
            if goals is None or goals.ndim == 1 or len(rows) == len(goals):
                return mpc
            return replace(mpc, cost=self.options.cost(self.embedding, mpc.dynamics, goals[rows]))

        episode = self.options.episode_steps
        plan, self.last_replan = replan_each(
            controller,
            self.options.begin(mpc, latents, recent),
            steps,
            None if state is None else state.plan,
            fresh,
            episode_steps=None if episode is None else episode - self.options.delay,
            seed=self.seed,
            apart=memories is not None,
            repeat=self.options.action_repeat,
        )
        actions, recent = plan.controls[:, 0].astype(np.float32), np.append(recent[:, 1:], plan.controls[:, :1], axis=1)
        actions = actions if self.options.choices is None else self.options.choices.nearest(actions)
        return actions[0] if one else actions, PlanState(plan, steps, belief, memories, recent)

    def _recent(self, fresh: NDArray[np.bool_], state: PlanState | None, action_dim: int) -> NDArray[np.float64]:
        """Return the actions given last (N, delay + 1, m), zeros where an episode has not had as many."""
        given = np.zeros((len(fresh), self.options.delay + 1, action_dim))
        if state is None or state.recent is None:
            return given
        known = np.where(fresh[:, None, None], 0.0, state.recent)
        return np.concatenate((given, known), axis=1)[:, -given.shape[1] :]

    def shown(self, state: PlanState) -> NDArray[np.float64]:
        """Return the plans of a state as latents of the map (N, T + 1, k): of a roadmap, the way over its landmarks."""
        cost, known = None if self._mpc is None else self._mpc.cost, self.embedding.reachability
        if known is None or not isinstance(cost, RoadmapCost):
            return state.plan.states[..., : self.embedding.config.latent_dim]
        starts = state.plan.states[:, 0]
        goals = np.broadcast_to(cost.goals, starts.shape)
        ways = [cost.landmarks.way(*pair, WAY) for pair in zip(starts, goals, strict=True)]
        return known.drawn(np.stack(ways))

    def _fuse(
        self,
        frames: FrameFilter,
        latents: NDArray[np.float64],
        fresh: NDArray[np.bool_],
        state: PlanState | None,
        dynamics: Dynamics,
        done: NDArray[np.float64],
    ) -> Belief:
        """Return beliefs about latents, given what encoded frames say; where an episode is fresh, the frame alone."""
        seen = frames.first(latents)
        if state is None or state.belief is None:
            return seen
        fresh = fresh | ~np.isfinite(state.belief.mean).all(axis=1)
        with np.errstate(all="ignore"):  # rows that are fresh may hold anything
            fused = frames.next(state.belief, done, latents, model_of(dynamics))
        mean = np.where(fresh[:, None], seen.mean, fused.mean)
        return Belief(mean, np.where(fresh[:, None, None], seen.covariance, fused.covariance))

    def _controller(self, count: int) -> MPC:
        if self._goal_images is None and self._followed_before_saving:
            raise InputError(
                "The agent followed the goals of its environments, which are not saved with it: call "
                "follow_goals(env) or set_goal(image) before predict."
            )
        if self._goal_images is not None or self.options.objective == "goal":
            check_goals(self._goal_images, count)
        if self._mpc is None:  # for a reward alone: with goals it was made with them
            self._mpc = self.options.controller(self.embedding)
        return self._mpc

    def _own_state(self) -> State:
        follows = self._followed is not None or (self._followed_before_saving and self._goal_images is None)
        goals: dict[str, dict[str, torch.Tensor]] = {}
        if self._goal_images is not None and not follows:
            goals["goals"] = {"images": torch.from_numpy(self._goal_images)}
        return State(goals, {"follows_goals": follows, "steps_taken": self._steps_taken})

    def _restore_own(self, tensors: Groups, meta: Mapping[str, Any]) -> None:
        more = meta["more"]
        self._steps_taken = int(more.get("steps_taken", meta["num_timesteps"]))
        self._followed_before_saving = bool(more.get("follows_goals", False))
        if (goals := tensors.get("goals")) is not None:
            self.set_goal(goals["images"].numpy())
