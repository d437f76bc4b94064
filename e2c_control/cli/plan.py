"""`e2c plan`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from e2c_control.cli.console import MOST_PROBLEMS, Unset, check_seed, naming, say, suggest
from e2c_control.cli.planning import Planning, PlanningFlags
from e2c_control.errors import InputError, quoted, whole

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from e2c_control.agents import E2CAgent
    from e2c_control.envs import Problem, Task
    from e2c_control.evaluation.episode import Episode
    from e2c_control.evaluation.trained import TrainedRun

    Array = NDArray[np.float64]
    Image = NDArray[np.uint8]

MAP_POINTS, DRAWN_PLANS, STEPS = 700, 8, 100


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Drive to one goal, seeing images alone, and make a film and a plot of it.

    The film (videos/) shows the world beside what the agent sees, expects at the end of its plan, and wants. The plot
    (plots/) shows planned and driven path on the latent map and in the world.
      e2c plan --run runs/Planar-v0/NAME
      e2c plan --run runs/Planar-v0/NAME --problem 3
      e2c plan --run runs/Planar-v0/NAME --planner aico --horizon 15 --iterations 8
      e2c plan --run runs/Planar-v0/NAME --start-state 5 5 --goal-state 37 20
      e2c plan --run runs/PendulumSwingUp-v0/NAME --task E2C/PendulumBalance-v0
      e2c plan --run runs/Pendulum-v1/NAME --goal picture.png

    Attributes:
        run: folder that `e2c train` made.
        task: another task of the same system as the one trained on. E2C/* only.
        seed: of the list of problems (the published evaluations use 2020: keep it for `e2c evaluate`), and of the
            environment.
        problem: which of the list.
        start_state: start here instead, in the world's units. E2C/* only.
        goal_state: drive here instead. E2C/* only.
        goal: picture of the goal. Other environments only; default: what random actions lead to farthest from the
            start.
        steps: length of the episode. Default: the task's; 100 in other environments.
        out: folder for film, plot and curves instead of the run folder, such as of a run that may only be read.
        env: the environment, as `module:Id`, to import another package's module, which a run alone never does.
        planning: how.
    """

    run: Path
    task: Unset[str] = None
    seed: int = 100
    problem: int = 0
    start_state: Unset[tuple[float, ...]] = None
    goal_state: Unset[tuple[float, ...]] = None
    goal: Unset[Path] = None
    steps: Unset[int] = None
    out: Unset[Path] = None
    env: Unset[str] = None
    planning: PlanningFlags = field(default_factory=Planning)

    def __call__(self) -> None:
        """Drive, draw, and say how it went and what to do next."""
        say("Run", self.run)
        native = self.drive()
        run, env = quoted(self.run), naming(self.env)
        suggest(f"e2c evaluate --run {run}" if native else f"e2c plan --run {run}{env} --goal picture.png")

    def drive(self) -> bool:
        """Drive, draw, and say how it went; returns whether it was in a world of this project."""
        from e2c_control.evaluation.trained import TrainedRun
        from e2c_control.runs.threads import threads

        self._check()
        trained = TrainedRun.open(self.run, self.env)
        with threads(1):  # an image at a time is too little work to share
            if trained.native:
                self._in_own_world(trained)
            else:
                self._in_foreign_world(trained)
        return trained.native

    def _check(self) -> None:
        check_seed(self.seed)
        if not 0 <= self.problem < MOST_PROBLEMS:
            raise InputError(f"There is no problem {self.problem}: count from 0 to {MOST_PROBLEMS - 1}.")
        if self.problem and self.start_state is not None and self.goal_state is not None:
            raise InputError("--problem means nothing beside --start-state and --goal-state: leave it out.")
        self.planning.check()

    def _in_own_world(self, trained: TrainedRun) -> None:
        import numpy as np

        from e2c_control.envs.reference import reference_scores
        from e2c_control.evaluation.episode import drive_task
        from e2c_control.figures import Journey, driven_path
        from e2c_control.measures import encode_means

        self._refuse("goal")
        task = trained.task(self.task)
        if self.steps is not None:
            task = replace(task, horizon=self.steps)
        problem = self._problem(task)
        agent = self._equipped(trained.agent(task, self.seed), trained)
        episode = drive_task(agent, task, problem, self.seed)
        score, oracle = episode.rewards.mean(), reference_scores(task, [problem])[0]
        states = np.zeros((0, 0)) if episode.states is None else episode.states
        points, true_states = sample_views(task, MAP_POINTS, np.random.default_rng(self.seed))
        plot = driven_path(
            Journey(
                episode.latents, _some(episode.plans), episode.goal_latent, states, problem.goal, episode.rewards > 0
            ),
            encode_means(trained.embedding, points),
            true_states,
            background=task.system.background,
            goal_radius=task.goal_radius,
            names=task.system.state_names,
            title=f"{task.id}: from {_numbers(problem.start)} to {_numbers(problem.goal)}",
        )
        scalars = {"plan/time_in_goal": float(score), "plan/oracle": float(oracle), **episode.scalars()}
        say("Score", f"{score:.1%} of the steps in the goal, oracle {oracle:.1%}")
        self._write(trained, episode, plot, scalars, task.system.frames_per_second)

    def _in_foreign_world(self, trained: TrainedRun) -> None:
        from e2c_control.agents import E2CAgent, PlanningOptions
        from e2c_control.evaluation.episode import drive_foreign, read_goal
        from e2c_control.figures import Journey, driven_path

        self._refuse("task", "start_state", "goal_state")
        if self.problem:
            raise InputError("--problem means nothing in this environment: leave it out.")
        steps = STEPS if self.steps is None else whole("--steps", self.steps)
        agent = self._equipped(E2CAgent(trained.embedding, PlanningOptions(), self.seed), trained)
        card = replace(trained.card, environment=trained.environment)
        goal = None if self.goal is None else read_goal(self.goal, card)
        chosen = "what random actions led to farthest from the start; choose another with --goal picture.png"
        say("Goal", chosen if self.goal is None else self.goal)
        episode = drive_foreign(agent, card, goal, steps, self.seed)
        names = [f"latent {i + 1}" for i in range(episode.latents.shape[1])]
        plot = driven_path(
            Journey(
                episode.latents,
                _some(episode.plans),
                episode.goal_latent,
                episode.latents,
                episode.goal_latent,
                None,
            ),
            episode.latents,
            names=names,
            title=f"{trained.card.environment}, its latents over time",
        )
        scalars = {"plan/return": float(episode.rewards.sum()), **episode.scalars()}
        say("Return", f"{episode.rewards.sum():.1f} in {len(episode.rewards)} steps, by the environment's own reward")
        self._write(trained, episode, plot, scalars, 25)

    def _refuse(self, *names: str) -> None:
        for name in names:
            if getattr(self, name) is not None:
                raise InputError(f"--{name.replace('_', '-')} means nothing in this environment: leave it out.")

    def _problem(self, task: Task) -> Problem:
        """The chosen problem, with the given start and goal in place of its own; both must lie in the world."""
        import numpy as np

        from e2c_control.envs import Problem
        from e2c_control.envs.options import given_goals, given_states

        start, goal = task.evaluation_problems(self.seed, self.problem + 1)[-1]
        if self.start_state is not None:
            start = given_states(task, np.asarray(self.start_state), 1, "start")[0]
        if self.goal_state is not None:
            goal = given_goals(task, np.asarray(self.goal_state), 1)[0]
        return Problem(start, goal)

    def _equipped(self, agent: E2CAgent, trained: TrainedRun) -> E2CAgent:
        agent = self.planning.equip(agent, trained)
        if self.steps is not None:
            agent.options = replace(agent.options, episode_steps=self.steps)
        return agent

    def _write(
        self, trained: TrainedRun, episode: Episode, plot: Image, scalars: dict[str, float], frames_per_second: int
    ) -> None:
        from e2c_control.evaluation.film import film
        from e2c_control.figures import save_gif, save_png
        from e2c_control.runs.folder import RunFolder
        from e2c_control.runs.logger import RunLogger

        name = self._label(trained)
        try:
            folder = trained.folder if self.out is None else RunFolder.elsewhere(self.out)
            film_path, plot_path = folder.videos / f"{name}.gif", folder.plots / f"{name}.png"
            save_gif(film(episode, trained.embedding), film_path, min(frames_per_second, 25))
            save_png(plot, plot_path)
            with RunLogger(folder) as logger:
                logger.table(trained.step, f"drives/{name}", scalars)
                logger.image(trained.step, f"images/{name}", plot)
        except InputError as error:
            raise InputError(f"{error} With --out FOLDER the files go there.") from error
        say("Film", film_path)
        say("Plot", plot_path)

    def _label(self, trained: TrainedRun) -> str:
        task = (self.task or trained.card.environment).rpartition("/")[2]
        own = self.start_state or self.goal_state or self.goal
        how = f"-{self.planning.label}" if self.planning.label else ""
        return f"plan-{task}-{'own' if own else f'{self.seed}-{self.problem}'}{how}"


def sample_views(task: Task, n: int, rng: np.random.Generator) -> tuple[Image, Array]:
    """Observations of states all over the world, each with its states: a stack shows what random controls did."""
    import numpy as np

    states = task.system.sample_states(n, rng)
    frames = [task.system.render(states)]
    for _ in range(task.frame_stack - 1):
        controls = rng.uniform(-1, 1, (n, task.system.control_size)) * task.system.control_limit
        states = task.system.step(states, controls, rng)
        frames.append(task.system.render(states))
    return np.concatenate(frames, axis=-1), states


def _some(plans: list[Array]) -> list[Array]:
    """A few plans, evenly spread over the episode."""
    return plans[:: -(-len(plans) // DRAWN_PLANS)]


def _numbers(state: Array) -> str:
    return "(" + ", ".join(f"{value:.3g}" for value in state) + ")"
