"""How an agent plans: the options that turn an embedding into a controller."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from reprlib import repr as short
from typing import Annotated, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from e2c_control.agents.filtering import FrameFilter
from e2c_control.data import Choices
from e2c_control.envs import Task
from e2c_control.errors import InputError, number, of_class, only_options, whole
from e2c_control.fields import (
    MOST_AT_ONCE,
    AtOnce,
    AtOnceOrZero,
    Bounds,
    Count,
    Named,
    NotNegative,
    PlanLength,
    ShareAboveZero,
    Through,
    TwoOrMoreAtOnce,
    check,
    conform,
    hints_of,
    is_mapping,
    is_named,
)
from e2c_control.measures import encode_means, encode_places
from e2c_control.measures.encoded import Observations
from e2c_control.models.embedding import Embedding
from e2c_control.models.planning_model import planning_model
from e2c_control.models.reachability import PassageDynamics
from e2c_control.models.reward_cost import reward_cost
from e2c_control.planners import (
    COSTS,
    MPC,
    PLANNERS,
    ControlRateCost,
    Cost,
    DisagreementCost,
    Dynamics,
    Ensemble,
    Landmarks,
    Limits,
    Planner,
    RememberControl,
    RepeatControl,
    RoadmapCost,
    SmoothCost,
    Starts,
    SumCost,
    make_planner,
)
from e2c_control.planners.chosen import ChosenControl, ChosenCost
from e2c_control.registry import parameters_of
from e2c_control.runs.typed_json import to_json

Array = NDArray[np.float64]
Objective = Literal["goal", "reward"]

REPLAN: Mapping[str, Mapping[str, object]] = {
    "ilqr": {"iterations": 4, "step_sizes": (1.0, 0.3, 0.1)},
    "aico": {"iterations": 4},
}
"""Settings of a planner for one replan, which goes on from the last one: less than a plan from nothing needs."""


ROADMAP = "roadmap"
"""The planner that plans among the places of an embedding's `Reachability`, and not in its map."""

STEP_COST = 100.0
"""Times state_weight, what a step of the way costs the roadmap's plans, which weigh that against action_weight."""


def takes(planner: str | Callable[..., Any]) -> tuple[str, ...]:
    """Return which options of `PlanningOptions` mean something to a planner: those that its class takes.

    The linearisation of the dynamics is for all that do not sample.
    """
    found = PLANNERS.find(planner)
    known = parameters_of(found) if isinstance(found, type) else ()
    options = tuple(name for name in ("iterations", "starts", "samples") if name in known)
    return options if "samples" in options else (*options, "linearization")


def action_weights(name: str, value: object) -> tuple[float, ...]:
    """Return weights of the actions, given as one number or several."""
    given = np.atleast_1d(conform(NDArray[np.float64], value, name))
    if given.ndim != 1 or not len(given):
        raise InputError(f"{name} is {short(value)}: give a number for all actions, or one for each.")
    return tuple(number(name, weight, least=0) for weight in given.tolist())


