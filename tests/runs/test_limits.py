"""Configs and cards with impossible contents are refused where they are read, by the name of the field."""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import is_dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from e2c_control.agents.curiosity.options import CuriosityOptions
from e2c_control.agents.learning import LearningOptions
from e2c_control.agents.planning import PlanningOptions
from e2c_control.autoencoders.novelty_run import NoveltyConfig
from e2c_control.data.card import DatasetCard, read_card
from e2c_control.errors import InputError
from e2c_control.fields import Bounds, hints_of
from e2c_control.models.embedding import EmbeddingConfig
from e2c_control.objectives.recipes import RECIPES, make_recipe
from e2c_control.runs.folder import RunFolder
from e2c_control.runs.typed_json import from_json, to_json
from e2c_control.training.run import TrainConfig

CONFIG = TrainConfig(Path("data"), "E2C/Planar-v0", make_recipe("e2c-warm", EmbeddingConfig()), threads=1)
CARD = DatasetCard("E2C/Planar-v0", {"noise": 0.5}, (40, 40, 1), 2, state_dim=2)

Place = tuple[str | int, ...]

IMPOSSIBLE: list[tuple[Place, object]] = [
    (("recipe", "embedding", "latent_dim"), -2),
    (("recipe", "embedding", "latent_dim"), 0),
    (("recipe", "embedding", "latent_dim"), 10**400),
    (("recipe", "embedding", "encoder_hidden", 1), 0),
    (("recipe", "embedding", "transition_hidden"), []),
    (("recipe", "embedding", "pool"), 0),
    (("recipe", "phases"), []),
    (("recipe", "phases", 0, "terms"), []),
    (("recipe", "phases", 0, "train"), []),
    (("recipe", "phases", 0, "steps"), -5),
    (("recipe", "phases", 0, "retry", "steps"), 0),
    (("recipe", "phases", 0, "retry", "attempts"), -1),
    (("recipe", "phases", 0, "retry", "above", "info_nce"), math.nan),
    (("recipe", "phases", 0, "terms", 2, "weight"), math.inf),
    (("recipe", "phases", 1, "terms", 0, "ramp"), 1.5),
    (("recipe", "phases", 1, "learning_rate"), math.nan),
    (("recipe", "phases", 1, "learning_rate"), 0.0),
    (("recipe", "phases", 1, "learning_rate"), 10**400),
    (("recipe", "phases", 1, "weight_decay"), -1e-9),
    (("recipe", "phases", 1, "horizon"), -1),
    (("recipe", "phases", 1, "batch_size"), 0),
    (("seed",), -1),
    (("threads",), 0),
    (("threads",), 2**31 - 1),
    (("held_out",), 1.0),
    (("held_out",), -0.1),
    (("log_every",), 0),
    (("checkpoint_every",), -300),
    (("keep",), 0),
]
OF_ANOTHER_TYPE: list[tuple[Place, object]] = [
    (("recipe", "embedding", "latent_dim"), "two"),
    (("recipe", "embedding", "latent_dim"), 2.5),
    (("recipe", "embedding", "latent_dim"), None),
    (("recipe", "embedding", "network"), "transformer"),
    (("recipe", "embedding", "encoder_hidden"), 300),
    (("recipe", "phases", 0, "steps"), "800"),
    (("recipe", "phases", 0, "terms", 0, "term"), 3),
    (("recipe", "phases", 0, "terms", 0, "term"), "magic"),
    (("recipe", "phases", 0, "terms", 0, "start"), "late"),
    (("recipe", "phases", 0, "retry"), 3),
    (("recipe", "phases", 0, "retry", "above"), [0.1]),
    (("recipe", "phases", 1, "learning_rate"), "fast"),
    (("recipe", "phases", 1, "learning_rate"), True),
    (("recipe",), "unfold"),
    (("dataset",), 3),
    (("threads",), "all"),
    (("compile",), 1),
]


def named(place: Place) -> str:
    """`("phases", 0, "steps")` as "phases[0].steps"."""
    return reduce(lambda text, key: f"{text}[{key}]" if isinstance(key, int) else f"{text}.{key}", place[1:], place[0])


def with_value(content: Any, place: Place, value: object) -> Any:
    changed = deepcopy(content)
    parent = reduce(lambda found, key: found[key], place[:-1], changed)
    parent[place[-1]] = value
    return changed


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path, "Planar-v0", CONFIG, "run")


def read_with(run: RunFolder, place: Place, value: object) -> TrainConfig:
    path = run.path / "config.json"
    path.write_text(json.dumps(with_value(json.loads(path.read_text()), ("config", *place), value)))
    return run.config(TrainConfig)


@pytest.mark.parametrize(("place", "value"), IMPOSSIBLE)
def test_impossible_values_of_a_config(run: RunFolder, place: Place, value: object) -> None:
    with pytest.raises(InputError) as caught:
        read_with(run, place, value)
    sentence = str(caught.value)
    assert "config.json is damaged, or was written for another version of e2c-control" in sentence
    assert f"({named(place)} is " in sentence
    assert sentence.endswith(" belongs): restore the file, go on with what wrote it, or start the run again.")


INSIDE = ("info_nce",)
"""Keys of a mapping, which are no fields."""


