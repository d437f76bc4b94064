"""Planned curiosity: in a latent world made by hand it goes where nobody was; through a real one it gathers data."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.callbacks import CheckpointCallback

from e2c_control.agents import E2CAgent
from e2c_control.agents.curiosity import CuriosityOptions, PlannedCuriosity
from e2c_control.data import Transitions, collect, make_vector_env
from e2c_control.envs import Task
from e2c_control.errors import InputError
from e2c_control.models.embedding import Embedding, EmbeddingConfig
from e2c_control.models.matrix_network import LocallyLinearTransition
from e2c_control.objectives.recipes import make_recipe
from e2c_control.training.trainer import Trainer

BORDER, BEYOND, STEPS = 20.0, 25.0, 14


def known_half(task: Task) -> np.ndarray:
    """Frames from all over the left half."""
    states = task.system.sample_states(1500, np.random.default_rng(0))
    return task.system.render(states[states[:, 1] < BORDER])


def disagreeing(embedding: Embedding) -> Embedding:
    """A second member that predicts otherwise beyond the border, where the column is 2 or more in units of ten."""
    (member,) = embedding.members
    assert isinstance(member, LocallyLinearTransition)
    first = member.body[0]
    assert isinstance(first, torch.nn.Linear)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[0.0, 10.0]]).repeat(4, 1))
        first.bias.fill_(-20.0)
        member.head.weight[-2:] = 0.01  # on the offset o
    return embedding


def driven(task: Task, act, starts: np.ndarray) -> np.ndarray:
    """States (STEPS + 1, N, 2) under `act(frames, state) -> (actions, state)`."""
    states, carried, way = starts, None, [starts]
    for _ in range(STEPS):
        actions, carried = act(task.system.render(states), carried)
        states = task.system.step(states, actions.astype(np.float64) * task.system.control_limit)
        way.append(states)
    return np.stack(way)


@pytest.mark.parametrize("seek", ["novelty", "disagreement"])
def test_it_goes_where_nobody_was_and_random_actions_do_not(seek: str, located: Embedding, plane: Task) -> None:
    # The model knows no edges of the world, and would as soon go beyond one: this border is nearer.
    starts = np.column_stack([np.linspace(14, 26, 8), np.full(8, 11.0)])
    agent = PlannedCuriosity.from_embedding(disagreeing(located), CuriosityOptions(seek=seek))  # type: ignore[arg-type]
    agent.remember(known_half(plane))
    rng = np.random.default_rng(1)
    planned = driven(plane, agent.predict, starts)
    random = driven(plane, lambda frames, _: (rng.uniform(-1, 1, (len(frames), 2)), None), starts)
    arrived, stumbled = ((way[..., 1] > BEYOND).any(0).mean() for way in (planned, random))
    assert arrived == 1.0
    assert stumbled < 0.2


def test_it_does_not_look_for_what_it_found(located: Embedding, plane: Task) -> None:
    agent = PlannedCuriosity.from_embedding(located)
    start, carried, visited = np.array([[20.0, 20.0]]), None, []
    for _ in range(60):
        actions, carried = agent.predict(plane.system.render(start), carried)
        start = plane.system.step(start, actions.astype(np.float64) * 3)
        visited.append(start[0])
    cells = {tuple((place // 5).astype(int)) for place in visited}
    assert len(cells) > 25, "of 64; a random walk of as many steps comes to about 12"


def test_a_wall_is_given_up(located: Embedding, plane: Task) -> None:
    """The model knows no walls: a plan through one is tried, found vain, and another way is taken."""
    walled = replace(plane, system=type(plane.system)(obstacles=((-9.0, -9.0),), walls=((0, 18, 30, 22),)))
    agent, states, carried = PlannedCuriosity.from_embedding(located), np.array([[15.0, 8.0]]), None
    agent.remember(known_half(walled))
    for _ in range(100):
        actions, carried = agent.predict(walled.system.render(states), carried)
        states = walled.system.step(states, actions.astype(np.float64) * 3)
        if states[0, 1] > BEYOND:
            break
    assert states[0, 1] > BEYOND
    assert len(carried.experience.blocked) > 0


def test_walls_are_remembered_from_transitions(located: Embedding, plane: Task) -> None:
    """Steps to the right at the right edge of the world lead nowhere, those along it do."""
    agent = PlannedCuriosity.from_embedding(located, CuriosityOptions(spacing=0.12))
    states = np.column_stack([np.linspace(5, 35, 11), np.full(11, 38.0)])
    right, down = np.tile(np.float32([0, 1]), (11, 1)), np.tile(np.float32([1, 0]), (11, 1))
    for actions, blocked in ((down, 0), (right, 11)):
        after = plane.system.step(states, actions.astype(np.float64) * 3)
        agent.remember(plane.system.render(states), actions, plane.system.render(after))
        found = agent.predict(plane.system.render(states))[1].experience.blocked
        assert len(found) == blocked
    np.testing.assert_allclose(found[:, 1], 4.15, atol=0.1)  # three pixels beyond, in units of ten
    np.testing.assert_allclose(np.sort(found[:, 0]), states[:, 0] / 10, atol=0.06)


def test_predict_is_a_function(located: Embedding, plane: Task) -> None:
    frames = plane.system.render(np.array([[5.0, 5.0], [30.0, 20.0]]))
    first, second = (PlannedCuriosity.from_embedding(located, seed=3) for _ in range(2))
    actions, state = first.predict(frames)
    assert (actions.shape, actions.dtype) == ((2, 2), np.float32)
    assert np.abs(actions).max() <= 1
    np.testing.assert_array_equal(second.predict(frames)[0], actions)
    later = [first.predict(frames, state, np.array([False, True]))[0] for _ in range(2)]
    np.testing.assert_array_equal(later[0], later[1])
    single, alone = first.predict(frames[0])
    assert single.shape == (2,)
    assert len(alone.latents) == 1
    with pytest.raises(InputError, match="The state is of 1 environments"):
        first.predict(frames, alone)


def test_a_reset_is_no_wall(located: Embedding, plane: Task) -> None:
    agent = PlannedCuriosity.from_embedding(located)
    frames = plane.system.render(np.array([[20.0, 20.0]]))
    _, state = agent.predict(frames)
    stayed = agent.predict(frames, state)[1].experience
    assert len(stayed.blocked) == 1
    begun = agent.predict(frames, state, np.array([True]))[1].experience
    assert len(begun.blocked) == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"planner": "ilqr"}, "planner 'ilqr' cannot seek, it does not sample: choose one of cem, icem"),
        ({"seek": "reward"}, "give novelty or disagreement"),
        ({"reach": 0.0}, "above 0"),
        ({"spacing": -1.0}, "above 0"),
        ({"horizon": 0}, "horizon"),
        ({"samples": 1}, "samples"),
    ],
)
def test_options_that_are_none(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        CuriosityOptions(**options)  # type: ignore[arg-type]


def test_disagreement_needs_an_ensemble() -> None:
    alone = Embedding(EmbeddingConfig(encoder_hidden=(4,)), (40, 40, 1), 2, torch.Generator())
    with pytest.raises(InputError, match="unfold-ensemble"):
        PlannedCuriosity.from_embedding(alone, CuriosityOptions(seek="disagreement"))


def test_frames_of_another_size(saved: Path) -> None:
    agent = PlannedCuriosity.from_embedding(E2CAgent.load(saved).embedding)
    with pytest.raises(InputError, match="The observation must be uint8"):
        agent.predict(np.zeros((1, 20, 40, 1), np.uint8))


def of_a_moment(folder: Path | None) -> PlannedCuriosity:
    options = CuriosityOptions(samples=20, horizon=4)
    how: Any = {"steps_scale": 0.003, "episode_length": 16, "options": options}
    return PlannedCuriosity("E2C/Planar-v0", folder=folder, **how)


def test_what_was_gathered_stays_in_its_world(tmp_path: Path) -> None:
    """The walled world looks and is steered alike; its transitions must not be mixed with the open one's."""
    of_a_moment(None).learn(64).save(tmp_path / "agent")
    with pytest.raises(InputError, match="gathered in E2C/Planar-v0, not in E2C/PlanarWalls-v0"):
        PlannedCuriosity.load(tmp_path / "agent", env="E2C/PlanarWalls-v0")
    assert PlannedCuriosity.load(tmp_path / "agent", env="E2C/Planar-v0").get_env() is not None