@dataclass(frozen=True)
class PlanningOptions:
    """Receding-horizon planning in latent space, with the cost sum q |z - z_goal|^2 + sum_i r_i a_i^2 or your own.

    LQR linearises once a replan, along the shifted last plan (at first, under zero actions), and iLQR four times, from
    several starts. AICO is the planner of the E2C paper. Adam and GRASP follow gradients alone. CEM, iCEM and MPPI
    sample, and need no derivatives. The roadmap knows ways around walls, for an embedding with reachability: it plans
    by the steps left to the goal.

    Attributes:
        horizon: steps in a plan.
        state_weight: q.
        action_weight: r, one for each action or one for all, in units of actions in [-1, 1].
        planner: name in `PLANNERS`, "my_package:Mine", a class or function of your own, of which the name is kept, or a
            planner with all its settings, such as ``ICEM(color=1.0)``.
        iterations: of the planner in one replan. Default: its number in `REPLAN`, else the planner's own default.
        starts: control sequences to start from, beside the last plan: zeros, then random and extreme ones. Default: the
            planner's own.
        samples: control sequences in an iteration. A planner that has elites takes a tenth of them as such, unless
            ``settings`` say otherwise. Default: the planner's own numbers.
        linearization: follow the exact "jacobian", or the "model"'s own A and B, as E2C does: those leave out how A and
            B change, and four iterations do not make up for it. Default: jacobian.
        disagreement: weight of the members' disagreement, for an embedding with an ensemble of transitions: how far
            plans keep to where the model knows.
        rate_weight: weight of how far each action changes from the one before, |a_t - a_t-1|^2, the first one from the
            last that was given. Dynamics that remember an action do not compile: plans take several times as long.
        delay: steps after which an action takes effect, in an environment that delays them: a plan begins where the
            actions on their way lead by the model. At an episode's start these are zero.
        action_repeat: steps for which each action is held: plans are made that seldom, and their horizon counts
            actions.
        ways: plan among places, as the roadmap does, with any planner that samples: by the steps left to the goal at
            each step of a plan, "cost", or by the steps taken and those left at its end, "terminal". For an embedding
            with reachability. Default: in the map; for the roadmap "cost".
        goal_cost: of reaching the goal: "quadratic" as above, "my_package:Mine", or a class or function of your own, of
            which the name is kept. It is called as `QuadraticCost` is: with latent goals (k,) of all or (N, k), q times
            the identity (k, k), and the diagonal matrix of r (m, m). Without `expand` it is for planners that sample.
        objective: what plans are for: to come near a "goal" image, or for the "reward" that an embedding with that head
            (the recipe unfold-reward) has learnt, to which state_weight adds the goal's cost where a goal is set.
        discount: of a reward for each step that it comes later.
        choices: of an environment whose actions are choices: plans are searched among one-hot actions, by planners that
            sample. Default: actions are continuous.
        frame_filter: fuses each encoded frame with what the model predicted. Default: trust the frame alone.
        episode_steps: length of an episode, past which no plan reaches. Default: unknown.
        settings: other options of the planner, by name: ``{"elites": 30, "color": 1.0}``.

    Raises:
        InputError: an option is not one that the planner takes, or out of its range.
    """

    horizon: PlanLength = 10
    state_weight: NotNegative = 10.0
    action_weight: Annotated[tuple[float, ...], Through(action_weights)] = (1.0,)
    planner: str | Callable[..., Any] = "ilqr"
    iterations: AtOnceOrZero | None = None
    starts: AtOnce | None = None
    samples: TwoOrMoreAtOnce | None = None
    linearization: Literal["model", "jacobian"] | None = None
    disagreement: NotNegative = 0.0
    rate_weight: NotNegative = 0.0
    delay: Annotated[int, Bounds(0, 1_000)] = 0
    action_repeat: Annotated[int, Bounds(1, 1_000)] = 1
    ways: Literal["cost", "terminal"] | None = None
    goal_cost: Annotated[str | Callable[..., Cost], Named(COSTS)] = "quadratic"
    objective: Objective = "goal"
    discount: ShareAboveZero = 1.0
    choices: Choices | None = None
    frame_filter: FrameFilter | None = None
    episode_steps: Count | None = None
    settings: Mapping[str, object] = field(default_factory=dict[str, object])

    def __post_init__(self) -> None:
        self._name_planner()
        check(self)
        self.make_planner()
        of_latents = ("disagreement", "rate_weight", "delay", "action_repeat", "goal_cost", "frame_filter")
        usual = {one.name: one.default for one in fields(self)}
        for name in (name for name in of_latents if self.by_places and getattr(self, name) != usual[name]):
            which = "the planner 'roadmap'" if self.planner == ROADMAP else f"ways '{self.ways}'"
            raise InputError(f"{name} is of latents, and {which} plans among places: leave it out.")
        if self.by_places and "samples" not in takes(self.planner):
            raise InputError(
                f"ways '{self.ways}' is a cost without slopes: {self.planner!r} needs them, take one that samples."
            )
        if self.objective == "goal" and self.discount != 1.0:
            raise InputError("discount is of rewards: leave it out, or plan for the objective 'reward'.")
        if self.choices is not None and "samples" not in takes(self.planner):
            raise InputError(f"choices have no slopes, and {self.planner!r} needs them: take a planner that samples.")
        if self.objective == "reward" and self.by_places:
            raise InputError("A reward is planned for in the map: leave out ways, and the planner 'roadmap'.")

    @classmethod
    def for_task(cls, task: Task) -> PlanningOptions:
        """Return options with the task's horizon and weights."""
        return cls(
            horizon=task.planning_horizon,
            state_weight=task.q,
            action_weight=tuple(float(r) for r in task.action_weight),
            episode_steps=task.horizon,
        )

    @classmethod
    def for_reward(cls) -> PlanningOptions:
        """Return options that plan for a reward alone, by a planner that needs no derivatives of what it has learnt."""
        return cls(
            horizon=15,
            state_weight=0.0,
            action_weight=(0.0,),
            planner="icem",
            iterations=3,
            samples=96,
            objective="reward",
            discount=0.98,
        )

    @classmethod
    def suiting(
        cls, embedding: Embedding, task: Task | None = None, planner: str | Callable[..., Any] | None = None
    ) -> PlanningOptions:
        """Return options for a task, if there is one, by a planner: the roadmap by default, where the embedding has it.

        The roadmap plans one step: what it goes by counts all that follow.
        """
        options = cls() if task is None else cls.for_task(task)
        planner = planner or (options.planner if embedding.reachability is None else ROADMAP)
        return replace(options, planner=planner, horizon=1 if planner == ROADMAP else options.horizon)

    def make_planner(self) -> Planner:
        """Return the planner alone."""
        taken = takes(self.planner)
        for name in ("iterations", "starts", "samples", "linearization"):
            if getattr(self, name) is not None and name not in taken:
                raise InputError(f"{name} means nothing to the planner {self.planner!r}: leave it out.")
            if getattr(self, name) is not None and name in self.settings:
                raise InputError(f"{name} is given twice, and once among the settings: give it once.")
        options = dict(REPLAN.get(str(self.planner), {}))
        if self.iterations is not None:
            options["iterations"] = self.iterations
        if self.samples is not None:
            options["samples"] = self.samples
            if "elites" in parameters_of(PLANNERS.find(self.planner)):
                options["elites"] = max(self.samples // 10, 1)
        if self.starts is not None:
            options["starts"] = _starts(self.starts)
        return make_planner(self.planner, **{**options, **self.settings})

    def _name_planner(self) -> None:
        """Keep the name of a planner that was given as an object, and its settings as its class has them."""
        planner, settings = self.planner, self.settings
        if is_dataclass(planner) and not isinstance(planner, type):
            if settings:
                raise InputError("settings are given beside a planner that has its own: make the planner with them.")
            planner, settings = type(planner), {one.name: getattr(planner, one.name) for one in fields(planner)}
        name = PLANNERS.name_of(planner)
        found = PLANNERS.find(name)
        if not is_named(settings):
            raise InputError(f"settings is {short(settings)}: give a mapping of names to values.")
        only_options(f"The planner {name!r}", settings, parameters_of(found) if isinstance(found, type) else ())
        if is_dataclass(found):
            settings = _typed(found, settings)
        if name in PLANNERS:
            _check_counts("settings", settings)
        object.__setattr__(self, "planner", name)
        object.__setattr__(self, "settings", settings)

    @property
    def by_places(self) -> bool:
        """Whether it plans among places, and not among latents."""
        return self.planner == ROADMAP or self.ways is not None

    def encode(self, embedding: Embedding, observations: Observations, *, finite: bool = True) -> Array:
        """Return what plans begin from, (N, k), of N observations: latents, or places."""
        encode = encode_places if self.by_places else encode_means
        return encode(embedding, observations, finite=finite)

    def controller(self, embedding: Embedding, goals: Array | None = None, landmarks: Landmarks | None = None) -> MPC:
        """Return a receding-horizon controller to the goal (k,) of all, or one for each (N, k), by `encode`.

        Where it is a reward that is planned for, no goal is needed.

        Landmarks are those of an earlier controller of the same embedding, which know the ways to its goals.
        """
        k, m = embedding.config.latent_dim, embedding.action_dim
        if self.frame_filter is not None and len(self.frame_filter.frame_variance) != k:
            known = len(self.frame_filter.frame_variance)
            raise InputError(f"The filter has {known} dimensions, the embedding {k}: measure it on this embedding.")
        if len(self.action_weight) not in (1, m):
            raise InputError(
                f"action_weight has {len(self.action_weight)} numbers and the embedding {m} actions: give one for "
                "all, or one for each."
            )
        if self.choices is not None and self.choices.size != m:
            raise InputError(
                f"choices are {self.choices.size} numbers, and the embedding has {m} actions: give its own."
            )
        if goals is None and self.objective == "goal":
            raise InputError("Plans for a goal need one: give its latent, or plan for the objective 'reward'.")
        if self.by_places:
            return self._roadmap(embedding, goals, landmarks)
        linearization = self.linearization or "jacobian"
        dynamics: Dynamics = planning_model(embedding.transition, linearization)
        if self.disagreement:
            if not embedding.config.ensemble:
                raise InputError("The embedding has one transition, so nothing disagrees: train 'unfold-ensemble'.")
            others = [planning_model(member, linearization) for member in embedding.members]
            dynamics = Ensemble([dynamics, *others])
        if self.choices is not None:
            dynamics = ChosenControl(dynamics, self.choices.nearest)
        if self.action_repeat > 1:
            dynamics = RepeatControl(dynamics, self.action_repeat)
        if self.rate_weight:
            dynamics = RememberControl(dynamics)
        cost = self.cost(embedding, dynamics, goals)
        return MPC(self.make_planner(), dynamics, cost, self.horizon, Limits.symmetric(1.0, m))

    def _roadmap(self, embedding: Embedding, goals: Array | None, landmarks: Landmarks | None) -> MPC:
        graph = None if embedding.reachability is None else embedding.reachability.graph()
        if graph is None or embedding.passage is None:
            remedy = "go on with its training" if embedding.passage is not None else "train the recipe 'unfold-roadmap'"
            raise InputError(f"The embedding knows no ways around walls yet: {remedy}.")
        dynamics, limits = PassageDynamics(embedding.passage), Limits.symmetric(1.0, embedding.action_dim)
        landmarks = landmarks or graph.in_model(dynamics.moves, limits)
        cost = self.cost(embedding, dynamics, goals, landmarks)
        return MPC(self.make_planner(), dynamics, cost, self.horizon, limits)

    def cost(
        self, embedding: Embedding, dynamics: Dynamics, goals: Array | None, landmarks: Landmarks | None = None
    ) -> Cost:
        """Return the cost of reaching the goal (k,) of all, or one for each (N, k), by landmarks if there are any.

        Where a reward is planned for, its cost comes on top, and without a goal only actions cost besides.
        """
        weights = np.broadcast_to(self.action_weight, (dynamics.control_dim,))
        state_weight = 0.0 if goals is None else self.state_weight
        goals = np.zeros(embedding.config.latent_dim) if goals is None else goals
        if landmarks is not None:
            step_weight, terminal = STEP_COST * self.state_weight, self.ways == "terminal"
            return RoadmapCost(landmarks, goals, step_weight, np.diag(weights), terminal)
        made = COSTS.find(self.goal_cost)(goals, state_weight * np.eye(goals.shape[-1]), np.diag(weights))
        cost = cast(SmoothCost, of_class("What goal_cost makes", made, Cost))  # who needs derivatives asks for them
        if self.objective == "reward":
            paid = reward_cost(embedding, self.discount)
            cost = SumCost(paid, cost) if state_weight or weights.any() else paid
        model = model_of(dynamics)
        model = model.dynamics if isinstance(model, ChosenControl) else model
        if isinstance(model, Ensemble):
            cost = SumCost(cost, DisagreementCost(model, self.disagreement))
        cost = cost if self.choices is None else ChosenCost(cost, self.choices.nearest)
        return ControlRateCost(cost, self.rate_weight * np.eye(dynamics.control_dim)) if self.rate_weight else cost

    def begin(self, mpc: MPC, latents: Array, recent: Array) -> Array:
        """Return the states (N, k), or more, from which plans begin, of what is seen now and actions given (N, T, m).

        The last ``delay`` of these are on their way.
        """
        if self.delay:
            with np.errstate(all="ignore"):  # a latent that is not finite is the planner's to report
                latents = model_of(mpc.dynamics).rollout(latents, recent[:, -self.delay :])[:, -1]
        return np.concatenate((latents, recent[:, -1]), axis=1) if self.rate_weight else latents


def model_of(dynamics: Dynamics) -> Dynamics:
    """Return the model of one step of the environment, of dynamics that `PlanningOptions` put something around."""
    while isinstance(dynamics, RememberControl | RepeatControl):
        dynamics = dynamics.dynamics
    return dynamics


def _typed(planner: Any, settings: Mapping[str, object]) -> dict[str, object]:
    """Return the settings of a planner's dataclass, as they are after a file."""
    try:
        given = {name: to_json(value) for name, value in settings.items()}
    except TypeError as error:
        raise InputError(f"settings cannot be saved, {error}: give numbers, texts, and lists or mappings.") from error
    kinds = hints_of(planner)
    return {name: conform(kinds[name], value, f"settings.{name}", from_file=True) for name, value in given.items()}


def _check_counts(place: str, value: object) -> None:
    """Refuse numbers of samples and iterations that a file must not ask for."""
    if is_dataclass(value) and not isinstance(value, type):
        value = {one.name: getattr(value, one.name) for one in fields(value)}
    if is_mapping(value):
        for name, item in value.items():
            _check_counts(f"{place}.{name}", item)
    elif isinstance(value, int) and not isinstance(value, bool):
        whole(place, value, least=0, most=MOST_AT_ONCE)


def _starts(count: int) -> Starts:
    """Return so many starts beside the last plan: zeros, then as many random ones as extreme ones, or one more."""
    drawn = count - 1
    return Starts(zeros=1, uniform=-(-drawn // 2), extreme=drawn // 2)
