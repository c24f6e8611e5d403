"""Recall as iteration of the algebraic map: the limit of fast memory units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..network import Network
from ..synapses import Array
from .problem import BLOW_UP, DIVERGED, INTERRUPTED, SETTLED, TIME_LIMIT, Problem, Solution
from .progress import Progress


@dataclass(frozen=True)
class FixedPoint:
    """Iterate every layer's algebraic value; one update of a modern Hopfield network is attention.

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
    when an update changes no unit by more than the tolerance. The map may lead to another attractor
    than the differential equation.

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
        if not isinstance(self.max_updates, (int, np.integer)) or self.max_updates < 1:
            raise ValueError(
                f"FixedPoint: max_updates must be a positive integer, got {self.max_updates!r}"
            )

    def solve(self, problem: Problem) -> Solution:
        """Iterate all cues of the batch; settled ones rest."""
        if problem.driven:
            raise ValueError(
                "FixedPoint: an input depends on time, and updates have none; use an ODE solver"
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


class _Iteration:
    """States by layer, (B, *shape), and what became of each cue."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.order = problem, update_order(problem.network)
        self.states = problem.network.complete(problem.initial, problem.inputs_at(0.0))
        largest = max(float(np.abs(state).max()) for state in self.states.values())
        self.limit = BLOW_UP * (1.0 + largest)
        self.codes = np.full(problem.batch, INTERRUPTED)
        self.counts = np.zeros(problem.batch, np.int64)
        self.rows = [problem.network.pack(self.states)]

    def solve(self, max_updates: int) -> Solution:
        """Update until all cues have settled."""
        progress = Progress(max_updates, self.problem.batch)
        try:
            for update in range(1, max_updates + 1):
                running = np.flatnonzero(self.codes == INTERRUPTED)
                if not len(running):
                    break
                self.update(running)
                self.rows.append(self.problem.network.pack(self.states))
                progress.update(update, len(running))
            self.codes[self.codes == INTERRUPTED] = TIME_LIMIT
        except KeyboardInterrupt:
            pass  # reported as a status: what was reached is not lost
        finally:
            progress.close()
        return self.solution()

    def update(self, running: Array) -> None:
        """One update of the running cues; the state of a cue that overflows stays."""
        part = self.problem.select(running)
        states = {name: x[running] for name, x in self.states.items()}
        with np.errstate(over="ignore", invalid="ignore"):
            new = self.updated(part, states)
        flat = {name: (new[name] - states[name]).reshape(len(running), -1) for name in new}
        change = np.max([np.abs(difference).max(axis=1) for difference in flat.values()], axis=0)
        bounded = change <= self.limit
        for name, state in new.items():
            self.states[name][running[bounded]] = state[bounded]
        self.counts[running] += 1
        self.codes[running[~bounded]] = DIVERGED
        if self.problem.tolerance:
            self.codes[running[change <= self.problem.tolerance]] = SETTLED

    def updated(self, part: Problem, states: Mapping[str, Array]) -> dict[str, Array]:
        """The layers after one update."""
        network, new = part.network, dict(states)
        active = {n: layer.lagrangian.activation(new[n]) for n, layer in network.layers.items()}
        for name in self.order:
            layer = network.layers[name]
            force = network.synaptic_force(name, active) / layer.leak
            state = np.zeros_like(states[name]) + layer.bias + part.inputs.get(name, 0.0) + force
            if name in part.clamped:
                state = np.where(part.clamped[name], states[name], state)
            new[name], active[name] = state, layer.lagrangian.activation(state)
        return new

    def solution(self) -> Solution:
        """The record of all updates."""
        problem, times = self.problem, np.arange(len(self.rows), dtype=np.float64)
        last = problem.network.pack(self.states)
        return Solution(
            times=times,
            record=problem.reader(times, np.array(self.rows)),
            final=problem.reader(times[-1:], last[None]),
            codes=self.codes,
            ends=self.counts.astype(np.float64),
            rhs=self.counts.copy(),
            accepted=int(self.counts.sum()),
            rejected=0,
            updates=True,
        )
