"""Reachability: a second embedding in which distance tells steps, which moves are blocked in it, and its landmarks."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from e2c_control.models.layers import last_linear, mlp
from e2c_control.models.network_copy import NetworkCopy
from e2c_control.planners.dynamics import Linearization, rollout_by_steps
from e2c_control.planners.landmarks import Landmarks

Array = NDArray[np.float64]

LANDMARKS, MOST_LANDMARKS = 512, 1024
"""How many landmarks an embedding has, and at most, where the world is large for its steps. On walls, half as many and
twice as many drive alike; in the medium maze, of seven steps by seven a cell, 512 are more than two steps apart."""


ACTION_GAIN = 2.0
"""Brings uniform actions in [-1, 1] to a deviation of about 1."""


class Reachability(nn.Module):
    """Places of images in an embedding where near means few steps apart, made of the encoder's features.

    It is wider than the map that plans are made in, and needs no order but that of neighbours: so it does not fold
    where that one does. What `survey` found in a dataset is kept with it: landmarks, the moves between them, and
    which of them are several places that look alike.

    Args:
        features: f, of the encoder.
        dim: of a place.
        latent_dim: k, of the map that the landmarks are drawn on.
        hidden: width of the hidden layer.
    """

    def __init__(self, features: int, dim: int, latent_dim: int, hidden: int = 128) -> None:
        super().__init__()
        self.net = mlp(features, (hidden, dim), nn.ReLU)
        self.dim = dim
        self.register_buffer("landmarks", torch.zeros(MOST_LANDMARKS, dim))
        self.register_buffer("latents", torch.zeros(MOST_LANDMARKS, latent_dim))
        self.register_buffer("moves", torch.zeros(MOST_LANDMARKS, MOST_LANDMARKS, dtype=torch.bool))
        self.register_buffer("aliased", torch.zeros(MOST_LANDMARKS, dtype=torch.bool))
        self.register_buffer("scale", torch.zeros(()))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def forward(self, features: Tensor) -> Tensor:
        """Return places (..., d) of features (..., f)."""
        return self.net(features)

    def keep(self, graph: Landmarks, latents: Array) -> None:
        """Take over the landmarks of a dataset, and the latents (L, k) of their frames."""
        count = len(graph.places)
        buffers = dict(self.named_buffers())
        for name, values in (("landmarks", graph.places), ("latents", latents), ("aliased", graph.aliased)):
            buffers[name][:count] = torch.from_numpy(values).to(buffers[name])
        buffers["moves"][:count, :count] = torch.from_numpy(graph.moves)
        buffers["scale"].fill_(graph.scale)
        buffers["count"].fill_(count)

    def drawn(self, cells: NDArray[np.int64]) -> Array:
        """Return the latents (..., k) of the frames of landmarks, to draw a way on the map."""
        return dict(self.named_buffers())["latents"].double().cpu().numpy()[cells]

    def graph(self) -> Landmarks | None:
        """Return the landmarks; None before a survey."""
        kept = {name: buffer.cpu().numpy() for name, buffer in self.named_buffers()}
        count = min(int(kept["count"]), MOST_LANDMARKS)
        if count <= 0:
            return None
        places, moves = kept["landmarks"][:count].astype(np.float64), kept["moves"][:count, :count].copy()
        return Landmarks(places, moves, kept["aliased"][:count].copy(), float(kept["scale"]))


class Passage(nn.Module):
    """Where an action leads from a place, if nothing blocks it, and the chance that nothing does: a hurdle model.

    The chance is of the place where the move would land, too: what blocks is mostly there. On walls, that tells three
    quarters of the blocked moves, and without it three fifths.

    Args:
        dim: of a place.
        action_dim: m.
        hidden: width of the hidden layers, two of each network.
    """

    def __init__(self, dim: int, action_dim: int, hidden: int = 128) -> None:
        super().__init__()
        self.move = mlp(dim + action_dim, (hidden, hidden, dim), nn.SiLU)
        self.chance = mlp(2 * dim + action_dim, (hidden, hidden, 1), nn.SiLU)
        self.log_deviation = nn.Parameter(torch.zeros(dim))
        self.register_buffer("centre", torch.zeros(dim))
        self.register_buffer("spread", torch.ones(dim))
        self.dim, self.action_dim = dim, action_dim

    def fit(self, places: Array) -> None:
        """Take the mean and deviation of places (N, d): what the network sees has none, as of actions in [-1, 1]."""
        self.get_buffer("centre").copy_(torch.from_numpy(places.mean(0)))
        self.get_buffer("spread").copy_(torch.from_numpy(np.maximum(places.std(0), 1e-3)))

    def forward(self, places: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Return log odds (...) that actions (..., m) move from places (..., d), and the displacements (..., d)."""
        inputs = torch.cat([self._standard(places), ACTION_GAIN * actions], dim=-1)
        displacements = self.move(inputs)
        landings = self._standard(places + displacements.detach())
        return self.chance(torch.cat([landings, inputs], dim=-1))[..., 0], displacements

    def _standard(self, places: Tensor) -> Tensor:
        return (places - self.get_buffer("centre")) / self.get_buffer("spread")


