"""Inner loops of the compiled engine: trajectories and local models of dynamics that come as function pointers.

Pointers, so that these loops are compiled once and not again for each dynamics; a call through one takes 2 ns. It steps
all rows at once: a network's weights come from memory once for all of them.
"""

import numpy as np

from e2c_control.planners.checks import Array, Ints
from e2c_control.planners.compiled import compiled
from e2c_control.planners.lowered import Kernel


@compiled
def open_loop(step: Kernel, parameters: Array, sizes: Ints, controls: Array, states: Array) -> None:
    """Roll out z' = f(z, u) from states[:, 0] under controls (b, T, m); write states (b, T + 1, n)."""
    now, control, after = states[:, 0].copy(), np.empty(controls[:, 0].shape), np.empty(states[:, 0].shape)
    for t in range(controls.shape[1]):
        for b in range(controls.shape[0]):
            for i in range(controls.shape[2]):
                control[b, i] = controls[b, t, i]
        step(parameters, sizes, now, control, after)
        now, after = after, now
        for b in range(controls.shape[0]):
            for i in range(states.shape[2]):
                states[b, t + 1, i] = now[b, i]


@compiled
def local_models(
    derivatives: Kernel, parameters: Array, sizes: Ints, rows: Ints, states: Array, controls: Array, A: Array, B: Array
) -> None:
    """Write A (b, T, n, n) and B (b, T, n, m) along the named rows of states (b, T + 1, n) and controls (b, T, m)."""
    for b in rows:
        for t in range(controls.shape[1]):
            derivatives(parameters, sizes, states[b, t], controls[b, t], A[b, t], B[b, t])


@compiled
def closed_loop(
    step: Kernel,
    parameters: Array,
    sizes: Ints,
    states: Array,
    controls: Array,
    K: Array,
    k: Array,
    step_sizes: Array,
    low: Array,
    high: Array,
    z: Array,
    u: Array,
) -> None:
    """Roll out u = clip(ū + a k + K (z - z̄)), z' = f(z, u) for each trajectory and each step size a; write z and u."""
    horizon, m, n, many = K.shape[1], K.shape[2], K.shape[3], step_sizes.shape[0]
    now, control = np.empty((K.shape[0] * many, n)), np.empty((K.shape[0] * many, m))
    after = np.empty(now.shape)
    for r in range(K.shape[0]):
        for a in range(many):
            for i in range(n):  # not z[r, a, 0] = ..., which compiles a message about shapes
                z[r, a, 0, i] = now[r * many + a, i] = states[r, 0, i]
    for t in range(horizon):
        for r in range(K.shape[0]):
            for a in range(many):
                for i in range(m):
                    x = controls[r, t, i] + step_sizes[a] * k[r, t, i]
                    for j in range(n):
                        x += K[r, t, i, j] * (now[r * many + a, j] - states[r, t, j])
                    u[r, a, t, i] = control[r * many + a, i] = min(max(x, low[i]), high[i])
        step(parameters, sizes, now, control, after)
        now, after = after, now
        for r in range(K.shape[0]):
            for a in range(many):
                for i in range(n):
                    z[r, a, t + 1, i] = now[r * many + a, i]
