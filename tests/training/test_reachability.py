"""Reachability is trained beside a finished map, of which it changes no bit, and ends with landmarks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from e2c_control.agents import E2CAgent
from e2c_control.data import Transitions
from e2c_control.errors import InputWarning
from e2c_control.measures import encode_means, encode_places, hold_out, measure_ways
from e2c_control.models.embedding import Embedding
from e2c_control.objectives.recipe import Recipe
from e2c_control.objectives.recipes import make_recipe
from e2c_control.planners.landmarks import nearest
from e2c_control.runs.logger import read_metrics
from e2c_control.training.run import TrainConfig, load_embedding, start_run, train
from e2c_control.training.trainer import Trainer
from e2c_control.training.watch import MapWatcher

from .conftest import SIZES


def trained(name: str, transitions: Transitions, steps: dict[str, int]) -> Embedding:
    made = make_recipe(name, SIZES)
    phases = tuple(replace(phase, steps=steps.get(phase.name, 4), batch_size=32, retry=None) for phase in made.phases)
    recipe = Recipe(name, made.embedding, phases)
    episodes = np.arange(transitions.n_episodes - 2)
    trainer = Trainer(recipe, transitions, episodes, seed=1, device=torch.device("cpu"))
    while not trainer.finished:
        trainer.advance()
    return trainer.embedding


def test_the_map_stays_and_landmarks_are_laid_out(transitions: Transitions) -> None:
    plain = trained("unfold", transitions, {})
    known = trained("unfold-roadmap", transitions, {"reachability": 150, "passage": 60})
    weights = known.state_dict()
    for name, weight in plain.state_dict().items():
        assert torch.equal(weight, weights[name]), name

    assert known.reachability is not None
    graph = known.reachability.graph()
    assert graph is not None
    frames = np.array(transitions.frames)
    places = encode_places(known, frames)
    # Images a step apart are nearer than those of anywhere: what the term is for.
    rows = transitions.windows(1)
    steps = np.linalg.norm(places[rows + 1] - places[rows], axis=1)
    anywhere = np.linalg.norm(places[rows[::-1]] - places[rows], axis=1)
    assert np.median(steps) < 0.5 * np.median(anywhere)
    assert 0.5 * np.median(steps) < graph.scale < 2 * np.median(steps)
    # Landmarks are frames, drawn on the map where these are.
    at = nearest(graph.places, places)
    np.testing.assert_allclose(places[at], graph.places, atol=1e-4)
    shown = known.reachability.drawn(np.arange(len(at)))
    np.testing.assert_allclose(shown, encode_means(known, frames[at]), atol=1e-4)
    # Every recorded step of the episodes that were trained on is an edge, and no other pair of cells is one.
    cells = graph.cells(places)
    moved = np.zeros_like(graph.moves)
    inside = transitions.windows(1, episodes=np.arange(transitions.n_episodes - 2))
    moved[cells[inside], cells[inside + 1]] = True
    np.fill_diagonal(moved, False)
    np.testing.assert_array_equal(moved, graph.moves)


@pytest.mark.parametrize("stack", [1, 2])
def test_features_of_a_frozen_encoder_are_computed_once_and_are_those_of_each_batch(
    transitions: Transitions, stack: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = replace(transitions.card, frame_stack=stack)
    stacked = replace(transitions, card=card)
    recipe = make_recipe("unfold-roadmap", SIZES)
    phases = tuple(replace(phase, steps=3) for phase in recipe.phases if phase.name in ("reachability", "passage"))

    def losses(most: int) -> list[float]:
        monkeypatch.setattr("e2c_control.training.features.MOST_BYTES", most)
        trainer = Trainer(replace(recipe, phases=phases), stacked, np.arange(9), seed=0, device=torch.device("cpu"))
        return [trainer.advance().loss.item() for _ in range(6)]

    np.testing.assert_allclose(losses(1 << 20), losses(0), rtol=1e-4)


def test_one_episode_in_which_nothing_is_blocked_gives_landmarks_and_one_way(transitions: Transitions) -> None:
    made = make_recipe("unfold-roadmap", SIZES)
    phases = tuple(
        replace(phase, steps=40, batch_size=8, retry=None) for phase in made.phases if phase.name != "display"
    )
    trainer = Trainer(replace(made, phases=phases), transitions, np.array([0]), seed=0, device=torch.device("cpu"))
    while not trainer.finished:
        trainer.advance()
    embedding = trainer.embedding.eval()
    assert embedding.reachability is not None
    graph = embedding.reachability.graph()
    assert graph is not None
    assert graph.moves.sum() == len(graph.places) - 1 == 8  # each frame of the episode leads to the next
    agent = E2CAgent.from_embedding(embedding)
    frames = np.array(transitions.frames[:9])
    agent.set_goal(frames[8])
    actions, _ = agent.predict(frames[0])
    assert np.isfinite(actions).all()
    agent.set_goal(frames[0])
    with pytest.warns(InputWarning, match="No recorded steps lead from the start to the goal"):
        agent.predict(frames[8])


def test_what_is_known_of_ways_is_measured_on_held_out_frames(transitions: Transitions, tmp_path: Path) -> None:
    recipe = make_recipe("unfold-roadmap", SIZES)
    steps = {"reachability": 150, "passage": 60}
    phases = tuple(replace(one, steps=steps.get(one.name, 4), batch_size=32, retry=None) for one in recipe.phases)
    config = TrainConfig(transitions.path, "Dots-v0", replace(recipe, phases=phases), measure_every=160)
    run = start_run(tmp_path, config)
    train(run, config, watch=MapWatcher(run, config))
    logged = next(row for row in reversed(read_metrics(run.metrics)) if "ways/joined" in row)
    assert (run.plots / "ways.png").is_file()

    embedding = load_embedding(run).eval()
    held_out = hold_out(transitions, transitions.split(config.held_out, seed=0)[1])
    found = measure_ways(embedding, held_out)
    assert found is not None
    measured, to_one = found
    assert {"ways/step_rank", "ways/joined", "ways/alike", "ways/passed_told"} <= set(measured)
    for tag, value in measured.items():
        assert logged[tag] == pytest.approx(value, rel=1e-4), tag
    # Steps are those of a graph over other episodes, and two short episodes are held out: better than by chance.
    assert measured["ways/step_rank"] > 0.2
    assert to_one[held_out.landmarks[0]] == 0
    assert measure_ways(Embedding(SIZES, (8, 8, 1), 2, torch.Generator()), held_out) is None
