"""A graph of landmarks over recorded episodes: how many steps apart two places are, and which are not one place.

How it works: recorded states are gathered into cells around landmarks, which are spread over them by farthest points.
An edge leads from one cell to another where a recorded step did, so that nothing is passable that nobody passed; the
steps between two places are the length of the shortest path. It rests on the states telling places apart. Where they
do not, because one picture stands for several places, a cell is a *wormhole*: paths enter it at one end of the world
and leave it at the other. Such cells break the Markov property, which shows it without any true state: where a visit of
a place came from says nothing of where it goes next, beyond that both are near the place.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from e2c_control.planners.checks import Array, Bools, Ints
from e2c_control.planners.plan import Limits
from e2c_control.planners.sampling import spread

FAR = 8
"""Steps from which on two cells count as far apart, where cells are tested: as far as the search goes."""
EXCESS = 2.0
"""Steps by which a cell's mixed visits are longer than its own, from which on it is no single place. On walls: 4.4 in
the cell of the picture in which the agent is hidden, and at most 0.6 in any other."""
VISITS = 4
"""Visits below which a cell is not tested."""
COVER = 1.5
"""Steps from all landmarks beyond which a state deserves one of its own, where there may be more."""
REACH = 2
"""Recorded steps within which landmarks count for a state that is reached in one step."""
NEAR = 6
"""Landmarks that the steps of a state are a mean of."""
BLUR = 0.5
"""Distance beyond the nearest landmark, in steps, at which another one counts e times less."""
LOST = 500.0
"""Steps that a landmark counts from which no path leads to the goal: more than any way there is, or the far parts of a
maze would all be alike."""
CONTROLS, MOST_CONTROLS = 25, 81
"""Controls by which steps are counted in a model, and how many of them where so few would be too coarse a grid."""
UNLIKELY = 0.05
"""Least chance that a move is tried with."""
TOLERANCE, SWEEPS = 1e-3, 500
"""Change of the expected steps below which their iteration ends, and most sweeps over the landmarks."""

Moves = Callable[[Array, Array], tuple[Array, Array]]
"""Chances (b,) that states (b, n) move under controls (b, m), and where to if they do (b, n)."""


@dataclass(frozen=True, eq=False)
class Tried:
    """What a model says of each of S controls at each of L landmarks.

    Attributes:
        attempts: how often it is tried until it moves, in the mean, (L, S).
        cells: landmarks near to where it leads, (L, S, NEAR).
        weights: theirs in the mean, (L, S, NEAR).
    """

    attempts: Array
    cells: Ints
    weights: Array

    def relax(self, steps: Array, fixed: Bools) -> Array:
        """Return the expected steps (L,) to those that are `fixed`, from an upper bound of them, by value iteration.

        V = min over controls of the attempts until the move succeeds + the mean of V where it leads: a stochastic
        shortest path of which each state's value is a mean of landmarks' (Gordon 1995), so that the iteration
        contracts.
        """
        for _ in range(SWEEPS):
            onward = np.einsum("lsk,lsk->ls", self.weights, steps[self.cells])
            before, steps = steps, np.where(fixed, steps, np.minimum((self.attempts + onward).min(1), LOST))
            if np.abs(steps - before).max() < TOLERANCE:
                break
        return steps


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Cells of recorded states, and which of them a recorded step led between.

    Attributes:
        places: of the landmarks, (L, n); a state belongs to the nearest one.
        moves: whether a step led from one cell to another, (L, L).
        aliased: which cells hold several places, (L,): no path leads through them.
        scale: length of a typical step, in units of the states.
        tried: what a model says of the moves: then steps are those that the model expects to take, see `in_model`.
    """

    places: Array
    moves: Bools
    aliased: Bools
    scale: float
    tried: Tried | None = None
    _steps: dict[int, Array] = field(default_factory=dict[int, Array], repr=False)

    @classmethod
    def of(cls, episodes: Sequence[Array], count: int, most: int | None = None) -> tuple["Landmarks", Ints]:
        """Lay out at most so many landmarks of recorded episodes, each of states (T, n) of which one led to the next.

        There are more, up to `most`, where so few would be too far apart for the steps: `COVER`. Returns them, and
        which rows they are of the episodes' states, one after another.
        """
        states = np.concatenate(episodes)
        lengths = np.concatenate([np.linalg.norm(np.diff(states, axis=0), axis=1) for states in episodes])
        moved = lengths[lengths > 0]
        scale = float(np.median(moved)) if len(moved) else 1.0
        rows = farthest_points(states, count, most, COVER * scale)
        places = states[rows]
        cells = [nearest(states, places) for states in episodes]
        moves = np.zeros((len(places), len(places)), np.bool_)
        for visited in cells:
            moves[visited[:-1], visited[1:]] = True
        np.fill_diagonal(moves, False)
        return cls(places, moves, excess(cells, moves) > EXCESS, scale), rows

    def cells(self, states: Array, *, sound: bool = False) -> Ints:
        """Return the cells (N,) of states (N, n), or the nearest ones that are single places."""
        return nearest(states, self.places, self.aliased if sound else None)

    def steps_to(self, goals: Array) -> Array:
        """Return the steps (N, L) from each cell to the cells of goals (N, n), infinite where no path leads."""
        cells = self.cells(goals, sound=True)
        missing = [cell for cell in dict.fromkeys(cells.tolist()) if cell not in self._steps]
        if missing:
            found = steps_between(self._single.T, np.array(missing))
            if self.tried is not None:
                found = np.stack([self._expected(*pair) for pair in zip(missing, found, strict=True)])
            self._steps.update(zip(missing, found, strict=True))
        return np.stack([self._steps[cell] for cell in cells.tolist()])

    def _expected(self, goal: int, steps: Array) -> Array:
        """Return the steps (L,) that the model expects to take, where recorded ones lead to the goal's cell at all."""
        assert self.tried is not None
        home = np.linalg.norm(self.places - self.places[goal], axis=1) / self.scale
        fixed = np.isinf(steps) | (home < 1)
        return self.tried.relax(np.where(home < 1, home, np.where(np.isinf(steps), LOST, steps)), fixed)

    def in_model(self, moves: Moves, limits: Limits) -> "Landmarks":
        """Return the landmarks with the steps that a model expects to take, by the best of some controls in each.

        A recorded step is of any length and direction; the model's are as long as it may, and cost more where they may
        be blocked. That recorded steps lead on from one cell to the next stays a condition.
        """
        dim = len(limits.low)
        controls = spread(limits, CONTROLS if 3**dim < CONTROLS else MOST_CONTROLS, np.random.default_rng(0))
        states, given = np.repeat(self.places, len(controls), axis=0), np.tile(controls, (len(self.places), 1))
        chance, landings = moves(states, given)
        shape = (len(self.places), len(controls))
        cells, weights = self.around(np.arange(len(self.places)), landings.reshape(*shape, -1))
        attempts = 1.0 / np.maximum(chance, UNLIKELY)
        return replace(self, tried=Tried(attempts.reshape(shape), cells, weights), _steps={})

    def within_reach(self, cells: Ints, others: Ints) -> Bools:
        """Return which of some cells (b,) recorded steps lead from to others (b,), in `REACH` steps."""
        return np.isfinite(self._hops[cells, others])

    def around(self, cells: Ints, states: Array) -> tuple[Ints, Array]:
        """Return the landmarks (G, S, K) near to states (G, S, n) that are a step from cells (G,), and their weights.

        Only those count that recorded steps lead to from the cell: another side of a wall may look near.
        """
        reached = self._reached[cells]
        squares = np.square(states).sum(2)[:, :, None] + self._squares[reached][:, None]
        squares -= 2.0 * states @ self.places[reached].swapaxes(1, 2)
        squares = np.where(self._known[cells][:, None], np.maximum(squares, 0.0), np.inf)
        near = np.argpartition(squares, min(NEAR, squares.shape[2]) - 1, axis=2)[..., :NEAR]
        distances = np.sqrt(np.take_along_axis(squares, near, axis=2))
        weights = np.exp((distances.min(2, keepdims=True) - distances) / (BLUR * self.scale))
        found = np.take_along_axis(np.broadcast_to(reached[:, None], squares.shape), near, axis=2)
        return found, weights / weights.sum(2, keepdims=True)

    @cached_property
    def _single(self) -> Bools:
        """The moves between cells that are single places, (L, L)."""
        return self.moves & ~self.aliased & ~self.aliased[:, None]

    @cached_property
    def _squares(self) -> Array:
        return np.square(self.places).sum(1)

    @cached_property
    def _hops(self) -> Array:
        return steps_between(self._single, np.arange(len(self.places)), REACH)

    @cached_property
    def _reached(self) -> Ints:
        """The landmarks within `REACH` of each, nearest first, (L, M); `_known` says of which that is true."""
        return np.argsort(self._hops, axis=1, kind="stable")[:, : int(np.isfinite(self._hops).sum(1).max())]

    @cached_property
    def _known(self) -> Bools:
        return np.isfinite(np.take_along_axis(self._hops, self._reached, axis=1))

    def way(self, state: Array, goal: Array, length: int) -> Ints:
        """Return the cells (length,) of a shortest path from a state (n,) to a goal (n,), the last one repeated."""
        steps, cell = self.steps_to(goal[None])[0], int(self.cells(state[None], sound=True)[0])
        path = [cell]
        for _ in range(length - 1):
            onward = np.where(self.moves[cell], steps, np.inf)
            cell = int(onward.argmin()) if onward.min() < steps[cell] else cell
            path.append(cell)
        return np.array(path)


