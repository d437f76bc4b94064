"""Several models of one system: their mean to plan with, and their disagreement as a cost.

Source: Chua et al., NeurIPS 2018, for ensembles of dynamics; the disagreement (variance of the members' predictions)
as in Pathak, Gandhi, Gupta, "Self-supervised exploration via disagreement", ICML 2019, here to be avoided.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from e2c_control.errors import InputError
from e2c_control.fields import NotNegative, checked
from e2c_control.planners.checks import Array, Ints
from e2c_control.planners.costs import Expansion, SmoothCost
from e2c_control.planners.dynamics import Dynamics, Linearization, rollout_by_steps


@runtime_checkable
class EnsembleDynamics(Dynamics, Protocol):
    """Dynamics that offer several predictions."""

    def predictions(self, states: Array, controls: Array) -> Array:
        """Return next states (E, b, n), one set by each member, from states (b, n) and controls (b, m)."""
        ...

    def local_models(self, states: Array, controls: Array) -> list[Linearization]:
        """Return the local model of each member."""
        ...


class Ensemble:
    """The mean of several Dynamics of the same size."""

    def __init__(self, members: Sequence[Dynamics]) -> None:
        sizes = {(member.state_dim, member.control_dim) for member in members}
        if len(sizes) != 1:
            raise InputError(f"An ensemble needs members of one size, but has the sizes {sorted(sizes)}.")
        self.members = tuple(members)
        self.state_dim, self.control_dim = self.members[0].state_dim, self.members[0].control_dim
        self._last: tuple[Array, Array, list[Linearization]] | None = None

    def predictions(self, states: Array, controls: Array) -> Array:
        return np.stack([member.step(states, controls) for member in self.members])

    def local_models(self, states: Array, controls: Array) -> list[Linearization]:
        # A planner asks for these twice, to linearise the mean and to expand the cost: half of its time otherwise.
        last = self._last
        if last is None or not (np.array_equal(last[0], states) and np.array_equal(last[1], controls)):
            models = [member.linearize(states, controls) for member in self.members]
            self._last = last = (states.copy(), controls.copy(), models)
        return last[2]

    def step(self, states: Array, controls: Array) -> Array:
        return self.predictions(states, controls).mean(axis=0)

    def rollout(self, initial_states: Array, controls: Array) -> Array:
        return rollout_by_steps(self.step, initial_states, controls)

    def linearize(self, states: Array, controls: Array) -> Linearization:
        models = self.local_models(states, controls)
        A, B, o = (np.mean([getattr(model, name) for model in models], axis=0) for name in "ABo")
        return Linearization(A, B, o)


class DisagreementCost(SmoothCost):
    """w Σ_t mean_e |f_e(z_t, u_t) - mean_e f_e(z_t, u_t)|²: keeps plans where the members agree.

    Arguments: ``dynamics`` with the members, ``height`` w. The Hessian is that of Gauss and Newton, positive
    semidefinite, from the members' local models.
    """

    @checked
    def __init__(self, dynamics: EnsembleDynamics, height: NotNegative) -> None:
        if not isinstance(dynamics, EnsembleDynamics):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError("DisagreementCost needs dynamics with several predictions, such as Ensemble.")
        self.dynamics, self.height = dynamics, height

    def value(self, states: Array, controls: Array, problems: Ints) -> Array:
        spread = self._spread(states, controls)
        return self.height * (spread**2).sum(axis=(2, 3)).mean(axis=0)

    def expand(self, states: Array, controls: Array, problems: Ints) -> Expansion:
        (_, horizon, m), n = controls.shape, states.shape[2]
        z, u = states[:, :-1].reshape(-1, n), controls.reshape(-1, m)
        models = self.dynamics.local_models(z, u)
        after = np.stack(
            [np.einsum("bij,bj->bi", model.A, z) + np.einsum("bij,bj->bi", model.B, u) + model.o for model in models]
        )
        e = after - after.mean(axis=0)
        jacobians = np.stack([np.concatenate((model.A, model.B), axis=2) for model in models])
        J = jacobians - jacobians.mean(axis=0)
        scale = 2 * self.height / len(J)
        slope, bend = scale * np.einsum("ebij,ebi->bj", J, e), scale * np.einsum("ebij,ebik->bjk", J, J)
        return Expansion.of_stages(slope, bend, horizon, n)

    def _spread(self, states: Array, controls: Array) -> Array:
        """Return each member's distance from the mean, (E, b, T, n)."""
        (b, horizon, m), n = controls.shape, states.shape[2]
        after = self.dynamics.predictions(states[:, :-1].reshape(-1, n), controls.reshape(-1, m))
        return (after - after.mean(axis=0)).reshape(len(after), b, horizon, n)
