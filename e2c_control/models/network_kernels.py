"""Networks of transitions in machine code. It loads numba: import it where that is wanted.

``parameters`` holds each layer's transposed weight (in, out) and bias (out,), one after another.
"""

from math import factorial

import numpy as np

from e2c_control.models.network_copy import Array, Ints
from e2c_control.planners.compiled import compiled

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
def activate(x: Array, bias: Array, slope: Array) -> None:
    """Do in machine code what `network_copy.activate` does."""
    h = np.empty(x.shape[1])
    for i in range(x.shape[0]):
        y, s = x[i], slope[i]
        for j in range(y.shape[0]):
            y[j] += bias[j]
        sigmoid(y, s, h)
        for j in range(y.shape[0]):
            y[j] *= s[j]
            s[j] += y[j] * (1.0 - s[j])


@compiled
def network(parameters: Array, widths: Ints, inputs: Array) -> Array:
    """Return outputs (r, o) of inputs (r, i): linear layers of these widths, from inputs to outputs, SiLU between.

    A row's numbers do not depend on the rows beside it.
    """
    h, at, last, n = inputs, 0, widths.shape[0] - 2, inputs.shape[0]
    for layer in range(last + 1):
        n_in, n_out = widths[layer], widths[layer + 1]
        bias = at + n_in * n_out
        W, x = parameters[at:bias].reshape(n_in, n_out), np.empty((n, n_out))
        for r in range(n):
            for j in range(n_out):
                x[r, j] = parameters[bias + j]
        for i in range(0, n_in - 3, 4):  # the inner loop runs along memory, and four inputs share its way
            for r in range(n):
                a, b, c, d = h[r, i], h[r, i + 1], h[r, i + 2], h[r, i + 3]
                for j in range(n_out):
                    x[r, j] += a * W[i, j] + b * W[i + 1, j] + c * W[i + 2, j] + d * W[i + 3, j]
        for i in range(n_in // 4 * 4, n_in):
            for r in range(n):
                a = h[r, i]
                for j in range(n_out):
                    x[r, j] += a * W[i, j]
        if layer < last:
            y, s, power = x.reshape(-1), np.empty(n * n_out), np.empty(n * n_out)
            sigmoid(y, s, power)
            for j in range(n * n_out):
                y[j] *= s[j]
        h, at = x, bias + n_out
    return h


def latent_step(parameters: Array, sizes: Ints, states: Array, controls: Array, after: Array) -> None:
    """Write z' = A(z) z + B(z) u + o(z) of latents into `after`, in the subset of Python that Numba compiles.

    ``sizes`` is the rank of A - I (0 if it is full) and then the widths of all layers from latent to head.
    """
    k, m, rank = states.shape[1], controls.shape[1], sizes[0]
    outputs = network(parameters, sizes[1:], states)
    for b in range(states.shape[0]):
        at = 2 * k * rank  # where [A - I, B, o] begins, or [B, o], a row of it after the other
        for i in range(k):
            x = states[b, i]
            if rank == 0:
                for j in range(k):
                    x += outputs[b, at + j] * states[b, j]
                at += k
            for j in range(m):
                x += outputs[b, at + j] * controls[b, j]
            after[b, i] = x + outputs[b, at + m]
            at += m + 1
        for p in range(rank):  # A = I + V R' with V and R (k, rank)
            y = 0.0
            for j in range(k):
                y += outputs[b, (k + j) * rank + p] * states[b, j]
            for i in range(k):
                after[b, i] += outputs[b, i * rank + p] * y


def nonlinear_step(parameters: Array, sizes: Ints, states: Array, controls: Array, after: Array) -> None:
    """Write z' = z + g(z, u) of latents into `after`; ``sizes`` are the widths of all layers from (z, u) to g."""
    change = network(parameters, sizes, np.concatenate((states, controls), axis=1))
    for b in range(states.shape[0]):
        for i in range(states.shape[1]):
            after[b, i] = states[b, i] + change[b, i]
