"""`FixedPoint`: recall as iteration of the algebraic map, the limit of fast memory units."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

import numpy as np

from .. import checks
from ..network import Network
from ..progress import Progress
from ..synapses import Array
from .problem import BLOW_UP, DIVERGED, INTERRUPTED, SETTLED, TIME_LIMIT, Problem, Solution


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

    def __post_init__(self) -> None:
        updates = checks.count("FixedPoint: max_updates", self.max_updates, at_most=10**9)
        object.__setattr__(self, "max_updates", updates)

    def solve(self, problem: Problem) -> Solution:
        """Iterate all cues of the batch; settled ones rest."""
        if problem.driven:
            raise ValueError(
                "FixedPoint: an input depends on time, and updates have none: give a constant one, "
                "such as its last value, or use an ODE solver"
            )
        return _Iteration(problem).solve(self.max_updates)


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


class _Iteration:
    """States and activations by layer of the cues that run, and what became of all B cues."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.order = problem, update_order(problem.network)
        network = problem.network
        start = network.complete(problem.initial, problem.inputs_at(0.0))
        largest = max(float(np.abs(state).max()) for state in start.values())
        self.limit = BLOW_UP * (1.0 + largest)
        self.codes = np.full(problem.batch, INTERRUPTED)
        self.counts = np.zeros(problem.batch, np.int64)
        self.rows = [network.pack(start)]
        self.fresh = _follow(network, problem.given)  # the first update leaves them as they are
        self.running = np.arange(problem.batch)
        self.states = {name: state.copy() for name, state in start.items()}
        self.active = {n: network.layers[n].lagrangian.activation(x) for n, x in start.items()}
        self.prepare()

    def prepare(self) -> None:
        """Select what stays the same while the same cues are running."""
        self.part = self.problem.select(self.running)
        inputs, layers = self.part.inputs_at(0.0), self.problem.network.layers
        drives = {name: x.bias + inputs.get(name, 0.0) for name, x in layers.items()}
        self.external = {name: drive for name, drive in drives.items() if drive.any()}

    def solve(self, max_updates: int) -> Solution:
        """Update until all cues have settled."""
        progress = Progress(max_updates, self.problem.batch)
        try:
            for update in range(1, max_updates + 1):
                if not len(self.running):
                    break
                self.update()
                progress.update(update, len(self.running))
            self.codes[self.codes == INTERRUPTED] = TIME_LIMIT
        except KeyboardInterrupt:
            pass  # reported as a status: what was reached is not lost
        finally:
            progress.close()
        return self.solution()

    def update(self) -> None:
        """One update of the running cues; the state of a cue that overflows stays."""
        with np.errstate(over="ignore", invalid="ignore"):
            moved = [self.update_layer(name) for name in self.order]
        change = np.maximum.reduce([size for size in moved if size is not None])
        bounded = change <= self.limit
        self.record(bounded)
        self.counts[self.running] += 1
        self.codes[self.running[~bounded]] = DIVERGED
        if self.problem.tolerance:
            self.codes[self.running[self.at_rest(change)]] = SETTLED
        going = self.codes[self.running] == INTERRUPTED
        if not going.all():
            self.running = self.running[going]
            self.states = {name: state[going] for name, state in self.states.items()}
            self.active = {name: g[going] for name, g in self.active.items()}
            self.prepare()

    def at_rest(self, change: Array) -> Array:
        """Which cues rest; layers updated first have not seen yet how the others then moved."""
        quiet = change <= self.problem.tolerance
        if quiet.any():
            states = self.problem.network.pack(self.states)[quiet]
            force = self.part.select(np.flatnonzero(quiet)).force(0.0, states)
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

    def record(self, bounded: Array) -> None:
        """Append the states of all cues."""
        row = self.problem.network.pack(self.states)
        if not bounded.all() or len(bounded) < self.problem.batch:
            part, row = row[bounded], self.rows[-1].copy()
            row[self.running[bounded]] = part
        self.rows.append(row)

    def solution(self) -> Solution:
        """The record of all updates."""
        problem, times = self.problem, np.arange(len(self.rows), dtype=np.float64)
        return Solution(
            times=times,
            record=problem.reader(times, np.array(self.rows)),
            final=problem.reader(times[-1:], self.rows[-1][None]),
            codes=self.codes,
            ends=self.counts.astype(np.float64),
            rhs=self.counts.copy(),
            accepted=int(self.counts.sum()),
            rejected=0,
            updates=True,
        )
