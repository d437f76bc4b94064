"""A narrow layer is a linear layer: the way its products run changes nothing but the time."""

import pytest
import torch
from torch import nn

from e2c_control.models.layers import NarrowLinear


@pytest.mark.parametrize(("rows", "inputs", "outputs"), [(7, 3, 128), (1, 1, 4), (5, 6, 2)])
def test_values_and_gradients_of_a_narrow_layer(rows: int, inputs: int, outputs: int) -> None:
    narrow = NarrowLinear(inputs, outputs).double()
    plain = nn.Linear(inputs, outputs).double()
    plain.load_state_dict(narrow.state_dict())
    x = torch.randn(rows, inputs, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    found, expected = narrow(x), plain(x)
    torch.testing.assert_close(found, expected)
    ours = torch.autograd.grad(found.square().sum(), [x, *narrow.parameters()])
    torch.testing.assert_close(ours, torch.autograd.grad(expected.square().sum(), [x, *plain.parameters()]))
