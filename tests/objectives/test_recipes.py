"""Every shipped recipe trains, and what cannot be trained is refused where it is written down."""

from collections.abc import Mapping

import pytest
import torch

from e2c_control.errors import InputError
from e2c_control.models.embedding import Embedding, EmbeddingConfig
from e2c_control.objectives.objective import Objective, WeightedTerm
from e2c_control.objectives.recipe import Phase, Retry
from e2c_control.objectives.recipes import RECIPES, make_recipe
from e2c_control.objectives.unrolled import Noise, Unrolled

SIZES = EmbeddingConfig(2, encoder_hidden=(8,), decoder_hidden=(8,), transition_hidden=(8,))


@pytest.mark.parametrize("name", RECIPES)
def test_every_phase_has_something_to_learn(name: str) -> None:
    recipe = make_recipe(name, SIZES)
    assert recipe.name == name
    generator = torch.Generator().manual_seed(0)
    embedding = Embedding(recipe.embedding, (6, 5, 1), 2, generator)
    for phase in recipe.phases:
        for part_name, part in embedding.parts().items():
            part.requires_grad_(part_name in phase.train)
        frames = torch.randint(0, 256, (4, 1 + phase.horizon, 6, 5, 1), dtype=torch.uint8, generator=generator)
        actions = 2 * torch.rand(4, phase.horizon, 2, generator=generator) - 1
        paid, ends = torch.rand(4, phase.horizon, generator=generator), torch.ones(4, phase.horizon)
        unrolled = Unrolled(embedding, frames, actions, Noise(generator), rewards=paid, terminations=ends)
        total, _ = Objective(phase.terms)(unrolled, 0.5)
        total.backward()
        moved = {
            part_name
            for part_name, part in embedding.parts().items()
            if any(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())
        }
        assert moved == set(phase.train) & set(embedding.parts())
        embedding.zero_grad()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"term": "magic"}, "There is no objective term 'magic'"),
        ({"term": "curvature", "options": {"depth": 2}}, "has no option 'depth': it takes deviation"),
        ({"term": "prior_kl", "options": {"depth": 2}}, "has no option 'depth': it takes none"),
    ],
)
def test_terms_that_do_not_exist(options: Mapping[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        WeightedTerm(**options)  # type: ignore[arg-type]


def test_a_phase_is_only_given_up_by_its_own_terms() -> None:
    with pytest.raises(InputError, match="cannot be given up by 'info_nce'"):
        Phase("phase", 10, (WeightedTerm("curvature"),), retry=Retry({"info_nce": 1.0}, 5, 1))


def test_there_is_no_such_recipe() -> None:
    with pytest.raises(InputError, match="There is no recipe 'magic'"):
        make_recipe("magic", SIZES)
