"""`FixedPoint`: recall as iteration of the algebraic map, the limit of fast memory units."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Container
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..lagrangians import Softmax
from ..network import Network
from ..progress import Progress
from ..synapses import Array, project_each
from .attention import Kind, attention, largest_products
from .cells import Cells
from .precision import float32_serves
from .problem import (
    BLOW_UP,
    DIVERGED,
    INTERRUPTED,
    SETTLED,
    TIME_LIMIT,
    Problem,
    Reader,
    Solution,
)  # fmt: skip

# Of the tolerance: what an index may leave out.
_LEFT_OUT = 0.03


@dataclass(frozen=True)
class FixedPoint:
    """Iterate every layer's algebraic value; with softmax memories one update is attention.

    One update sets the layers to their algebraic value one after the other, the one with the
    largest tau last. For features and memories this is  v <- Xi^T f(Xi g(v) + b) + a  (Ramsauer
    et al. 2020, arXiv:2008.02217, eq. 3).

    Parameters
    ----------
    max_updates : int, default 1000
        With until=None exactly this many updates are made.
    record : bool, default False
        Whether all updates are kept. Otherwise the trajectory has the start and the end, and many
        memories are never in memory for all cues at once.
    index : Cells, optional
        Of the memories of a network with a softmax: updates then read those alone that may matter.
        A cue settles as without it; ``stats["read"]`` counts the memories that were read for it.

    Notes
    -----
    `times` counts updates; the arguments t1 and times of `simulate` are not used. A cue settles
    when an update changes no unit with tau > 0 by more than the tolerance, and |tau dx/dt| is not
    larger than that afterwards. The map may lead to another attractor than the differential
    equation.

    Examples
    --------
    >>> import amsim as am
    >>> net = am.dense_am([[1, 1, -1, -1], [1, -1, 1, -1]], hidden=am.Softmax(beta=1.0))
    >>> traj = am.simulate(net, [1, 1, -1, 0], solver=am.FixedPoint(1), until=None)
    >>> traj["visible"][-1].round(3)
    array([ 1.   ,  0.964, -0.964, -1.   ])
    """

    max_updates: int = 1000
    record: bool = False
    index: Cells | None = None

    def __post_init__(self) -> None:
        updates = checks.count("FixedPoint: max_updates", self.max_updates, at_most=10**9)
        object.__setattr__(self, "max_updates", updates)
        object.__setattr__(self, "record", checks.flag("FixedPoint: record", self.record))
        if self.index is not None:
            example = "Cells(network, labels) or None"
            checks.instance("FixedPoint: index", self.index, Cells, example)

    def solve(self, problem: Problem) -> Solution:
        """Iterate all cues of the batch; settled ones rest."""
        self.check(problem)
        if self.index is not None:
            return _Indexed(problem, self.record, self.index).solve(self.max_updates)
        kind = _Attention if _is_attention(problem) else _Layers
        return kind(problem, self.record).solve(self.max_updates)

    def check(self, problem: Problem) -> None:
        """Raise ValueError for what updates cannot do."""
        if problem.driven:
            raise ValueError(
                "FixedPoint: an input depends on time, and updates have none: give a constant one, "
                "such as its last value, or use an ODE solver"
            )
        if problem.t0:
            raise ValueError(
                "FixedPoint: updates have no time: leave t0 out, and pass the final of a trajectory"
            )
        if problem.single and (self.index is not None or not _is_attention(problem)):
            raise ValueError(
                "FixedPoint: dtype=float32 is for updates of the features by all memories, without "
                "an index: leave dtype out"
            )
        if self.index is not None and self.index.network is not problem.network:
            raise ValueError(
                "FixedPoint: the index is that of another network: make Cells of this one"
            )
        if self.index is not None and not (
            problem.ranks is None
            and _is_attention(problem)
            and self.index.hidden not in problem.given
        ):
            raise ValueError(
                "FixedPoint: an index serves updates of the features by all memories, in one "
                "process and without starts, inputs or clamps of the memories: leave index out"
            )


def update_order(network: Network) -> list[str]:
    """All layers with leak, the slowest last: the others are what tau -> 0 makes algebraic."""
    for name, layer in network.layers.items():
        if layer.leak == 0:
            raise ValueError(
                f"FixedPoint: layer {name!r} has no leak and so no algebraic value; "
                f"use an ODE solver"
            )
    return sorted(network.layers, key=lambda name: float(np.max(network.layers[name].tau)))


def _follow(network: Network, given: Container[str]) -> set[str]:
    """Layers that start at their algebraic value: not given themselves, but all that they read."""
    reading = {name for name in network.layers if name in given}
    for synapse in network.synapses:
        for slot, read in synapse.dependencies():
            if any(other not in given for other in read):
                reading.add(synapse.between[slot])
    return set(network.layers) - reading


def _is_attention(problem: Problem) -> bool:
    """Whether one update of the features is attention with the memories as keys and values."""
    loop = problem.attention_loop
    return loop is not None and update_order(problem.network) == [loop.hidden, loop.visible]


class Iteration(ABC):
    """What became of B cues; derived classes update those that run."""

    def __init__(self, problem: Problem, start: Array, record: bool) -> None:
        self.problem = problem
        self.limit = BLOW_UP * (1.0 + float(np.abs(start).max()))
        self.codes = np.full(problem.batch, INTERRUPTED)
        self.counts = np.zeros(problem.batch, np.int64)
        self.running = np.arange(problem.batch)
        self.last, self.rows, self.recorded = start.copy(), [start], record
        self.shown = problem.ranks is None or problem.ranks.rank == 0

    @abstractmethod
    def move(self) -> tuple[Array, Array]:
        """States (R, N) of the running cues after an update, and how far units moved at most."""

    @abstractmethod
    def at_rest(self, states: Array, change: Array) -> NDArray[np.bool_]:
        """Which running cues have settled, after an update to these states by this change."""

    @abstractmethod
    def keep(self, going: NDArray[np.bool_]) -> None:
        """Go on with these of the running cues."""

    @abstractmethod
    def reader(self, times: Array, rows: Array) -> Reader:
        """Read states (T, B, N) by layer."""

    def solve(self, max_updates: int) -> Solution:
        """Update until all cues have settled."""
        progress = Progress(max_updates, self.problem.batch, self.problem.deadline, self.shown)
        try:
            for update in range(1, max_updates + 1):
                if not len(self.running):
                    break
                self.update()
                progress.update(update, len(self.running))
            self.codes[self.codes == INTERRUPTED] = TIME_LIMIT
        except KeyboardInterrupt:  # reported as a status: what was reached is not lost
            if self.problem.ranks is not None:  # the others did not stop here
                raise
        finally:
            progress.close()
        return self.solution()

    def update(self) -> None:
        """One update of the running cues; the state of a cue that overflows stays."""
        with np.errstate(over="ignore", invalid="ignore"):
            states, change = self.move()
            bounded = change <= self.limit
            quiet = np.zeros_like(bounded)
            if self.problem.tolerance:
                quiet = self.at_rest(states, change)
        self.take(self.running[bounded], states[bounded])
        self.counts[self.running] += 1
        self.codes[self.running[~bounded]] = DIVERGED
        self.codes[self.running[quiet]] = SETTLED
        if self.recorded:
            self.rows.append(self.last.copy())
        going = self.codes[self.running] == INTERRUPTED
        if not going.all():
            self.running = self.running[going]
            self.keep(going)

    def take(self, cues: NDArray[np.int64], states: Array) -> None:
        """Some cues have these states now."""
        self.last[cues] = states

    def solution(self) -> Solution:
        """The record of all updates, or of the first state and the last."""
        updates = int(self.counts.max())
        if not self.recorded and updates:
            self.rows.append(self.last)
        times = np.linspace(0.0, updates, len(self.rows))
        return Solution(
            times=times,
            record=self.reader(times, np.array(self.rows)),
            final=self.reader(times[-1:], self.last[None]),
            codes=self.codes,
            ends=self.counts.astype(np.float64),
            rhs=self.counts.copy(),
            accepted=int(self.counts.sum()),
            rejected=0,
            updates=True,
        )


class _Layers(Iteration):
    """Updates of any network: layer by layer, all units of the running cues."""

    def __init__(self, problem: Problem, record: bool) -> None:
        self.order, network = update_order(problem.network), problem.network
        start = network.complete(problem.initial, problem.inputs_at(0.0))
        super().__init__(problem, network.pack(start), record)
        self.fresh = _follow(network, problem.given)  # the first update leaves them as they are
        self.states = {name: state.copy() for name, state in start.items()}
        self.active = {n: network.layers[n].lagrangian.activation(x) for n, x in start.items()}
        self.prepare()

    def prepare(self) -> None:
        """Select what stays the same while the same cues are running."""
        self.part = self.problem.select(self.running)
        inputs, layers = self.part.inputs_at(0.0), self.problem.network.layers
        drives = {name: x.bias + inputs.get(name, 0.0) for name, x in layers.items()}
        self.external = {name: drive for name, drive in drives.items() if drive.any()}

    def move(self) -> tuple[Array, Array]:
        moved = [self.update_layer(name) for name in self.order]
        change = np.maximum.reduce([size for size in moved if size is not None])
        return self.problem.network.pack(self.states), change

    def keep(self, going: NDArray[np.bool_]) -> None:
        self.states = {name: state[going] for name, state in self.states.items()}
        self.active = {name: g[going] for name, g in self.active.items()}
        self.prepare()

    def at_rest(self, states: Array, change: Array) -> NDArray[np.bool_]:
        """Layers that were updated first have not seen yet how the others then moved."""
        quiet = change <= self.problem.tolerance
        if quiet.any():
            force = self.part.select(np.flatnonzero(quiet)).force(0.0, states[quiet])
            quiet[quiet] = np.abs(force).max(axis=1) <= self.problem.tolerance
        return np.asarray(quiet)

    def update_layer(self, name: str) -> Array | None:
        """Set one layer to its algebraic value; how far its units move at most, (running,).

        None for layers with tau = 0, which are no states: they only follow.
        """
        network, old = self.problem.network, self.states[name]
        layer = network.layers[name]
        if name in self.fresh:
            self.fresh.remove(name)
            return None
        state = network.synaptic_force(name, self.active)
        if layer.leak != 1:
            state = state / layer.leak
        if name in self.external:
            state = state + self.external[name]
        if name in self.part.clamped:
            state = np.where(self.part.clamped[name], old, state)
        if state.shape != old.shape:  # no synapse reaches the layer
            state = np.array(np.broadcast_to(state, old.shape))
        self.states[name], self.active[name] = state, layer.lagrangian.activation(state)
        if layer.algebraic:
            return None
        np.subtract(state, old, out=old)
        return np.asarray(np.abs(old, out=old).reshape(len(old), -1).max(axis=1))

    def reader(self, times: Array, rows: Array) -> Reader:
        return self.problem.reader(times, rows)


class _Attention(Iteration):
    """Updates of features by softmax memories, whose states are only made to be read.

    After update k they are Xi v(k - 1) + b. With `until`, products are float32 where these serve,
    until a cue is as near to rest as they can tell.
    """

    def __init__(self, problem: Problem, record: bool) -> None:
        loop = problem.loop
        assert loop is not None  # see `_is_attention`
        self.synapse, self.hidden, self.visible = loop.forth, loop.hidden, loop.visible
        layers = problem.network.layers
        self.memories = layers[self.hidden]
        softmax = self.memories.lagrangian
        assert isinstance(softmax, Softmax)
        self.beta, self.tolerance = softmax.beta, problem.tolerance
        known = self.visible in problem.given
        start = problem.given[self.visible] if known else problem.initial[self.visible]
        given = problem.inputs_at(0.0).get(self.visible, np.zeros(1))
        self.external = np.zeros_like(start) + layers[self.visible].bias + given
        free = np.zeros(start.shape, bool)
        self.clamped = problem.clamped.get(self.visible, free)
        super().__init__(problem, start, record)
        self.before = start.copy()  # the last update
        self.change = np.full(problem.batch, np.inf)
        self.precise: Kind = np.float32 if problem.single else np.float64
        self.exact = np.ones(problem.batch, bool)
        if problem.tolerance and not problem.single:
            self.exact = ~float32_serves(problem, loop)

    def move(self) -> tuple[Array, Array]:
        cues = self.running
        old = self.last[cues]
        new = np.where(self.clamped[cues], old, self.attend(cues, old))
        return new, np.abs(new - old).max(axis=1)

    def take(self, cues: NDArray[np.int64], states: Array) -> None:
        self.before[cues] = self.last[cues]
        super().take(cues, states)

    def attend(self, cues: NDArray[np.int64], features: Array) -> Array:
        """Xi^T f(Xi v + b) + a of some cues with these features."""
        found, synapse = self.external[cues], self.synapse
        products: tuple[tuple[NDArray[np.bool_], Array, Kind], ...] = (
            (~self.exact[cues], synapse.compact, np.float32),
            (self.exact[cues], synapse.weights, self.precise),
        )
        for part, weights, kind in products:
            if part.any():
                found[part] += self.attention(features[part], weights, kind)
        return np.asarray(found)

    def attention(self, queries: Array, weights: Array, kind: Kind) -> Array:
        """The attention of queries to all memories; of several processes each reads its own."""
        ranks, bias = self.problem.ranks, self.memories.bias
        if ranks is None:
            return attention(queries, weights, self.beta, bias, kind).average
        rows = ranks.rows(len(weights))
        own = attention(queries, weights[rows], self.beta, bias[rows], kind)
        return own.over(ranks).average

    def at_rest(self, states: Array, change: Array) -> NDArray[np.bool_]:
        """Where products are float64, and neither features nor memories move any more."""
        cues, tolerance = self.running, self.tolerance
        quiet = self.exact[cues] & (change <= tolerance)
        if quiet.any():
            quiet[quiet] = self.distance(cues[quiet], states[quiet]) <= tolerance
        # Below the tolerance, or where it falls no more, float32 has nothing left to tell.
        self.exact[cues] |= (change <= tolerance) | (change >= self.change[cues])
        self.change[cues] = change
        return np.asarray(quiet)

    def distance(self, cues: NDArray[np.int64], states: Array) -> Array:
        """How far some cues are from rest at these features, or their memories just moved."""
        if self.memories.algebraic:
            change = np.abs(self.attend(cues, states) - states)
            return np.asarray(np.where(self.clamped[cues], 0.0, change).max(axis=1))
        last, before = self.last[cues], self.before[cues]
        moves = np.concatenate([states - last, last - before])
        weights = self.synapse.compact
        kind = np.float64 if weights.dtype == np.float64 else np.float32
        ranks = self.problem.ranks
        rows = slice(None) if ranks is None else ranks.rows(len(weights))
        products = largest_products(moves.astype(kind), weights[rows])
        if ranks is not None:
            products = ranks.largest(products)
        found = products.reshape(2, -1).max(axis=0)
        first = self.counts[cues] == 0
        if self.hidden in self.problem.given and first.any():
            moved = self.seen_by(last[first]) - self.problem.given[self.hidden][cues[first]]
            found[first] = np.maximum(found[first], np.abs(moved).max(axis=1))
        return np.asarray(found)

    def keep(self, going: NDArray[np.bool_]) -> None:
        """Nothing is kept by the place of a running cue."""

    def seen_by(self, features: Array) -> Array:
        """States of the memories for features (B, D); their bits do not depend on B."""
        return project_each(features, self.synapse.weights) + self.memories.bias

    def reader(self, times: Array, rows: Array) -> Reader:
        if self.memories.algebraic:
            return self.problem.reader(times, rows)

        def read(name: str, part: slice) -> Array:
            if name == self.visible:
                return rows[part]
            updates = np.minimum.outer(times[part].astype(np.int64), self.counts)
            seen = np.where((updates > 0)[..., None], self.before, self.rows[0])
            if self.recorded:
                seen = np.array(self.rows)[np.maximum(updates - 1, 0), np.arange(len(self.counts))]
            states = np.array([self.seen_by(features) for features in seen])
            if self.hidden in self.problem.given:
                start = self.problem.given[self.hidden]
                states = np.where((updates > 0)[..., None], states, start)
            return states

        return read


class _Indexed(_Attention):
    """The same by an index, in float64; its error is a small part of the tolerance."""

    def __init__(self, problem: Problem, record: bool, index: Cells) -> None:
        super().__init__(problem, record)
        self.index, self.exact[:] = index, True
        self.read = np.zeros(problem.batch, np.int64)
        self.tolerance = (1 - 2 * _LEFT_OUT) * problem.tolerance

    def attend(self, cues: NDArray[np.int64], features: Array) -> Array:
        error = _LEFT_OUT * (self.problem.tolerance or float(np.finfo(np.float64).eps))
        found, read = self.index.attention(features, self.beta, error)
        self.read[cues] += read
        return np.asarray(self.external[cues] + found)

    def distance(self, cues: NDArray[np.int64], states: Array) -> Array:
        """As above; how far memories moved is bounded by their lengths, and none is read."""
        if self.memories.algebraic:
            return super().distance(cues, states)
        last, before = self.last[cues], self.before[cues]
        moves = np.stack([states - last, last - before])
        return np.asarray(self.index.longest * np.sqrt((moves**2).sum(axis=-1)).max(axis=0))

    def solution(self) -> Solution:
        return replace(super().solution(), stats={"read": self.read})
