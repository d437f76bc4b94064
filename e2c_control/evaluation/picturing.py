"""One drive to one goal, with a film of it and a plot of planned and driven path on the latent map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from e2c_control.envs import Problem, Task
from e2c_control.envs.options import check_alike, given_goals, given_states
from e2c_control.envs.reference import reference_scores
from e2c_control.errors import InputError
from e2c_control.evaluation.episode import Episode, drive_foreign, drive_task
from e2c_control.evaluation.film import film
from e2c_control.evaluation.trained import TrainedRun
from e2c_control.figures import Journey, driven_path, save_gif, save_png
from e2c_control.measures import encode_means
from e2c_control.runs.folder import RunFolder
from e2c_control.runs.logger import RunLogger

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

MAP_POINTS, DRAWN_PLANS, STEPS, FASTEST = 700, 8, 100, 25


@dataclass(frozen=True, eq=False)
class PicturedDrive:
    """A drive that was driven and drawn.

    Attributes:
        trained: the run that drove.
        episode: what happened.
        plot: (h, w, 3).
        scalars: how well, and what its replans reported, for TensorBoard.
        frames_per_second: of the film.
    """

    trained: TrainedRun
    episode: Episode
    plot: Image
    scalars: Mapping[str, float]
    frames_per_second: int = FASTEST

    def write(self, name: str, out: Path | None = None) -> tuple[Path, Path]:
        """Write film, plot and curves into the run folder, or into ``out``; return the paths of film and plot."""
        try:
            folder = self.trained.folder if out is None else RunFolder.elsewhere(out)
            film_path, plot_path = folder.videos / f"{name}.gif", folder.plots / f"{name}.png"
            save_gif(
                film(self.episode, self.trained.embedding if self.trained.draws else None),
                film_path,
                min(self.frames_per_second, FASTEST),
            )
            save_png(self.plot, plot_path)
            with RunLogger(folder, part=f"drives/{name}") as logger:
                logger.table(self.trained.step, f"drives/{name}", self.scalars)
                logger.image(self.trained.step, "images/drive", self.plot)
                for step, replan in enumerate(self.episode.replans):
                    logger.scalars(step, replan.scalars())
        except InputError as error:
            raise InputError(f"{error} With --out FOLDER the files go there.") from error
        return film_path, plot_path


def chosen_problem(task: Task, seed: int, index: int, start: ArrayLike | None, goal: ArrayLike | None) -> Problem:
    """Return a problem of a list, with the given start and goal in place of its own; both must lie in the world."""
    problem = task.evaluation_problems(seed, index + 1)[-1]
    chosen = None if start is None else given_states(task, np.asarray(start), 1, "start")[0]
    wanted = None if goal is None else given_goals(task, np.asarray(goal), 1)[0]
    if chosen is not None and wanted is not None:
        check_alike(task, chosen[None], wanted[None])
    elif task.counterpart is not None and (chosen is not None or wanted is not None):
        return task.sample_problem(np.random.default_rng(seed), chosen, wanted)
    return Problem(problem.start if chosen is None else chosen, problem.goal if wanted is None else wanted)


def picture_problem(
    trained: TrainedRun,
    task: Task,
    problem: Problem,
    seed: int,
    planning: Mapping[str, object] | None = None,
    then: ArrayLike = (),
) -> PicturedDrive:
    """Drive one problem of a task, and then to further goals (G, n); draw it, with the map of states from all over."""
    goals = np.vstack((problem.goal, *(given_goals(task, np.asarray(goal), 1) for goal in np.asarray(then))))
    check_alike(task, np.broadcast_to(problem.start, goals.shape), goals)
    episode = drive_task(trained.agent(task, seed, planning), task, problem.start, goals, seed)
    assert episode.states is not None
    points, true_states = sample_views(task, MAP_POINTS, np.random.default_rng(seed), problem.start)
    varying = task.system.varying
    plot = driven_path(
        _journey(episode, varying(episode.states), varying(goals), episode.rewards > 0),
        encode_means(trained.embedding, points),
        varying(true_states),
        background=task.system.background(problem.start),
        goal_radius=task.goal_radius,
        names=task.system.state_names,
        title=f"{task.id}: from {_numbers(problem.start)} to {', '.join(map(_numbers, goals))}",
        projection=trained.projection,
    )
    oracle = {} if len(goals) > 1 else {"plan/oracle": float(reference_scores(task, [problem])[0])}
    scalars = {"plan/time_in_goal": float(episode.rewards.mean()), **oracle, **episode.scalars()}
    return PicturedDrive(trained, episode, plot, scalars, task.system.frames_per_second)


def picture_foreign(
    trained: TrainedRun, goals: Sequence[Image], steps: int, seed: int, planning: Mapping[str, object] | None = None
) -> PicturedDrive:
    """Drive any environment to goal frames (H, W, C), or to where random actions led, and draw it."""
    episode = drive_foreign(trained.agent(None, seed, planning), trained, goals, steps, seed)
    plot = driven_path(
        _journey(episode, episode.latents, episode.goal_latents, None),
        episode.latents,
        names=[f"latent {i + 1}" for i in range(episode.latents.shape[1])],
        title=f"{trained.card.environment}, its latents over time",
        projection=trained.projection,
    )
    return PicturedDrive(trained, episode, plot, {"plan/return": float(episode.rewards.sum()), **episode.scalars()})


def sample_views(task: Task, n: int, rng: np.random.Generator, state: Array) -> tuple[Image, Array]:
    """Return observations of states all over the world of one, and the states; stacks show what random controls did."""
    states = task.system.sample_alongside(np.repeat(state[None], n, axis=0), rng)
    frames = [task.system.render(states)]
    for _ in range(task.frame_stack - 1):
        controls = rng.uniform(-1, 1, (n, task.system.control_size)) * task.system.control_limit
        states = task.system.step(states, controls, rng)
        frames.append(task.system.render(states))
    return np.concatenate(frames, axis=-1), states


def _journey(episode: Episode, states: Array, goals: Array, in_goal: NDArray[np.bool_] | None) -> Journey:
    """Return what the plot shows, with a few plans, evenly spread over the episode."""
    plans = episode.plans[:: -(-len(episode.plans) // DRAWN_PLANS)]
    return Journey(episode.latents, plans, episode.goal_latents, states, goals, in_goal)


def _numbers(state: Array) -> str:
    return "(" + ", ".join(f"{value:.3g}" for value in state) + ")"
