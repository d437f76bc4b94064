"""What a drive of one problem is chosen by, and drawn on."""

import numpy as np
import pytest

from e2c_control.envs import make_task
from e2c_control.errors import InputError
from e2c_control.evaluation.picturing import chosen_problem, sample_views


@pytest.mark.parametrize("task_id", ["E2C/Planar-v0", "E2C/Rooms-v0"])
def test_a_given_start_or_goal_takes_the_place_of_the_problems_own(task_id: str) -> None:
    task = make_task(task_id)
    own, state = task.evaluation_problems(5, 3)[2], task.goals[-1]
    np.testing.assert_array_equal(chosen_problem(task, 5, 2, None, None), own)
    for problem, end in ((chosen_problem(task, 5, 2, state, None), 0), (chosen_problem(task, 5, 2, None, state), 1)):
        np.testing.assert_array_equal(problem[end], state)
        np.testing.assert_array_equal(problem.start[2:], problem.goal[2:])
        if not task.system.constants:
            np.testing.assert_array_equal(problem[1 - end], own[1 - end])


def test_walls_of_start_and_goal_are_the_same() -> None:
    task = make_task("E2C/Rooms-v0")
    with pytest.raises(InputError, match=r"different worlds: give both the same upright \(0 or 1\), wall 1 .*, door 1"):
        chosen_problem(task, 5, 0, task.goals[0], task.goals[1])
    frames, states = sample_views(task, 20, np.random.default_rng(0), task.goals[1])
    assert (states[:, 2:] == task.goals[1, 2:]).all()
    np.testing.assert_array_equal(frames, task.system.render(states))
