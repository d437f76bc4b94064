"""An agent that plans towards what it does not know, instead of waiting for a policy to stumble on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from e2c_control.agents.curiosity.experience import STEP, Experience
from e2c_control.agents.curiosity.seeking import LatentNovelty, Sought
from e2c_control.agents.planning import PlanningOptions
from e2c_control.errors import InputError, whole
from e2c_control.measures import encode_means
from e2c_control.models.embedding import Embedding
from e2c_control.models.planning_model import planning_model
from e2c_control.planners import MPC, Cost, DisagreementCost, Dynamics, Ensemble, Limits, Plan

Array = NDArray[np.float64]
Images = NDArray[np.uint8]

SAMPLING = ("icem", "cem", "mppi")


@dataclass(frozen=True)
class CuriosityOptions:
    """How an agent is curious.

    Attributes:
        seek: "novelty", the distance to known latents, or "disagreement" of an ensemble of transitions, for an
            embedding that was trained with one.
        horizon: steps in a plan: what lies farther is not seen.
        planner: one that samples, since neither has derivatives to follow.
        iterations, samples: of the planner in a replan.
        spacing: how far apart latents are that count as different; none for half of a step under random actions.
        reach: distance, in spacings, beyond which all is equally new.

    Raises:
        InputError: an option is out of its range.
    """

    seek: Literal["novelty", "disagreement"] = "novelty"
    horizon: int = 12
    planner: str = "icem"
    iterations: int = 3
    samples: int = 60
    spacing: float | None = None
    reach: float = 4.0

    def __post_init__(self) -> None:
        if self.seek not in ("novelty", "disagreement"):
            raise InputError(f"Nothing is sought by {self.seek!r}: choose 'novelty' or 'disagreement'.")
        if self.planner not in SAMPLING:
            raise InputError(f"The planner {self.planner!r} cannot seek: choose one of {', '.join(SAMPLING)}.")
        if not self.reach > 0:
            raise InputError(f"reach is {self.reach}: give a number above 0.")
        whole("horizon", self.horizon)
        self.planning.make_planner()

    @property
    def planning(self) -> PlanningOptions:
        """The planner's part of them."""
        return PlanningOptions(planner=self.planner, iterations=self.iterations, samples=self.samples)


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


class PlannedCuriosity:
    """Replans at every step towards what is new in the latent space of a trained embedding.

    Its `predict` is stable-baselines3's, and depends on nothing but what it is given and what was remembered; what is
    visited travels in its state, shared by all environments. It learns by no gradient: train the embedding again on
    what it gathers (`policy` is for `collect`), make another agent of it, and let that remember all frames.

    Args:
        embedding: trained, for observations of the environments that will be shown.
        options: how.
        seed: of the planner's samples.
    """

    def __init__(self, embedding: Embedding, options: CuriosityOptions | None = None, seed: int = 0) -> None:
        self.embedding, self.options, self.seed = embedding.eval(), options or CuriosityOptions(), seed
        self._planner = self.options.planning.make_planner()
        self._dynamics: Dynamics = planning_model(embedding.transition)
        if self.options.seek == "disagreement":
            if not embedding.config.ensemble:
                raise InputError("The embedding has one transition, so nothing disagrees: train 'unfold-ensemble'.")
            self._dynamics = Ensemble([self._dynamics, *(planning_model(member) for member in embedding.members)])
        self._remembered: Experience | None = None

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
        """The first actions of new plans, and what to pass in next time.

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
        images = observation if observation.ndim == 4 else observation[None]
        latents = encode_means(self.embedding, images, finite=False)
        fresh = np.zeros(len(latents), np.bool_) if episode_start is None else np.asarray(episode_start, np.bool_)
        if fresh.shape != (len(latents),) or (state is not None and len(state.latents) != len(latents)):
            raise InputError(
                f"The state or episode_start is of other environments than the {len(latents)} observations: pass none "
                "at first, and then what the last call returned."
            )
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
        return actions if observation.ndim == 4 else actions[0], CuriousState(plan, latents, experience, steps)

    def policy(self) -> CuriousPolicy:
        """What `collect` takes."""
        return CuriousPolicy(self)

    def _cost(self, experience: Experience) -> Cost:
        if isinstance(self._dynamics, Ensemble):
            return Sought(DisagreementCost(self._dynamics, 1.0))
        return LatentNovelty(experience, self.options.reach * experience.spacing)

    def _from_nothing(self, latents: Array, experience: Experience | None) -> Experience:
        """The experience so far; if there is none, an empty one with a spacing that suits these latents (N, k)."""
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
        """Actions (N, m) at frames (N, H, W, C); the agent's own seed decides, not ``rng``."""
        stack = self.agent.embedding.observation_shape[2] // frames.shape[3]
        self._frames = [*(self._frames or [frames] * stack), frames][-stack:]
        actions, self.state = self.agent.predict(np.concatenate(self._frames, axis=-1), self.state)
        return actions


def _in_vain(before: Array, predicted: Array, after: Array, spacing: float) -> Array:
    """Of the predicted latents (N, k) those that the system fell short of by half of the way, and NaN for the others.

    It may have stayed put, or slid along a wall. One that came farther than it wanted was reset, or is somewhere else.
    """
    wanted, moved, short = (
        np.linalg.norm(b - a, axis=1) for a, b in ((before, predicted), (before, after), (after, predicted))
    )
    vain = (wanted >= STEP * spacing) & (short > wanted / 2) & (moved <= wanted)
    return np.where(vain[:, None], predicted, np.nan)
