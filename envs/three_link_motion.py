"""Equations of motion of three rods in a chain.

In the angles phi of the rods themselves from upright, rad, clockwise, they are

    sum_j K_ij cos(phi_i - phi_j) phi_j'' + sum_j K_ij sin(phi_i - phi_j) phi_j'^2 = W_i sin(phi_i) - Q_i

with a torque Q_i, counter-clockwise, on rod i. The torque of a joint turns the rod beyond it and, the other way, the
rod before it. In the angles of the joints this is the equation of the simulators of PCC and PC3, which hold the same
terms in a longer form. They also add 1e-6 kg m^2 to the diagonal of their mass matrix; in the angles of the rods that
is ``RIDGE`` times (2 -1 0; -1 2 -1; 0 -1 1).
"""

import numpy as np

from e2c_control.envs.system import FloatArray

MASS, LENGTH, GRAVITY = 0.1, 0.5, 9.81  # kg, m, m/s^2, of each rod
RIDGE = 1e-6  # kg m^2

_INERTIA, _LEVER = MASS * LENGTH**2 / 3, MASS * LENGTH / 2  # kg m^2 about the rod's end, kg m
K11, K22, K33 = _INERTIA + 2 * MASS * LENGTH**2, _INERTIA + MASS * LENGTH**2, _INERTIA
K12, K13, K23 = (_LEVER + MASS * LENGTH) * LENGTH, _LEVER * LENGTH, _LEVER * LENGTH
WEIGHTS = (GRAVITY * (_LEVER + 2 * MASS * LENGTH), GRAVITY * (_LEVER + MASS * LENGTH), GRAVITY * _LEVER)  # N m


def accelerations(angles: FloatArray, rates: FloatArray, torques: FloatArray) -> FloatArray:
    """Return phi'', rad/s^2, at angles and rates under torques Q on the rods, N m, all ``(3, ...)``.

    By the factors L diag(d) L' of the mass matrix, from the last rod to the first.
    """
    load, (c12, c13, c23) = _load(angles, rates)
    b1, b2, b3 = load - torques
    h12, h13, h23 = c12 - RIDGE, c13, c23 - RIDGE
    d3 = K33 + RIDGE
    l13, l23 = h13 / d3, h23 / d3
    d2 = K22 + 2 * RIDGE - l23 * h23
    reduced = h12 - l13 * h23
    l12 = reduced / d2
    d1 = K11 + 2 * RIDGE - l13 * h13 - l12 * reduced
    b2 = b2 - l23 * b3
    a1 = (b1 - l13 * b3 - l12 * b2) / d1
    a2 = b2 / d2 - l12 * a1
    return np.stack((a1, a2, b3 / d3 - l13 * a1 - l23 * a2))


def torques_for(angles: FloatArray, rates: FloatArray, wanted: FloatArray) -> FloatArray:
    """Return torques Q ``(3, ...)`` on the rods that accelerate them as wanted, rad/s^2; else as `accelerations`."""
    load, (c12, c13, c23) = _load(angles, rates)
    h12, h13, h23 = c12 - RIDGE, c13, c23 - RIDGE
    a1, a2, a3 = wanted
    return load - np.stack(
        (
            (K11 + 2 * RIDGE) * a1 + h12 * a2 + h13 * a3,
            h12 * a1 + (K22 + 2 * RIDGE) * a2 + h23 * a3,
            h13 * a1 + h23 * a2 + (K33 + RIDGE) * a3,
        )
    )


def on_rods(torques: FloatArray) -> FloatArray:
    """Return torques of the joints ``(3, ...)`` as torques on the rods."""
    first, second, third = torques
    return np.stack((first - second, second - third, third))


def in_joints(torques: FloatArray) -> FloatArray:
    """Return torques on the rods as torques of the joints: the inverse of `on_rods`."""
    first, second, third = torques
    return np.stack((first + second + third, second + third, third))


def _load(angles: FloatArray, rates: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return torques of weights and motion ``(3, ...)``, and K_ij cos(phi_i - phi_j) of the pairs 12, 13, 23."""
    between = np.stack((angles[0] - angles[1], angles[0] - angles[2], angles[1] - angles[2]))
    cosines, sines, weights = np.cos(between), np.sin(between), np.sin(angles)
    for pair, k in enumerate((K12, K13, K23)):
        cosines[pair] *= k
        sines[pair] *= k
    for rod, weight in enumerate(WEIGHTS):
        weights[rod] *= weight
    v1, v2, v3 = rates * rates
    s12, s13, s23 = sines
    weights[0] -= s12 * v2 + s13 * v3
    weights[1] += s12 * v1 - s23 * v3
    weights[2] += s13 * v1 + s23 * v2
    return weights, cosines
