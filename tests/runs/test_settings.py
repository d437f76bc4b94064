"""Settings by their paths: every one of a recipe can be set to what it is, and wrong ones are a sentence."""

import json

import pytest

from e2c_control.errors import InputError
from e2c_control.models.embedding import EmbeddingConfig
from e2c_control.objectives.recipes import RECIPES, make_recipe
from e2c_control.runs.settings import change, settings

UNFOLD = make_recipe("unfold", EmbeddingConfig())


@pytest.mark.parametrize("name", RECIPES)
def test_every_setting_of_a_recipe_can_be_set(name: str) -> None:
    recipe = make_recipe(name, EmbeddingConfig())
    known = settings(recipe)
    assert {"embedding.latent_dim", "latent_noise"} <= set(known)
    for phase in recipe.phases:
        assert known[f"phases.{phase.name}.steps"] == phase.steps
    python = {path: repr(value) if isinstance(value, str) else str(value) for path, value in known.items()}
    assert change(recipe, [f"{path}={value}" for path, value in python.items()]) == recipe


def test_what_is_set_is_there_and_nothing_else_changes() -> None:
    texts = {"phases.unfold.steps": "400", "embedding.encoder_hidden": "20,30", "phases.1.learning_rate": "1"}
    changed = change(UNFOLD, [f"{path}={value}" for path, value in texts.items()])
    assert changed.phases[0].steps == 400
    assert changed.embedding.encoder_hidden == (20, 30)
    assert changed.phases[1].learning_rate == 1.0
    before, after = settings(UNFOLD), settings(changed)
    named = {"phases.unfold.steps", "embedding.encoder_hidden", "phases.display.learning_rate"}
    assert {path for path in before if json.dumps(before[path]) != json.dumps(after[path])} == named


def test_options_of_a_term_are_new_names() -> None:
    changed = change(UNFOLD, ["phases.unfold.terms.curvature.options.deviation=0.2"])
    assert changed.phases[0].terms[2].options == {"deviation": 0.2}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("phases.unfold.stps=4", "'phases.unfold.stps' .did you mean 'phases.unfold.steps'"),
        ("phases.nfold.steps=4", "in place of 'nfold' choose unfold, display"),
        ("phases.5.steps=4", "in place of '5' choose unfold, display"),
        ("phases.unfold.steps=-4", "steps is -4"),
        ("phases.unfold.steps=many", "steps is 'many'"),
        ("phases.unfold.learning_rate=nan", "learning_rate is"),
        ("embedding.network=cnn", "network.*'cnn'"),
        ("embedding.type=Other", "no setting 'embedding.type'"),
        ("phases.unfold.terms.curvature.options.x=1", "no option 'x'"),
        ("embedding=3", "embedding is 3"),
        ("steps", "write it as path=value"),
        ("=3", "no setting ''"),
    ],
)
def test_refusals(text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        change(UNFOLD, [text])