class PassageDynamics:
    """A passage model for planners: `HurdleDynamics` over places, in float64 NumPy.

    Attributes:
        deviation: root mean square of how far a move ends from where it was to lead.
    """

    def __init__(self, passage: Passage) -> None:
        self._move, self._chance = (
            NetworkCopy(nn.Sequential(*list(net)[:-1]), last_linear(net)) for net in (passage.move, passage.chance)
        )
        self._centre, self._spread = (
            passage.get_buffer(name).double().cpu().numpy().copy() for name in ("centre", "spread")
        )
        self.state_dim, self.control_dim = passage.dim, passage.action_dim
        self.deviation = float(passage.log_deviation.detach().double().exp().square().sum().sqrt())

    def moves(self, states: Array, controls: Array) -> tuple[Array, Array]:
        """Return the chances (b,) that places (b, d) change under actions (b, m), and where to if they do (b, d)."""
        inputs = self._inputs(states, controls)
        return self._moved(inputs, states + self._move.outputs(inputs))

    def _inputs(self, states: Array, controls: Array) -> Array:
        return np.concatenate(((states - self._centre) / self._spread, ACTION_GAIN * controls), axis=1)

    def _moved(self, inputs: Array, landings: Array) -> tuple[Array, Array]:
        seen = np.concatenate(((landings - self._centre) / self._spread, inputs), axis=1)
        with np.errstate(over="ignore"):
            return 1.0 / (1.0 + np.exp(-self._chance.outputs(seen)[:, 0])), landings

    def step(self, states: Array, controls: Array) -> Array:
        """Return the likelier outcome (b, d)."""
        chance, landings = self.moves(states, controls)
        return np.where(chance[:, None] > 0.5, landings, states)

    def rollout(self, initial_states: Array, controls: Array) -> Array:
        """Return trajectories (b, T + 1, d) from places (b, d) under actions (b, T, m)."""
        return rollout_by_steps(self.step, initial_states, controls)

    def linearize(self, states: Array, controls: Array) -> Linearization:
        """Return A, B, o of the likelier outcome."""
        inputs, d = self._inputs(states, controls), self.state_dim
        displacements, tangents = self._move.outputs_and_tangents(inputs)
        chance, landings = self._moved(inputs, states + displacements)
        moved, gain = chance > 0.5, np.concatenate((1.0 / self._spread, np.full(self.control_dim, ACTION_GAIN)))
        jacobian = np.where(moved[:, None, None], tangents.swapaxes(1, 2) * gain, 0.0)
        A, B = jacobian[..., :d] + np.eye(d), jacobian[..., d:]
        after = np.where(moved[:, None], landings, states)
        return Linearization(A, B, after - np.einsum("nij,nj->ni", A, states) - np.einsum("nij,nj->ni", B, controls))