def sizes(folder: Path) -> dict[str, int]:
    """Transitions of the datasets in a folder, by name."""
    return {card.parent.name: Transitions.open(card.parent).n_transitions for card in folder.glob("*/dataset.json")}


def test_one_dataset_grows_on_the_disk(tmp_path: Path) -> None:
    """Saved in between or not; another agent's dataset beside it stays what it is."""
    kept = tmp_path / "kept"
    agent = of_a_moment(kept).learn(64)
    first = np.array(Transitions.open(kept / "dataset").actions)
    agent.learn(64).save(tmp_path / "agent")
    PlannedCuriosity.load(tmp_path / "agent", env="E2C/Planar-v0").learn(64)
    assert {path.name for path in kept.iterdir()} == {"dataset", "runs"}
    whole = Transitions.open(kept / "dataset")
    assert whole.n_transitions == 3 * 64
    np.testing.assert_array_equal(whole.actions[: len(first)], first)
    of_a_moment(kept).learn(64)
    PlannedCuriosity.load(tmp_path / "agent", env="E2C/Planar-v0").learn(64)  # from where it was after two rounds
    assert sizes(kept) == {"dataset": 192, "dataset-2": 64, "dataset-3": 192}


def test_it_is_saved_while_it_gathers(tmp_path: Path) -> None:
    """Through stable-baselines3's callback, with what it knew before the round that it is in; nothing is pickled."""
    agent = of_a_moment(None).learn(64)
    agent.learn(64, CheckpointCallback(1, str(tmp_path), "agent"), reset_num_timesteps=False)
    saved = sorted(tmp_path.glob("agent_*_steps.zip"), key=lambda path: int(path.name.split("_")[1]))
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".json", ".safetensors"}
    again = PlannedCuriosity.load(saved[0], env="E2C/Planar-v0")
    assert again.num_timesteps == int(saved[0].name.split("_")[1]) > 64
    seen = np.zeros((40, 40, 1), np.uint8)
    assert np.isfinite(again.predict(seen)[0]).all()
    again.learn(64, reset_num_timesteps=False)


