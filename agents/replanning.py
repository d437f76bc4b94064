"""Replanning for environments that are at different steps of their episodes, each as if it were alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from e2c_control.planners import MPC, Plan
from e2c_control.planners.mpc import Replan

Rows = NDArray[np.int64]
Record = TypeVar("Record", Plan, Replan)


def replan_each(
    controller: Callable[[Rows], MPC],
    latents: NDArray[np.float64],
    steps: Rows,
    previous: Plan | None,
    restarted: NDArray[np.bool_],
    *,
    episode_steps: int | None,
    seed: int,
    apart: bool = False,
    repeat: int = 1,
) -> tuple[Plan, Replan | None]:
    """Replan N environments, those at the same step together.

    Horizon and random starts are those of the environment's own step, so that no plan depends on the environments
    beside it. Where plans end at different horizons, the shorter ones repeat their last control.

    Args:
        controller: makes the controller of the environments in these rows.
        latents: (N, k).
        steps: since each episode's start, (N,).
        previous: the last plans, if there are any.
        restarted: which episodes have begun anew, (N,).
        episode_steps: length of an episode, past which no plan reaches.
        seed: of random starts.
        apart: whether each has a controller of its own, also beside others at the same step.
        repeat: steps for which an action is held: plans in the middle of one stay as they are, and there is no record
            where all do.
    """
    plans, replans, rows = list[Plan](), list[Replan](), list[Rows]()
    due, held = np.flatnonzero(steps % repeat == 0), np.flatnonzero(steps % repeat)
    groups = due[:, None] if apart else [np.flatnonzero(steps == step) for step in np.unique(steps[due])]
    for row in groups:
        step = steps[row[0]]
        plan, replan = controller(row).replan(
            latents[row],
            previous=None if previous is None else previous.select(row),
            steps_left=None if episode_steps is None else max(-((int(step) - episode_steps) // repeat), 1),
            rng=np.random.default_rng([seed, int(step)]),
            restarted=restarted[row],
        )
        plans, replans, rows = [*plans, plan], [*replans, replan], [*rows, row]
    replan = None if not replans else _joined(replans, np.argsort(np.concatenate(rows)))
    if previous is not None and len(held):
        plans, rows = [*plans, previous.select(held)], [*rows, held]
    return plans[0] if len(plans) == 1 else _joined(_alike(plans), np.argsort(np.concatenate(rows))), replan


def _alike(plans: Sequence[Plan]) -> list[Plan]:
    """Return the plans, each padded to the longest horizon and cost history."""
    horizon, length = max(plan.horizon for plan in plans), max(plan.cost_history.shape[1] for plan in plans)
    return [
        replace(
            plan.shift(horizon, steps=0),
            cost_history=np.pad(plan.cost_history, ((0, 0), (0, length - plan.cost_history.shape[1])), "edge"),
        )
        for plan in plans
    ]


def _joined(records: Sequence[Record], order: Rows) -> Record:
    """Join the records into one, its rows in this order; what is no array, the time spent, is summed."""
    if len(records) == 1:
        return records[0]
    joined: dict[str, object] = {}
    for field in fields(records[0]):
        parts = [getattr(record, field.name) for record in records]
        if isinstance(parts[0], np.ndarray):
            joined[field.name] = np.concatenate(parts)[order]
        else:
            joined[field.name] = None if parts[0] is None else sum(parts)
    return replace(records[0], **joined)