def farthest_points(states: Array, count: int, most: int | None = None, within: float = 0.0) -> Ints:
    """Return rows of at most so many states (N, n), each the farthest from all before it; the first is row 0.

    Stops early where every state is a landmark already (Gonzalez 1985: within twice the optimal radius), and goes on to
    at most `most` while a state is farther than `within` from all.
    """
    rows, squares = [0], np.square(states - states[0]).sum(1)
    while squares.max() > (0.0 if len(rows) < count else within**2) and len(rows) < (most or count):
        rows.append(int(squares.argmax()))
        squares = np.minimum(squares, np.square(states - states[rows[-1]]).sum(1))
    return np.array(rows)


def square_distances(states: Array, places: Array) -> Array:
    """Return |state - place|^2 (N, L) of states (N, n) and places (L, n), by the binomial formula."""
    squares = np.square(states).sum(1)[:, None] + np.square(places).sum(1) - 2.0 * states @ places.T
    return np.maximum(squares, 0.0)


def nearest(states: Array, places: Array, without: Bools | None = None) -> Ints:
    """Return the nearest of the places (L, n) for each state (N, n), those in `without` (L,) left out."""
    squares = square_distances(states, places)
    if without is not None:
        squares[:, without] = np.inf
    return squares.argmin(1)


def steps_between(moves: Bools, sources: Ints, most: float = np.inf) -> Array:
    """Return the length of the shortest path from each source to each node, (S, L), by breadth-first search.

    Args:
        moves: whether an edge leads from a node to another, (L, L).
        sources: nodes (S,).
        most: length beyond which paths are not looked for, and are infinite.
    """
    frontier = np.zeros((len(sources), len(moves)), np.bool_)
    frontier[np.arange(len(sources)), sources] = True
    steps, edges, length = np.where(frontier, 0.0, np.inf), moves.astype(np.float32), 0
    while frontier.any() and length < most:
        length += 1
        frontier = (frontier.astype(np.float32) @ edges > 0) & np.isinf(steps)
        steps[frontier] = length
    return steps


