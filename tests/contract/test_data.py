"""Every argument of environments, collections and datasets changes what is seen, written or drawn, or is refused."""

import contextlib
import inspect
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from e2c_control.data import (
    DatasetCard,
    Transitions,
    TransitionsWriter,
    UniformPolicy,
    collect,
    make_image_env,
    make_vector_env,
)
from e2c_control.envs import make_task, task_ids
from e2c_control.envs.env import TaskEnv
from e2c_control.envs.registry import TASKS
from e2c_control.envs.vector_env import TaskVectorEnv

from .mechanism import Refused, Row, Seen, Thing, contract, print_of

PLANAR, PENDULUM = "E2C/Planar-v0", "Pendulum-v1"


def walked(env: Any, **reset: Any) -> Seen:
    """What an environment, or a vector of them, shows under fixed actions."""
    frames, info = env.reset(seed=0, **reset)
    space = getattr(env, "single_action_space", env.action_space)
    action = np.full(env.action_space.shape, 0.5, np.float32)
    seen: list[Any] = [frames]
    truncated: list[Any] = []
    for _ in range(4):
        frames, _, _, cut, info = env.step(action)
        seen.append(frames)
        truncated.append(np.asarray(cut))
    picture = env.render() if env.render_mode else None
    env.close()
    goal = print_of(np.asarray(info["goal"])) if "goal" in info else None
    shown = {"frames": print_of(seen), "goal": goal, "end": print_of(truncated), "picture": print_of(picture)}
    return {**shown, "actions": str(space), "shape": np.shape(frames)}


def imaged(folder: Path, /, **changes: Any) -> Seen:
    changes |= changes.pop("kwargs", {})
    return walked(make_image_env(**{"env_id": PLANAR, **changes}))


def vectors(folder: Path, /, **changes: Any) -> Seen:
    changes |= changes.pop("kwargs", {})
    env = make_vector_env(**{"env_id": PLANAR, "n_envs": 2, **changes})
    kind = type(env).__name__
    first = env.reset()[0] if "seed" in changes else None
    return {**walked(env), "kind": kind, "first": print_of(first)}


LOOKS: dict[str, Any] = {
    "env_id": [Row("frames", "E2C/PlanarWalls-v0"), Refused("E2C/Plana-v0", "Plana")],
    "frame_stack": [Row("shape", 2), Refused(0, "frame_stack")],
    "image_size": [Row("shape", 16, beside={"env_id": PENDULUM}), Refused(16, "image_size")],
    "grayscale": [Row("shape", False, beside={"env_id": PENDULUM}), Refused(True, "grayscale")],
    "observation": [Row("shape", "vector", beside={"env_id": PENDULUM}), Refused("sound", "observation")],
    "camera": Refused("front", "no 'front'", {"env_id": PENDULUM}),
    "action_limit": Refused(2.0, "bounds already", {"env_id": PENDULUM}),
    "kwargs": [Row("frames", {"noise": 2.0}), Refused({"noise": -1.0}, "noise"), Refused({"nois": 1.0}, "nois")],
}


def tasked(task_id: str) -> Any:
    """Runs a task with its options in its single environment."""
    return lambda folder, **changes: walked(gymnasium.make(task_id, **changes).unwrapped)


def options_of(task_id: str) -> list[str]:
    own = [*inspect.signature(TASKS[task_id]).parameters]
    faces = [name for name in inspect.signature(TaskEnv).parameters if name not in ("task", "options")]
    return [*faces, *own]


TASK: dict[str, Any] = {
    "render_mode": Row("picture", "rgb_array"),
    "frame_stack": [Row("shape", 3), Refused(0, "frame_stack")],
    "horizon": [Row("end", 3), Refused(0, "horizon")],
    "noise": [Row("frames", 3.0), Refused(-1.0, "noise"), Refused("x", "noise")],
}
MORE: dict[str, dict[str, Any]] = {
    "goal": dict.fromkeys(task_ids(), Refused(99, "goal")),
    "max_step": {
        task: [Row("frames", 2.0), Refused(0.0, "max_step")]
        for task in (
            PLANAR,
            *(f"E2C/{name}-v0" for name in ("PlanarWalls", "Rooms", "UMaze", "CoastingWalls", "TwoDiscs")),
        )
    }
    # Its first episode starts beside a wall, which the noise pushes it away from.
    | {"E2C/MediumMaze-v0": [Row("frames", 2.0, beside={"noise": 2.0}), Refused(4.0, "max_step")]},
    "size": {"E2C/Rooms-v0": [Row("shape", 65), Refused(39, "size"), Refused(40.5, "size")]},
    "walls": {"E2C/Rooms-v0": [Row("frames", 2), Refused(3, "walls")]},
    "layout_seed": {key: [Row("frames", 3), Refused(-1, "layout_seed")] for key in (PLANAR, "E2C/Rooms-v0")},
}


