"""Networks of transitions in machine code, one latent at a time. It loads numba: import it where that is wanted.

``parameters`` holds each layer's weight (out, in) and bias (out,), one after another.
"""

from math import factorial

import numpy as np

from e2c_control.models.network_copy import Array, Ints
from e2c_control.planners.compiled import any_order, compiled

LOG2_E, LN2, LN2_REST = 1.4426950408889634, 6.93147180369123816490e-01, 1.90821492927058770002e-10  # ln 2 in two parts
WHOLE = 1.5 * 2.0**52  # x + WHOLE - WHOLE is x rounded to a whole number, which are the last bits of x + WHOLE
TAYLOR = tuple(1.0 / factorial(i) for i in range(13, -1, -1))  # of exp, the highest power first


@compiled
def sigmoid(x: Array, s: Array, power: Array) -> None:
    """Write s = 1 / (1 + exp(-x)) (n,), several at a time, where calls of exp go one by one; ``power`` (n,) is scratch.

    exp(y) = 2^p exp(r) with p = y / ln 2, rounded, so that |r| < 0.35 and the series is exact to the last bit; 2^p is a
    sum in the bits of the exponent. Beyond |x| = 700 it is that of ±700: less than 1e-300 from zero or one.
    """
    for j in range(x.shape[0]):
        y = min(max(-x[j], -700.0), 700.0)
        power[j] = y * LOG2_E + WHOLE
        p = power[j] - WHOLE
        r = (y - p * LN2) - p * LN2_REST
        e = TAYLOR[0]
        for i in range(1, len(TAYLOR)):
            e = e * r + TAYLOR[i]
        s[j] = e
    bits, shift = s.view(np.int64), power.view(np.int64)
    for j in range(x.shape[0]):
        bits[j] += shift[j] << 52
    for j in range(x.shape[0]):
        s[j] = 1.0 / (1.0 + s[j])


@compiled
def activate(rows: Array, bias: Array) -> None:
    """Do in machine code what `network_copy.activate` does."""
    n, width = rows.shape[1], rows.shape[2]
    s, h = np.empty(width), np.empty(width)
    for i in range(n):
        x = rows[0, i]
        for j in range(width):
            x[j] += bias[j]
        sigmoid(x, s, h)
        for j in range(width):
            h[j] = x[j] * s[j]
            s[j] += h[j] * (1.0 - s[j])
            x[j] = h[j]
        for p in range(1, rows.shape[0]):
            for j in range(width):
                rows[p, i, j] *= s[j]


@any_order
def network(parameters: Array, widths: Ints, inputs: Array) -> Array:
    """Return the outputs (o,) of inputs (i,): linear layers of these widths, from inputs to outputs, SiLU between."""
    h, at, last = inputs, 0, widths.shape[0] - 2
    for layer in range(last + 1):
        n_in, n_out = widths[layer], widths[layer + 1]
        bias = at + n_in * n_out
        W, x = parameters[at:bias].reshape(n_out, n_in), np.empty(n_out)
        for i in range(n_out):
            y = parameters[bias + i]
            for j in range(n_in):
                y += W[i, j] * h[j]
            x[i] = y
        if layer < last:
            s, power = np.empty(n_out), np.empty(n_out)
            sigmoid(x, s, power)
            for i in range(n_out):
                x[i] *= s[i]
        h, at = x, bias + n_out
    return h


def latent_step(parameters: Array, sizes: Ints, state: Array, control: Array, after: Array) -> None:
    """Write z' = A(z) z + B(z) u + o(z) of one latent into `after`, in the subset of Python that Numba compiles.

    ``sizes`` is the rank of A - I (0 if it is full) and then the widths of all layers from latent to head.
    """
    k, m, rank = state.shape[0], control.shape[0], sizes[0]
    h = network(parameters, sizes[1:], state)
    at = 2 * k * rank  # where [A - I, B, o] begins, or [B, o], a row of it after the other
    for i in range(k):
        after[i] = state[i]
        if rank == 0:
            for j in range(k):
                after[i] += h[at + j] * state[j]
            at += k
        for j in range(m):
            after[i] += h[at + j] * control[j]
        after[i] += h[at + m]
        at += m + 1
    for p in range(rank):  # A = I + V R' with V and R (k, rank)
        y = 0.0
        for j in range(k):
            y += h[(k + j) * rank + p] * state[j]
        for i in range(k):
            after[i] += h[i * rank + p] * y


def nonlinear_step(parameters: Array, sizes: Ints, state: Array, control: Array, after: Array) -> None:
    """Write z' = z + g(z, u) of one latent into `after`; ``sizes`` are the widths of all layers from (z, u) to g."""
    k = state.shape[0]
    h = np.empty(k + control.shape[0])
    h[:k], h[k:] = state, control
    change = network(parameters, sizes, h)
    for i in range(k):
        after[i] = state[i] + change[i]
