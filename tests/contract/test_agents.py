"""Every argument of the agents that plan changes what they learn, do, write or print, or is refused."""

import contextlib
import io
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback

from e2c_control.agents import E2CAgent, PlanningOptions
from e2c_control.agents.curiosity import CuriosityOptions, PlannedCuriosity
from e2c_control.agents.learning import LearningOptions, RoundOptions
from e2c_control.models.embedding import Embedding, EmbeddingConfig
from e2c_control.objectives.recipe import Recipe
from e2c_control.objectives.recipes import make_recipe

from .mechanism import Excused, Refused, Row, Seen, Thing, contract, print_of

FRAMES = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 1), np.uint8)
ACCEPTED = "It is accepted so that stable-baselines3's code can call `learn`, which reports once, at its end."


def embedding(seed: int = 0, **sizes: Any) -> Embedding:
    small: Any = {"encoder_hidden": (8,), "decoder_hidden": (8,), "transition_hidden": (8,), "pool": 4}
    config = EmbeddingConfig(**{**small, "latent_dim": 2, **sizes})
    return Embedding(config, (40, 40, 1), 2, torch.Generator().manual_seed(seed)).eval()


def recipe() -> Recipe:
    """A few steps of the default recipe, on small networks."""
    return make_recipe("unfold", embedding().config).scaled(0.002)


def paid() -> Recipe:
    """A few steps of a recipe that learns rewards, on small networks and short windows."""
    made = make_recipe("unfold-reward", embedding().config).scaled(0.002)
    return replace(made, phases=tuple(replace(phase, horizon=min(phase.horizon, 2)) for phase in made.phases))


def plans(agent: Any) -> str:
    if isinstance(agent, E2CAgent):
        agent.set_goal(FRAMES[0])
    return print_of(agent.predict(FRAMES[1:], None, np.array([True]))[0])


def shown(agent: Any, said: str = "") -> Seen:
    return {
        "weights": print_of(agent.embedding),
        "plan": plans(agent),
        "steps": agent.num_timesteps,
        "prints": said,
    }


def constructed(kind: Any) -> Any:
    def run(folder: Path, /, **changes: Any) -> Seen:
        return shown(kind.from_embedding(**{"embedding": embedding(), **changes}))

    return run


def created(kind: Any) -> Any:
    """Learns once."""

    def run(folder: Path, /, **changes: Any) -> Seen:
        given: dict[str, Any] = {"env": "E2C/Planar-v0", "recipe": recipe(), "episode_length": 9, "seed": 0, **changes}
        said = io.StringIO()
        with contextlib.chdir(folder), contextlib.redirect_stdout(said):
            agent = kind(**given).learn(24)
        names = sorted(str(path.relative_to(folder)) for path in folder.glob("*"))
        seen = {"names": names, "weights": print_of(agent.embedding), "prints": bool(said.getvalue())}
        walls = given["env"] != "E2C/Planar-v0" or given.get("frame_stack") or given.get("latent_dim")
        return seen if walls else {**seen, "plan": plans(agent)}

    return run


class Terminal(io.StringIO):
    """Bars are drawn on a terminal alone."""

    def isatty(self) -> bool:
        return True


class Counting(BaseCallback):
    def _on_step(self) -> bool:
        return self.num_timesteps < 9


def learnt(kind: Any) -> Any:
    """Learns a second time."""

    def run(folder: Path, /, **changes: Any) -> Seen:
        agent = kind("E2C/Planar-v0", recipe(), episode_length=9, tensorboard_log=folder).learn(24)
        said = Terminal()
        with contextlib.redirect_stderr(said):
            agent.learn(**{"total_timesteps": 24, "callback": None, **changes})
        names = sorted(path.name for path in folder.glob("*"))
        return {**shown(agent, "a bar" if said.getvalue() else ""), "names": names}

    return run


def loaded(folder: Path, **changes: Any) -> Seen:
    for name, seed in (("a", 0), ("b", 1)):
        E2CAgent("E2C/Planar-v0", recipe(), episode_length=9, seed=seed).learn(24).save(folder / name)
    copytree(folder / "a", folder / "theirs")
    written = folder / "theirs" / "checkpoint.json"
    written.write_text(written.read_text().replace('"ilqr"', '"bisect:nothing"'))
    given = {**changes, "path": folder / changes.get("path", "a")}
    agent = E2CAgent.load(**given)
    return {**shown(agent), "env": agent.get_env() is not None}


SEED: list[Row | Refused] = [Row("weights", 1), Refused(-1, "seed")]
CUDA = Row("weights", "cuda") if torch.cuda.is_available() else Refused("cuda", "no CUDA device")
CREATE: dict[str, Any] = {
    "env": [Row("weights", "E2C/PlanarWalls-v0"), Refused("E2C/Plana-v0", "Plana")],
    "recipe": [Row("weights", "unfold", beside={"steps_scale": 0.002}), Refused("unfol", "no recipe 'unfol'")],
    "frame_stack": Row("weights", 2),
    "steps_scale": [Row("weights", 2.0), Refused(0.0, "steps_scale")],
    "episode_length": Row("weights", 11),
    "device": [CUDA, Refused("gpu", "device is 'gpu'")],
    "folder": Row("names", "kept"),
    "tensorboard_log": [Row("names", "curves"), Refused(3, "tensorboard_log")],
    "verbose": [Row("prints", 1), Refused(3, "verbose")],
    "seed": SEED,
}
LEARN: dict[str, Any] = {
    "total_timesteps": [Row("weights", 30), Refused(-1, "total_timesteps")],
    "callback": Row("steps", Counting()),
    "log_interval": Excused(ACCEPTED),
    "tb_log_name": Row("names", "other"),
    "reset_num_timesteps": Row("steps", False),
    "progress_bar": Row("prints", True),
}
SEEK: dict[str, Any] = {
    "seek": [Row("plan", "disagreement"), Refused("reward", "reward")],
    "horizon": Row("plan", 3),
    "planner": [Row("plan", "mppi"), Refused("ilqr", "ilqr")],
    "iterations": Row("plan", 1),
    "samples": Row("plan", 20),
    "spacing": Row("plan", 5.0),
    "reach": Row("plan", 0.01),
}