def of_one(face: Any) -> Any:
    """Runs a face of a task."""

    def run(folder: Path, /, **changes: Any) -> Seen:
        changes |= changes.pop("options", {})
        return walked(face(**{"task": PLANAR, **changes}))

    return run


FACE: dict[str, Any] = {
    "task": Row("frames", "E2C/PlanarWalls-v0"),
    "render_mode": [Row("picture", "rgb_array"), Refused("ansi", "ansi")],
    "frame_stack": Row("shape", 2),
    "horizon": Row("end", 3),
    "goal": [Row("goal", np.array([5.0, 5.0])), Refused(99, "goal")],
    "options": [Row("frames", {"noise": 2.0}), Refused({"nois": 2.0}, "nois")],
}


class Counted(UniformPolicy):
    """Random actions; counts its calls, and can be interrupted after some."""

    def __init__(self) -> None:
        super().__init__(2)
        vars(self).update(calls=0, left=10**9)

    def __call__(self, frames: Any, rng: Any) -> Any:
        vars(self).update(calls=self.calls + 1, left=self.left - 1)
        if self.left < 0:
            raise KeyboardInterrupt
        return super().__call__(frames, rng)


def collected(folder: Path, /, **changes: Any) -> Seen:
    given: dict[str, Any] = {"path": "data", "transitions": 24, "episode_length": 8, "policy": Counted(), **changes}
    interrupted = given.pop("interrupted", False)
    env = make_vector_env(given.pop("vector_env", PLANAR), 2, frame_stack=1)
    said = io.StringIO()
    with contextlib.chdir(folder):
        collect(make_vector_env(PLANAR, 2, frame_stack=1), "there", 8, 4)
        if interrupted:
            given["policy"].left = 9
            with pytest.raises(KeyboardInterrupt):
                collect(env, **{**given, "resume": False})
            given["policy"] = Counted()
        with contextlib.redirect_stderr(said):
            said.isatty = lambda: True  # type: ignore[method-assign]
            made = collect(env, **given)
    return {
        "frames": print_of(np.array(made.frames)),
        "actions": print_of(np.array(made.actions)),
        "episodes": made.n_episodes,
        "card": made.card.frame_stack,
        "policy calls": getattr(given["policy"], "calls", None),
        "names": sorted(path.name for path in folder.iterdir()),
        "bar": bool(said.getvalue()),
    }


def opened(folder: Path) -> Transitions:
    with contextlib.chdir(folder):
        env = make_vector_env(PLANAR, 2, frame_stack=1)
        made = collect(env, folder / "data", 40, 8)
        collect(env, folder / "other", 40, 8, seed=1)
    return made


def windows(folder: Path, /, **changes: Any) -> Seen:
    return {"rows": print_of(opened(folder).windows(**{"steps": 2, **changes}))}


def rows(folder: Path, /, **changes: Any) -> Seen:
    return {"rows": print_of(opened(folder).window_rows(**{"starts": np.array([0, 10]), "steps": 2, **changes}))}


def split(folder: Path, /, **changes: Any) -> Seen:
    return {"episodes": print_of(opened(folder).split(**{"held_out": 0.4, **changes}))}


def reopened(folder: Path, /, **changes: Any) -> Seen:
    opened(folder)
    return {"actions": print_of(np.array(Transitions.open(folder / changes.get("path", "data")).actions))}


CARD = DatasetCard(PLANAR, {}, (4, 4, 1), 2, 2, 1, 0, rewards=True, vector_dim=3)
EPISODES: dict[str, Any] = {
    "frames": np.arange(2 * 4 * 16, dtype=np.uint8).reshape(2, 4, 4, 4, 1),
    "actions": np.full((2, 4, 2), 0.5, np.float32),
    "states": np.ones((2, 4, 2)),
    "rewards": np.ones((2, 4)),
    "endings": np.array([0, 1]),
    "vectors": np.ones((2, 4, 3)),
}


def written(folder: Path, /, **changes: Any) -> Seen:
    """Writes episodes; arguments are those of `create` and of `append`."""
    made = {name: changes.pop(name) for name in ("path", "card", "expected_frames", "overwrite") if name in changes}
    given = {"path": "data", "card": CARD, **made}
    with contextlib.chdir(folder):
        with TransitionsWriter.create("there", CARD) as writer:
            writer.append(**EPISODES)
        with TransitionsWriter.create(**given) as writer:
            writer.append(**{**EPISODES, **changes})
        found = Transitions.open(given["path"])
    names = ("frames", "actions", "states", "episodes", "rewards", "endings", "vectors")
    parts = {name: print_of(np.array(getattr(found, name))) for name in names}
    return {**parts, "names": sorted(path.name for path in folder.iterdir()), "card": found.card.seed}


