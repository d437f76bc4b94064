from collections.abc import Callable

import pytest
import torch

from e2c_control.errors import InputError
from e2c_control.models.embedding import EmbeddingConfig
from e2c_control.objectives.objective import Objective, WeightedTerm
from e2c_control.objectives.recipes import RECIPES, make_recipe
from e2c_control.objectives.unrolled import Unrolled


@pytest.mark.parametrize(("progress", "weight"), [(0.0, 10.0), (0.25, 5.25), (0.5, 0.5), (0.75, 0.5), (1.0, 0.5)])
def test_a_weight_goes_linearly_to_its_end(progress: float, weight: float) -> None:
    assert WeightedTerm("prior_kl", 0.5, start=10.0, ramp=0.5).weight_at(progress) == pytest.approx(weight)


@pytest.mark.parametrize("progress", [0.0, 0.5, 1.0])
def test_without_a_start_a_weight_is_constant(progress: float) -> None:
    assert WeightedTerm("prior_kl", 0.5).weight_at(progress) == 0.5
    with pytest.raises(InputError, match="give both of start and ramp"):
        WeightedTerm("prior_kl", 0.5, start=3.0)


def test_an_unknown_term_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"no objective term 'magic'.*reconstruction"):
        WeightedTerm("magic")


def test_the_total_is_the_weighted_sum(unroll: Callable[..., Unrolled]) -> None:
    objective = Objective((WeightedTerm("prior_kl", 2.0, start=0.0, ramp=1.0), WeightedTerm("centring", 3.0)))
    for progress, weight in [(0.0, 0.0), (0.5, 1.0), (1.0, 2.0)]:
        total, values = objective(unroll(), progress)
        assert set(values) == {"prior_kl", "centring"}
        torch.testing.assert_close(total, weight * values["prior_kl"] + 3.0 * values["centring"])


def test_a_terms_own_parameters_and_options() -> None:
    objective = Objective((WeightedTerm("info_nce", options={"noise": 0.3}), WeightedTerm("centring")))
    assert [name for name, _ in objective.named_parameters()] == ["terms.info_nce.log_precision"]
    assert objective.get_submodule("terms.info_nce").noise == 0.3


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipes_phases_follow_each_other(name: str) -> None:
    recipe = make_recipe(name, EmbeddingConfig())
    begin = 0
    for phase in recipe.phases:
        assert recipe.phase_at(begin) == (phase, begin)
        assert recipe.phase_at(begin + phase.steps - 1) == (phase, begin)
        begin += phase.steps
    assert recipe.steps == begin
    assert recipe.phase_at(begin)[0] == recipe.phases[-1]


def test_an_unknown_recipe_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"no recipe 'magic'.*unfold"):
        make_recipe("magic", EmbeddingConfig())