def sought(folder: Path, **options: Any) -> Seen:
    agent = PlannedCuriosity.from_embedding(embedding(ensemble=2), CuriosityOptions(**options))
    state, actions = None, list[Any]()
    for frames in (FRAMES[:1], FRAMES[1:], FRAMES[:1]):
        action, state = agent.predict(frames, state, np.array([state is None]))
        actions.append(action)
    return {"plan": print_of(actions)}


def learning(folder: Path, /, **changes: Any) -> Seen:
    from e2c_control.agents.learning import gather, train_on, work_folder
    from e2c_control.agents.rounds import train_round
    from e2c_control.data.source import EnvSource

    given: dict[str, Any] = {"recipe": recipe(), "episode_length": 9, **changes}
    if "folder" in given:
        given["folder"] = folder / given["folder"]
    world = EnvSource.of("E2C/Planar-v0", None)
    options = LearningOptions(**given)
    with work_folder(options) as work:
        seen = gather(world, options, work / "dataset", 24, 0, lambda _: True, False, starts="sampled")
        made, _ = train_on(world, options, seen, work, 0, False)
        by_round, _ = train_round(options, seen, None, 0)
    names = sorted(path.name for path in folder.glob("*"))
    return {"weights": print_of(made), "names": names, "round": print_of(by_round)}


def by_rounds(folder: Path, /, **options: Any) -> Seen:
    """Learns a reward in two rounds."""
    rounds = RoundOptions(**{"first": 27, "size": 18, **options})
    recipe = paid().scaled(20.0)
    agent = E2CAgent("E2C/Planar-v0", recipe, objective="reward", episode_length=9, rounds=rounds)
    return {"weights": print_of(agent.learn(63).embedding)}


SECOND: Any = {"seed": Row("plan", 1, beside={"options": PlanningOptions(planner="cem")})}
THINGS = [
    Thing(
        "E2CAgent.from_embedding",
        E2CAgent.from_embedding,
        constructed(E2CAgent),
        {"embedding": Row("weights", embedding(1)), "options": Row("plan", PlanningOptions(horizon=2)), **SECOND},
    ),
    Thing(
        "E2CAgent",
        E2CAgent,
        created(E2CAgent),
        {
            **CREATE,
            "latent_dim": [
                Row("weights", 3, beside={"recipe": "unfold", "steps_scale": 0.002}),
                Refused(3, "latent_dim"),
            ],
            "options": Row("plan", PlanningOptions(horizon=2)),
            "objective": [
                Row("weights", "reward", beside={"recipe": paid().scaled(20.0)}),
                Refused("joy", "objective is 'joy'"),
            ],
            "rounds": [
                Row("weights", RoundOptions(first=18), beside={"recipe": paid(), "objective": "reward"}),
                Refused(RoundOptions(), "plans for a reward"),
            ],
        },
    ),
    Thing("E2CAgent.learn", E2CAgent.learn, learnt(E2CAgent), LEARN),
    Thing(
        "E2CAgent.load",
        E2CAgent.load,
        loaded,
        {
            "path": Row("weights", "b"),
            "env": Row("env", "E2C/Planar-v0"),
            "device": CUDA,
            "trust": Row("refused", ("bisect",), beside={"path": "theirs"}),
        },
    ),
    Thing(
        "PlannedCuriosity.from_embedding",
        PlannedCuriosity.from_embedding,
        constructed(PlannedCuriosity),
        {
            "embedding": Row("weights", embedding(1)),
            "options": Row("plan", CuriosityOptions(horizon=2)),
            "seed": Row("plan", 1),
        },
    ),
    Thing(
        "PlannedCuriosity",
        PlannedCuriosity,
        created(PlannedCuriosity),
        {**CREATE, "options": Row("plan", CuriosityOptions(reach=1e6))},
    ),
    Thing("PlannedCuriosity.learn", PlannedCuriosity.learn, learnt(PlannedCuriosity), LEARN),
    Thing("CuriosityOptions", CuriosityOptions, sought, SEEK),
    Thing(
        "LearningOptions",
        LearningOptions,
        learning,
        {
            "recipe": Row("weights", make_recipe("e2c", embedding().config).scaled(0.002)),
            "episode_length": [Row("weights", 11), Refused(0, "episode_length")],
            "device": [CUDA, Refused("gpu", "device is 'gpu'")],
            "folder": Row("names", "kept"),
            "rounds": Row("round", RoundOptions(first_share=0.9), beside={"recipe": paid().scaled(4.0)}),
        },
    ),
    Thing(
        "RoundOptions",
        RoundOptions,
        by_rounds,
        {
            "first": Row("weights", 36),
            "size": Row("weights", 36),
            "first_share": [Row("weights", 0.9), Refused(1.5, "first_share")],
            "share": [Row("weights", 0.9), Refused(0.0, "share")],
            "noise": [Row("weights", 0.0), Refused(-1.0, "noise")],
        },
    ),
]

test_every_argument_has_a_row, test_alike, test_every_argument_counts = contract(THINGS)
