"""`in_pieces`: a run split at the breakpoints of its inputs, where solvers start anew.

No step goes over a jump, and no history of a multistep method does. Times of a piece count from its
beginning, where its inputs are those after the jump; at its end they are those before the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..synapses import Array
from .inputs import Drive
from .looks import Read, Source
from .problem import INTERRUPTED, STOPPED, TIME_LIMIT, Problem, Reader, Solution, recorded_times
from .watch import Watcher

Solve = Callable[[Problem], Solution]
# Breakpoints that are this near, relative to their size, are one that was rounded.
_SAME = 1e-13
# Numbers of the largest layer that are read at a time.
_BLOCK = 1 << 20


def in_pieces(
    problem: Problem, stops: Iterable[float], solve: Solve, watcher: Watcher | None = None
) -> Solution:
    """Solve from stop to stop, and to t1; cues that stopped hold their state.

    Parameters
    ----------
    problem : Problem
    stops : iterable of float
        Times in any order; those outside of the run do not count.
    solve : callable
        Solves a problem whose inputs have no known jumps.
    watcher : Watcher, optional
        Looks at every piece, and may stop cues there.
    """
    if not problem.driven and watcher is None:
        return solve(problem)
    run, edges = _Run(problem, watcher), _edges(stops, problem.t1)
    try:
        if len(edges) == 2 and not problem.driven and not run.looks_between:
            run.at_once(solve)
        else:
            for start, stop in pairwise(edges):
                if not run.to(start, stop, solve):
                    break
    except KeyboardInterrupt:
        if not run.pieces:
            raise
    return run.solution()


def solve_watched(solve: Solve, watcher: Watcher, problem: Problem) -> Solution:
    """Solve in pieces that the watcher looks at."""
    stops = [*problem.breakpoints, *watcher.edges()]
    return in_pieces(problem, stops, solve, watcher)


def _edges(stops: Iterable[float], t1: float) -> list[float]:
    """0, the stops within the run, and t1."""
    edges = [0.0]
    for stop in sorted(map(float, stops)):
        if 0 < stop < t1 and stop - edges[-1] > _SAME * stop:
            edges.append(stop)
    return [*edges, t1]


class _Piece(NamedTuple):
    """What became of some cues in one piece."""

    cues: NDArray[np.int64]
    first: int  # of the rows of the record that belong to it,
    places: NDArray[np.int64]  # and which rows of the piece these are
    solution: Solution


class _Run:
    """The pieces so far; `codes` says INTERRUPTED until a cue has ended otherwise."""

    def __init__(self, problem: Problem, watcher: Watcher | None) -> None:
        self.problem, self.watcher = problem, watcher
        self.stopped: dict[int, Mapping[str, Array]] = {}  # states of cues that the watcher stopped
        self.codes = np.full(problem.batch, INTERRUPTED)
        self.ends = np.zeros(problem.batch)
        self.running = np.arange(problem.batch)
        self.given = problem.given
        self.pieces: list[_Piece] = []
        self.whole: Solution | None = None  # of one piece, where that is the solution of the run
        self.called = 0  # rows that the callback has seen

    @property
    def looks_between(self) -> bool:
        """Whether the watcher looks at each piece."""
        return self.watcher is not None and self.watcher.looks_between

    def at_once(self, solve: Solve) -> None:
        """Make all of a run whose inputs do not change, and which nobody looks at on the way."""
        problem, times = self.problem, self.problem.times
        solution = solve(problem.having(explicit=True, recording=None))
        self.pieces.append(_Piece(self.running, 0, np.arange(len(times)), solution))
        self.codes, self.ends = solution.codes.copy(), solution.ends.copy()
        if problem.explicit and len(solution.times) == len(times):
            self.whole = solution
        if INTERRUPTED not in solution.codes:
            self.called_off(None)

    def to(self, start: float, stop: float, solve: Solve) -> bool:
        """Go on to `stop`; whether some cue goes on from there."""
        problem, last = self.problem, stop == self.problem.t1
        first, beyond = np.searchsorted(problem.times, [start, np.inf if last else stop])
        wanted = problem.times[first:beyond] - start
        times = wanted if self.watcher is None else self.watcher.times(wanted, stop - start)
        if not last:  # every solver needs a time to record
            times = np.append(times[times < stop - start], stop - start)
        elif not len(times):
            times = np.array([stop - start])
        running = problem.select(self.running)
        inputs = {
            name: value.between(start, stop) if isinstance(value, Drive) else value
            for name, value in running.inputs.items()
        }
        part = replace(
            running,
            inputs=inputs,
            given=self.given,
            t0=problem.t0 + start,
            t1=stop - start,
            times=times,
            explicit=True,
            tolerance=problem.tolerance if last or self.constant_from(start) else 0.0,
            breakpoints=np.zeros(0),
            recording=None,
        )
        solution = solve(part)
        codes, ends = solution.codes.copy(), solution.ends.copy()
        stops = {} if self.watcher is None else self.watcher.look_at(part, self.running, solution)
        for place, stop_there in stops.items():
            ends[place], self.stopped[int(self.running[place])] = stop_there
            codes[place] = STOPPED
        arrived = codes == TIME_LIMIT
        places = np.searchsorted(times, wanted)
        self.pieces.append(_Piece(self.running, int(first), places, solution))
        self.ends[self.running] = np.where(arrived, stop, start + ends)
        broken = bool((codes == INTERRUPTED).any())
        goes_on = arrived & (not last)
        # Until they have ended in a later piece, cues that go on count as interrupted.
        self.codes[self.running] = np.where(goes_on, INTERRUPTED, codes)
        self.running = self.running[goes_on]
        on = len(self.running) > 0
        if on:
            names = problem.network.dynamic
            self.given = {n: solution.final(n, slice(None))[0][goes_on] for n in names}
        if broken or self.called_off(int(beyond) if on else None):
            return False
        return on

    def constant_from(self, start: float) -> bool:
        """Whether inputs stay as they are from here on, so that cues may settle."""
        jumps = self.problem.breakpoints
        return not self.problem.unforeseen and start >= jumps.max(initial=0.0)

    def called_off(self, beyond: int | None) -> bool:
        """Whether the callback stops the run at a row before this one, where all cues then end.

        None for a run that has ended: the callback gets all recorded times that are left.
        """
        if self.watcher is None or self.watcher.callback is None:
            return False
        if self.whole is not None:
            times, record = self.whole.times, self.whole.record
        else:
            times = self.times() if beyond is None else self.problem.times[:beyond]
            record = _Record(self.pieces, times, self.ends, self.stopped)
        layers = self.problem.network.layers
        block = max(1, _BLOCK // (len(self.ends) * max(layer.size for layer in layers.values())))
        while self.called < len(times):
            first, stop = self.called, min(self.called + block, len(times))
            read = _copied(record, slice(first, stop), self.watcher.batch)
            looks = Source(tuple(layers), read, writeable=True)
            row = self.watcher.called_off(times[first:stop], looks)
            if row is not None:
                at = slice(first + row, first + row + 1)
                states = {name: record(name, at)[0] for name in layers}
                self.stop_all(float(times[first + row]), states)
                return True
            self.called = stop
        return False

    def stop_all(self, time: float, states: dict[str, Array]) -> None:
        """End all cues that still run at a time, with the states that they have there."""
        self.whole = None
        for cue in np.flatnonzero(self.ends > time):
            self.stopped[int(cue)] = {n: x[cue] for n, x in states.items()}
            self.ends[cue], self.codes[cue] = time, STOPPED
        at = np.isin(self.codes, (INTERRUPTED, TIME_LIMIT)) & (self.ends == time)
        self.codes[at] = STOPPED
        if self.watcher is not None:
            self.watcher.forget_after(time)

    def times(self) -> Array:
        """Of the record of a run that has ended."""
        problem, codes, last = self.problem, self.codes, float(self.ends.max())
        stopped = bool((codes == STOPPED).any()) and last < problem.t1
        finished = bool((codes <= TIME_LIMIT).all()) and not stopped
        return recorded_times(problem.times, problem.explicit, finished, last)

    def solution(self) -> Solution:
        """All pieces as one."""
        if self.whole is not None:
            return self.whole
        problem, solutions = self.problem, [piece.solution for piece in self.pieces]
        times = self.times()
        record = _Record(self.pieces, times, self.ends, self.stopped)
        rhs = np.zeros(problem.batch, np.int64)
        for piece in self.pieces:
            rhs[piece.cues] += piece.solution.rhs
        return Solution(
            times=times,
            record=record,
            final=record.final,
            codes=self.codes,
            ends=self.ends,
            rhs=rhs,
            accepted=_sum([solution.accepted for solution in solutions]),
            rejected=_sum([solution.rejected for solution in solutions]),
            smooth=all(solution.smooth for solution in solutions),
            note=solutions[-1].note,
        )


@dataclass(frozen=True, eq=False)
class _Record:
    """A `Reader` of all pieces."""

    pieces: list[_Piece]
    times: Array
    ends: Array
    stopped: dict[int, Mapping[str, Array]]

    def __call__(self, name: str, rows: slice) -> Array:
        """States (rows, B, *shape)."""
        numbers = np.arange(len(self.times))[rows]
        still = self.times[numbers, None] >= self.ends  # from its end on a cue has its last state
        last = cache(lambda: self.final(name, slice(None))[0])
        states: Array | None = None
        for piece in self.pieces:
            bounds = [piece.first, piece.first + len(piece.places)]
            here = slice(*np.searchsorted(numbers, bounds))
            own = np.minimum(
                piece.places[numbers[here] - piece.first], len(piece.solution.times) - 1
            )
            if not len(own):
                continue
            part = piece.solution.record(name, slice(own[0], own[-1] + 1))
            if len(part) != len(own) or (own[1:] != own[:-1] + 1).any():  # else it is no copy
                part = part[own - own[0]]
            if part.shape[:2] == still.shape:
                if not still.any():
                    return np.asarray(part)
                states = np.array(part)
                continue
            if states is None:
                states = last()[None].repeat(len(numbers), axis=0)
            states[here][:, piece.cues] = part
        if states is None:
            return np.asarray(last()[None].repeat(len(numbers), axis=0))
        row, cue = still.nonzero()
        if len(row):
            states[row, cue] = last()[cue]
        return states

    def final(self, name: str, rows: slice) -> Array:
        """The last state of every cue, (1, B, *shape)."""
        parts = [(piece.cues, piece.solution.final(name, rows)[0]) for piece in self.pieces]
        states = np.empty((len(self.ends), *parts[0][1].shape[1:]))
        for cues, part in parts:
            states[cues] = part
        for cue, state in self.stopped.items():
            states[cue] = state[name]
        return states[None]


def _copied(record: Reader, rows: slice, batch: tuple[int, ...]) -> Read:
    """Rows of the record with the batch axes of the user, who may keep and change them."""

    def read(name: str) -> Array:
        states = record(name, rows)
        return np.array(states.reshape(len(states), *batch, *states.shape[2:]))

    return read


def _sum(counts: Sequence[int | None]) -> int | None:
    """The sum, or None where one is not known."""
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