def excess(cells: Sequence[Ints], moves: Bools) -> Array:
    """Return by how many steps each cell's mixed visits are longer than its own, (L,); 0 where it is clearly less.

    A visit of a cell has a predecessor and a successor. In a single place, those of different visits are as near to
    each other as those of the same one; distances are those in the graph without the cell, at most `FAR`. Pairs that
    no path joins without the cell say nothing: a door is a single place, too.

    Args:
        cells: those that each recorded episode was in, (T,).
        moves: whether a step led from one cell to another, (L, L).
    """
    before, after = ([list[int]() for _ in moves] for _ in range(2))
    for visited in cells:
        path = visited[np.concatenate(([True], visited[1:] != visited[:-1]))].tolist()
        for came, cell, went in zip(path[:-2], path[1:-1], path[2:], strict=True):
            before[cell].append(came)
            after[cell].append(went)
    found = np.zeros(len(moves))
    for cell, (came, went) in enumerate(zip(before, after, strict=True)):
        if len(came) < VISITS:
            continue
        without = moves.copy()
        without[cell] = without[:, cell] = False
        sources, at = np.unique(came, return_inverse=True)
        # A short search tells most places: only what may be a wormhole, or a door, is searched to the end.
        steps = np.minimum(steps_between(without, sources, FAR), FAR)[at][:, went]
        own = np.diagonal(steps)
        if steps.mean() - _mean(own[own < FAR]) > EXCESS:
            steps = steps_between(without, sources)[at][:, went]
            own, joined = np.diagonal(steps), np.minimum(steps[np.isfinite(steps)], FAR)
            found[cell] = _mean(joined) - _mean(np.minimum(own[np.isfinite(own)], FAR))
    return found


def _mean(values: Array) -> float:
    return float(values.mean()) if len(values) else 0.0