@pytest.mark.parametrize(("place", "value"), [*IMPOSSIBLE, *OF_ANOTHER_TYPE])
def test_what_no_file_can_hold_no_caller_can_give(place: Place, value: Any) -> None:
    """The sentence names the innermost dataclass and its field, and says what would be right."""
    start = max(i for i, name in enumerate(place) if isinstance(name, str) and name not in INSIDE)
    field = rf"\w+\.{re.escape(named(place[start:]))}.* is .*: give "
    with pytest.raises(
        InputError, match=rf"^({field}|There is no (objective term|network)|3 is no objective term).*\.$"
    ):
        replaced(CONFIG, place, tuple(value) if isinstance(value, list) else value)


def replaced(config: Any, place: Place, value: Any) -> Any:
    """The dataclass (or tuple, or mapping) with another value at that place."""
    if not place:
        return value
    key, rest = place[0], place[1:]
    if isinstance(key, int):
        return (*config[:key], replaced(config[key], rest, value), *config[key + 1 :])
    if isinstance(config, Mapping):
        return {**config, key: replaced(config[key], rest, value)}
    return replace(config, **{key: replaced(getattr(config, key), rest, value)})


@pytest.mark.parametrize(("place", "value"), OF_ANOTHER_TYPE)
def test_values_of_another_type(run: RunFolder, place: Place, value: object) -> None:
    with pytest.raises(InputError) as caught:
        read_with(run, place, value)
    # What a dataclass itself refuses is named by the dataclass.
    place = place[:-1] if value in ("magic", "transformer") else place
    assert f"another of its commands ({named(place)}" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("frame_stack", 0), ("frame_shape", [40, -40, 1]), ("action_dim", -1), ("state_dim", 0), ("seed", -3)],
)
def test_impossible_values_of_a_card(tmp_path: Path, name: str, value: object) -> None:
    (tmp_path / "dataset.json").write_text(json.dumps({**json.loads(CARD.to_json()), name: value}))
    with pytest.raises(InputError, match=rf"dataset.json is damaged, {name}.* is .*: collect the dataset again\.$"):
        read_card(tmp_path)


def leaves(content: Any, place: Place = ()) -> Iterator[Place]:
    """The places of everything in JSON, itself included."""
    yield place
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, item in items:
        yield from leaves(item, (*place, key))


numbers = st.integers() | st.floats() | st.sampled_from([0, -1, 1, 0.5, math.nan, math.inf])
anything = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
places = st.sampled_from([place for place in leaves(to_json(CONFIG)) if place])


@settings(deadline=None, max_examples=150)
@given(place=places, value=anything)
@example(place=("recipe", "phases", 0, "retry", "above"), value={"": 0})
@example(place=("recipe", "phases", 0, "terms", 0, "options"), value={"\n": None})
def test_whatever_stands_in_a_config_is_read_or_refused_by_its_place(place: Place, value: Any) -> None:
    config, refusal = read_or_refused(with_value(to_json(CONFIG), place, value))
    if config is not None:
        assert from_json(TrainConfig, to_json(config)) == config
    else:
        # A `type` is part of its dataclass, and what lacks a field or has another is named as a whole.
        parents = (named(place[:-1]),) if len(place) > 1 else ("its content", "TrainConfig")
        # What does not go with another field is named by the dataclass that has both, with a colon.
        around = [f"{named(place[:i])}: " for i in range(1, len(place))]
        assert refusal.startswith((named(place), *parents, *around))
        assert "\n" not in refusal


def read_or_refused(content: object) -> tuple[TrainConfig | None, str]:
    try:
        return from_json(TrainConfig, content), ""
    except ValueError as error:
        return None, str(error)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_possible(name: str, tmp_path: Path) -> None:
    config = replace(CONFIG, recipe=make_recipe(name, EmbeddingConfig()))
    assert RunFolder.create(tmp_path, "Planar-v0", config, "run").config(TrainConfig) == config


def dataclasses_in(kind: Any) -> Iterator[type[Any]]:
    """The dataclasses that an annotation is made of."""
    if is_dataclass(kind):
        yield kind  # type: ignore[misc]
        for hint in get_type_hints(kind).values():
            yield from dataclasses_in(hint)
    if get_origin(kind) is not Callable:  # what a function returns stands in no file
        for inner in get_args(kind):
            yield from dataclasses_in(inner)


def whole_numbers_in(hint: Any) -> Iterator[Any]:
    """What an annotation says of whole numbers, each as it stands: with constraints or without."""
    if hint is int or (get_origin(hint) is Annotated and get_args(hint)[0] is int):
        yield hint
    elif get_origin(hint) not in (Literal, Mapping):  # options of a method are checked by its own constructor
        for inner in get_args(hint):
            yield from whole_numbers_in(inner)


FILES = sorted(
    {
        *dataclasses_in(TrainConfig),
        *dataclasses_in(DatasetCard),
        *dataclasses_in(NoveltyConfig),
        *dataclasses_in(LearningOptions),
        *dataclasses_in(CuriosityOptions),
        *dataclasses_in(PlanningOptions),
    },
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("kind", FILES)
def test_every_whole_number_that_is_read_has_bounds(kind: type[Any]) -> None:
    """A number without a lower end stands for sizes below 0; `conform` itself refuses infinities."""
    for name, hint in hints_of(kind).items():
        for number in whole_numbers_in(hint):
            assert any(isinstance(rule, Bounds) and rule.least is not None for rule in get_args(number)[1:]), name