def acting(folder: Path, /, **changes: Any) -> Seen:
    policy = UniformPolicy(**{"action_dim": 2, **changes})
    return {"actions": print_of(policy(np.zeros((8, 4, 4, 1), np.uint8), np.random.default_rng(0)))}


THINGS = [
    Thing("make_image_env", make_image_env, imaged, LOOKS),
    Thing(
        "make_vector_env",
        make_vector_env,
        vectors,
        {
            **LOOKS,
            "n_envs": [Row("shape", 3), Refused(0, "n_envs"), Refused(1e9, "at once")],
            "seed": [Row("first", 1, first=0), Refused(-1, "seed")],
            "processes": Row("kind", True, beside={"env_id": PENDULUM}),
        },
    ),
    Thing("TaskEnv", TaskEnv, of_one(TaskEnv), FACE),
    Thing(
        "TaskVectorEnv",
        TaskVectorEnv,
        of_one(TaskVectorEnv),
        {**FACE, "num_envs": [Row("shape", 3), Refused(0, "num_envs")]},
    ),
    *(
        Thing(
            task_id,
            options_of(task_id),
            tasked(task_id),
            {**TASK, **{name: rows[task_id] for name, rows in MORE.items() if task_id in rows}},
        )
        for task_id in task_ids()
    ),
    Thing(
        "collect",
        collect,
        collected,
        {
            "vector_env": Row("frames", "E2C/PlanarWalls-v0"),
            "path": Row("names", "elsewhere"),
            "transitions": [Row("actions", 30), Refused(0, "transitions")],
            "episode_length": [Row("episodes", 4), Refused(0, "episode")],
            "starts": [Row("frames", "sampled"), Refused("nowhere", "nowhere")],
            "policy": Row("actions", UniformPolicy(2, corner_share=1.0)),
            "seed": [Row("frames", 1), Refused(-1, "seed")],
            "frame_stack": [Row("card", 2), Refused(0, "frame_stack")],
            "overwrite": Row("refused", True, beside={"path": "there"}),
            "resume": Row("policy calls", True, beside={"interrupted": True}),
            "progress": Row("bar", True),
        },
    ),
    Thing("Transitions.open", Transitions.open, reopened, {"path": Row("actions", "other")}),
    Thing(
        "Transitions.windows",
        Transitions.windows,
        windows,
        {
            "steps": Row("rows", 3),
            "stack": Row("rows", 3, beside={"repeat_first": False}),
            "episodes": Row("rows", np.array([1])),
            "repeat_first": Row("rows", False, first=True, beside={"stack": 3}),
        },
    ),
    Thing(
        "Transitions.window_rows",
        Transitions.window_rows,
        rows,
        {"starts": Row("rows", np.array([1, 11])), "steps": Row("rows", 3), "stack": Row("rows", 3)},
    ),
    Thing(
        "Transitions.split",
        Transitions.split,
        split,
        {"held_out": [Row("episodes", 0.7), Refused(1.0, "held_out")], "seed": Row("episodes", 1)},
    ),
    Thing(
        "TransitionsWriter",
        [
            *(name for name in inspect.signature(TransitionsWriter.create).parameters),
            *(name for name in inspect.signature(TransitionsWriter.append).parameters if name != "self"),
        ],
        written,
        {
            "path": Row("names", "elsewhere"),
            "card": Row("card", replace(CARD, seed=5)),
            "expected_frames": Refused(10**15, "space"),
            "overwrite": Row("refused", True, beside={"path": "there"}),
            "frames": Row("frames", EPISODES["frames"] + 1),
            "actions": Row("actions", EPISODES["actions"] / 2),
            "states": Row("states", 2 * EPISODES["states"]),
            "lengths": Row("episodes", np.array([2, 3])),
            "rewards": [Row("rewards", 2 * EPISODES["rewards"]), Refused(None, "rewards")],
            "endings": [Row("endings", np.array([2, 0])), Refused(np.array([0, 3]), "endings")],
            "vectors": [Row("vectors", 2 * EPISODES["vectors"]), Refused(None, "vectors")],
        },
    ),
    Thing(
        "UniformPolicy",
        UniformPolicy,
        acting,
        {
            "action_dim": Row("actions", 3),
            "scale": [Row("actions", 0.5), Refused(2.0, "scale")],
            "corner_share": [Row("actions", 0.5), Refused(2.0, "corner")],
        },
    ),
]

test_every_argument_has_a_row, test_alike, test_every_argument_counts = contract(THINGS)


def test_make_task_takes_what_the_environments_take() -> None:
    """Its options are those of `TASK`, which every environment hands on to it."""
    assert set(inspect.signature(make_task).parameters) - {"task", "options"} <= set(TASK)