def test_killed_between_two_rounds(tmp_path: Path) -> None:
    """After the second was gathered, before it is joined: both are there, and whoever goes on loses neither."""
    agent = of_a_moment(tmp_path / "kept").learn(64)
    agent.save(tmp_path / "agent")
    script = """
import os, signal, sys
from stable_baselines3.common.callbacks import BaseCallback
from e2c_control.agents.curiosity import PlannedCuriosity

class Kill(BaseCallback):
    def _on_step(self):
        return True

    def _on_rollout_end(self):
        os.kill(os.getpid(), signal.SIGKILL)

PlannedCuriosity.load(sys.argv[1], env="E2C/Planar-v0").learn(64, Kill())
"""
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path / "agent")], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert sizes(tmp_path / "kept") == {"dataset": 64, "round": 64}
    agent.learn(64)
    assert sizes(tmp_path / "kept") == {"dataset": 128, "round": 64}


@pytest.mark.parametrize("environment", ["E2C/Planar-v0", "E2C/PendulumBalance-v0"])
def test_what_it_gathers_trains_the_next_embedding(environment: str, saved: Path, tmp_path: Path) -> None:
    envs = make_vector_env(environment, 3, frame_stack=1)
    if environment == "E2C/Planar-v0":
        embedding = E2CAgent.load(saved).embedding
    else:
        sizes = EmbeddingConfig(latent_dim=3, encoder_hidden=(8,), decoder_hidden=(8,))
        embedding = Embedding(sizes, (48, 48, 2), 1, torch.Generator().manual_seed(0))
    gathered: list[Transitions] = []
    for name in "ab":
        agent = PlannedCuriosity.from_embedding(embedding, CuriosityOptions(samples=20))
        gathered.append(collect(envs, tmp_path / name, 90, 10, policy=agent.policy()))
    envs.close()
    np.testing.assert_array_equal(gathered[0].actions, gathered[1].actions)
    assert np.abs(gathered[0].actions).max() <= 1
    recipe = make_recipe("unfold", embedding.config)
    data = gathered[0]
    trainer = Trainer(recipe, data, np.arange(data.n_episodes), seed=0, device=torch.device("cpu"))
    report = trainer.advance()
    assert torch.isfinite(report.loss)
    following = PlannedCuriosity.from_embedding(trainer.embedding)
    following.remember(np.repeat(np.array(data.frames), data.card.frame_stack, axis=-1))
