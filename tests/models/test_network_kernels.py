"""Networks in machine code: the same numbers as in NumPy."""

import numpy as np
import torch
from torch import nn

from e2c_control.models.layers import mlp
from e2c_control.models.network_copy import NetworkCopy, activate
from e2c_control.models.network_kernels import activate as compiled_activate
from e2c_control.models.network_kernels import network, sigmoid
from e2c_control.planners import Lowered


def test_the_sigmoid_is_exact_to_the_last_bits():
    x = np.concatenate((np.linspace(-690, 690, 20_001), np.linspace(-40, 40, 20_001), [0.0, 1e-300, -1e-12]))
    s = np.empty_like(x)
    sigmoid(x, s, np.empty_like(x))
    np.testing.assert_allclose(s, 1 / (1 + np.exp(-x)), rtol=8e-16)


def test_the_sigmoid_far_out():
    x = np.array([-np.inf, -1e6, 1e6, np.inf])
    s = np.empty_like(x)
    sigmoid(x, s, np.empty_like(x))
    np.testing.assert_allclose(s, [0, 0, 1, 1], atol=1e-300)
    assert np.all(np.diff(s) >= 0)


def test_values_and_slopes_pass_a_layer_as_in_numpy():
    rng = np.random.default_rng(0)
    x, bias = 5 * rng.normal(size=(7, 13)), rng.normal(size=13)
    expected, slope, expected_slope = x.copy(), np.empty_like(x), np.empty_like(x)
    activate(expected, bias, expected_slope)
    compiled_activate(x, bias, slope)
    np.testing.assert_allclose(x, expected, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(slope, expected_slope, rtol=1e-13, atol=1e-13)


def test_a_network_is_the_network_and_its_derivatives_are_those_of_autograd():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        body, head = mlp(3, (17, 9), nn.SiLU, final=True).double(), nn.Linear(9, 6).double()
    order = np.array([5, 0, 3, 1, 2, 4])
    copy, inputs = NetworkCopy(body, head, order=order), np.random.default_rng(1).normal(size=(8, 3))
    values = head(body(torch.from_numpy(inputs)))[:, order.tolist()].detach().numpy()
    jacobian = torch.func.vmap(torch.func.jacrev(lambda x: head(body(x))))(torch.from_numpy(inputs))
    outputs, tangents = copy.outputs_and_tangents(inputs)
    np.testing.assert_allclose(outputs, values, atol=1e-13)
    np.testing.assert_allclose(tangents, jacobian.detach().numpy()[:, order].swapaxes(1, 2), atol=1e-13)
    together = network(copy.flat, np.array(copy.widths), inputs)
    np.testing.assert_allclose(together, values, atol=1e-13)
    for i in range(len(inputs)):  # to the bit
        np.testing.assert_array_equal(network(copy.flat, np.array(copy.widths), inputs[i : i + 1])[0], together[i])


def test_lowered_parameters_begin_on_a_cache_line_and_are_a_copy():
    given = np.arange(11.0)
    lowered = Lowered(lambda *given: None, given, np.zeros(0, np.int64))
    assert lowered.parameters.ctypes.data % 64 == 0
    np.testing.assert_array_equal(lowered.parameters, given)
    given[0] = 5.0
    assert lowered.parameters[0] == 0.0
