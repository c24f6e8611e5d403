"""`Watch`: functions of time and state that a run looks at, and what it does where they cross 0."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import repeat
from operator import itemgetter
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..network import Network
from ..synapses import Array
from .looks import Ints, Looks, Source, in_turn, joined, looks_at, states_of
from .problem import Problem, Solution, longest_tau, shortest_tau

Function = Callable[[Any, dict[str, Array]], Any]
Callback = Callable[[float, dict[str, Array]], object]

# Looks at the state, in units of the smallest tau, where a solver does not show its steps.
_LOOK = 0.2
# The same within steps of one length.
_LOOK_WITHIN = 0.1
# Lengths of the pieces that such a run is made in, in units of the largest tau: they grow up to the
# last, so that little is computed in vain after a run has stopped. With a callback all are that.
_FIRST, _LONGEST = 4.0, 32.0
# Of a number of looks, for rounding.
_SAME = 1e-14


@dataclass(frozen=True, eq=False)
class Watch:
    """Note when a function of time and state crosses zero, for every cue by itself.

    Parameters
    ----------
    function : callable
        function(time, states) with the states of one cue by layer, each in the layer's shape, which
        can be kept but not written to; it returns a number.
    direction : {0, 1, -1}, default 0
        1 for crossings from below, -1 from above, 0 for both.
    terminal : bool, default False
        Whether the cue stops there, with the status "stopped".
    vectorised : bool, default False
        Whether the function takes times (n,) and states (n, *shape), of n looks at some of the
        cues, and returns n numbers: one call for many looks, which makes a run up to twice as fast
        where the network is small.

    Notes
    -----
    `ExponentialIntegrator` is looked at at the ends of its steps, at recorded times, halfway where
    these are more than half the smallest tau apart, and at least every half of the largest tau.
    Where a function crosses 0 is then found on the states within the step, which are as accurate as
    those that are recorded.
    Other solvers are looked at five times in the smallest tau, and at recorded times, and those
    with steps of one length after every step, and ten times in the smallest tau at least; the
    crossing is found on the cubic through both states and their slopes, to about 1e-5 of the
    smallest tau where states decay; with noise on a straight line.
    A function that crosses 0 twice between two looks is not seen to, and one that begins at 0 has
    not crossed it. Every crossing that the record shows is found.

    Examples
    --------
    When does an overlap reach 0.9?

    >>> import amsim as am
    >>> stored = am.patterns.random(3, 32, seed=0)
    >>> cues = am.patterns.corrupt(stored[:2], flip=0.2, seed=1)
    >>> reached = am.Watch(
    ...     lambda time, states: am.patterns.overlap(states["visible"], stored).max() - 0.9,
    ...     direction=1, terminal=True,
    ... )
    >>> traj = am.simulate(am.dense_am(stored), cues, watch={"recalled": reached})
    >>> traj.status, traj.stats["first_crossing"]["recalled"].round(3)
    ('stopped', array([1.322, 1.322]))

    One call for all looks: when does unit 0 of these cues become negative?

    >>> falls = am.Watch(lambda times, states: states["visible"][:, 0], -1, vectorised=True)
    >>> traj = am.simulate(am.dense_am(stored), cues, t1=9.0, watch={"down": falls})
    >>> traj.crossings.cue.tolist()
    []
    """

    function: Function
    direction: int = 0
    terminal: bool = False
    vectorised: bool = False

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(
                f"Watch: function must be a function of time and states, got "
                f"{checks.shown(self.function)}"
            )
        direction = checks.count("Watch: direction", self.direction, at_least=-1, at_most=1)
        object.__setattr__(self, "direction", direction)
        for name in ("terminal", "vectorised"):
            object.__setattr__(self, name, checks.flag(f"Watch: {name}", getattr(self, name)))


def checked_watches(given: Any, network: Network) -> dict[str, Watch]:
    """What `watch` of `simulate` means: a mapping of names to `Watch` or to functions."""
    if given is None:
        return {}
    checks.instance("watch", given, Mapping, "a mapping of names to functions or Watch objects")
    for name in ("time", "name", "cue"):
        if name in network.layers:
            raise ValueError(f"watch: a layer is named {name!r}, as a part of what is noted")
    watches = {
        checks.text("a name in watch", name): x if isinstance(x, Watch) else Watch(x)
        for name, x in given.items()
    }
    for name, watch in watches.items():
        checks.takes_time_and_states(f"watch: {name!r}", watch.function)
    return watches


# The time of a crossing, which function's it is, and its row among those.
Stop = tuple[float, int, int]
_NEVER = (np.inf, 0, 0)


class Crossings(NamedTuple):
    """Crossings of one function, by cue and time."""

    name: str
    times: Array  # (n,)
    cues: Ints  # (n,)
    source: Source

    def select(self, rows: Any) -> Crossings:
        """Some of them."""
        source = self.source
        some = Source(source.names, lambda name: source.read(name)[rows])
        return Crossings(self.name, self.times[rows], self.cues[rows], some)

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Time, name, cue and states of each."""
        states = map(self.source.read, self.source.names)
        return zip(
            self.times.tolist(), repeat(self.name), self.cues.tolist(), *states, strict=False
        )

    def numbered(self, number: int) -> Iterator[tuple[int, Stop]]:
        """The cue of each, and what it is in the order of time, where the function has a number."""
        rows = zip(self.times.tolist(), repeat(number), range(len(self.times)), strict=False)
        return zip(self.cues.tolist(), rows, strict=True)

    def up_to(self, stops: Mapping[int, Stop], number: int) -> NDArray[np.bool_]:
        """Which come no later than the stop of their cue, if it has one."""
        return np.array([x <= stops.get(cue, _NEVER) for cue, x in self.numbered(number)], bool)


class Watcher:
    """Looks at a run; `found` are the crossings that count.

    Parameters
    ----------
    problem : Problem
    watches : dict of str to Watch
    callback : callable or None
    batch : tuple of int
        Axes of the cues.
    step : float, optional
        Time between two looks: that of a solver whose steps have one length.
    shown : bool
        Whether the solver shows its steps: nothing is then looked at between pieces.
    """

    def __init__(
        self,
        problem: Problem,
        watches: Mapping[str, Watch],
        callback: Callback | None,
        batch: tuple[int, ...],
        step: float | None = None,
        shown: bool = False,
    ) -> None:
        self.problem, self.watches, self.callback, self.batch = problem, watches, callback, batch
        self.looks_between, self.step = bool(watches) and not shown, step
        self.found: list[Crossings] = []
        self._before: dict[str, Array] = {}  # times and values of the last looks of each function
        self._one_by_one = Lock()  # threads of a run

    @property
    def terminal(self) -> bool:
        """Whether cues may be stopped."""
        return any(watch.terminal for watch in self.watches.values())

    def edges(self) -> list[float]:
        """Where the pieces end."""
        tau = longest_tau(self.problem.network)
        longest = _LONGEST * tau
        edges = [_FIRST * tau if self.looks_between else longest]
        while edges[-1] < self.problem.t1:
            edges.append(edges[-1] + min(edges[-1] + _FIRST * tau, longest))
        return edges

    def times(self, wanted: Array, length: float) -> Array:
        """Times to record in a piece: those that the user wants, and those to look at."""
        if not self.looks_between:
            return wanted
        smallest = shortest_tau(self.problem.network)
        interval = _LOOK * smallest
        if self.step is not None:
            interval = self.step / np.ceil(self.step / (_LOOK_WITHIN * smallest) * (1 - _SAME))
        count = max(1, int(np.ceil(length / interval * (1 - _SAME))))
        looks = np.linspace(0.0, length, count + 1)
        return np.union1d(wanted, looks)

    def look_at(self, part: Problem, cues: Ints, solution: Solution) -> dict[int, Any]:
        """Note the crossings of a piece; {position: (time in it, states)} of those that stop."""
        if not self.looks_between:
            return {}
        return self.look(looks_at(part, solution), cues, part)

    def look(self, looks: Looks, cues: Ints, part: Problem) -> dict[int, Any]:
        """Note crossings; {position in the batch: (time, states)} of what stops there.

        Parameters
        ----------
        looks : Looks
            The first at a cue is at the last state of the looks before.
        cues : ndarray of int (B,)
            Which these are for the user.
        part : Problem
            Of these cues, with the times of the looks.
        """
        with self._one_by_one:
            every = [self._crossings(each, looks, part, cues) for each in self.watches]
            crossings = [each for each in every if each is not None]
            stops = self._stops(crossings)
            for number, each in enumerate(crossings):
                kept = each if not stops else each.select(each.up_to(stops, number))
                times = part.t0 + kept.times
                self.found.append(Crossings(each.name, times, cues[kept.cues], kept.source))
            return {
                place: (time, states_of(crossings[number].source, row))
                for place, (time, number, row) in stops.items()
            }

    def _stops(self, crossings: list[Crossings]) -> dict[int, Stop]:
        """The first terminal crossing at each position."""
        stops: dict[int, Stop] = {}
        for number, each in enumerate(crossings):
            if self.watches[each.name].terminal:
                for place, stop in each.numbered(number):
                    stops[place] = min(stop, stops.get(place, stop))
        return stops

    def _crossings(self, name: str, looks: Looks, part: Problem, cues: Ints) -> Crossings | None:
        """Crossings of one function, if there are any, with positions for cues."""
        compiled, watch, t0 = _compiled(), self.watches[name], part.t0
        values = joined([_values(name, watch, t0 + time, source) for time, source in looks.groups])
        if name not in self._before:
            self._before[name] = _unknown(self.problem.batch, 2, compiled.KNOWN)
        before, count = self._before[name], len(values)
        k, known = np.empty(count, np.int64), np.empty((count, *before.shape[1:]))
        n = compiled.changes(
            values, looks.order, looks.cues, looks.times, before, cues, watch.direction, k, known
        )
        if not n:
            return None
        k, known = k[:n], known[:n]
        if looks.straight:
            (start, stop), (left, right) = known[:, 0, -2:].T, known[:, 1, -2:].T
            moments = start + _share(left, right) * (stop - start)
        else:

            def between(time: Array, which: Ints) -> Array:
                return _values(name, watch, t0 + time, looks.within(k[which], time))

            shares = compiled.MANY if watch.vectorised else compiled.FEW
            moments = compiled.roots(between, known, shares)
        return Crossings(name, moments, looks.cues[k], looks.within(k, moments))

    def called_off(self, times: Array, looks: Source) -> int | None:
        """At which of these looks, of all cues (*batch, *shape), the callback stops the run."""
        assert self.callback is not None
        moments = enumerate((self.problem.t0 + times).tolist())
        for some in in_turn(looks, len(times)):
            for states, (row, time) in zip(some, moments, strict=False):
                answer = self.callback(time, states)
                if answer is None or answer is False:
                    continue
                if checks.flag("callback: what it returns", answer):
                    return row
        return None

    def forget_after(self, time: float) -> None:
        """Drop crossings that come after the callback has stopped the run."""
        last = self.problem.t0 + time
        self.found = [each.select(each.times <= last) for each in self.found]

    def note(self, solution: Solution) -> None:
        """Add what was found."""
        if self.watches:
            solution.stats = {**solution.stats, "first_crossing": self.first()}
            solution.crossings, self.found = self._record(self.found), []
            if self.problem.unforeseen:  # what an input says of these times may change
                solution.crossings()

    def _record(self, found: list[Crossings]) -> Callable[[], Any]:
        """What makes the record once; `cache` takes longer than all else that notes do."""
        made: list[Any] = []

        def record() -> Any:
            if not made:
                made.append(self.sorted(found))
            return made[0]

        return record

    def sorted(self, found: list[Crossings]) -> Any:
        """Crossings by cue and time, a recarray with the state of each layer by its name."""
        layers = self.problem.network.layers
        width = max(map(len, self.watches))
        kind = _row_type(width, *((n, x.shape) for n, x in layers.items()))
        rows = sorted((row for each in found for row in each.rows()), key=itemgetter(2, 0))
        return np.fromiter(rows, kind, len(rows)).view(np.recarray)

    def first(self) -> dict[str, Array]:
        """The first crossing of each cue (B,), NaN where there is none."""
        first = {name: _unknown(self.problem.batch) for name in self.watches}
        for each in reversed(self.found):  # those of a cue are in order: the earliest is put last
            first[each.name][each.cues[::-1]] = each.times[::-1]
        return first


@cache
def _compiled() -> Any:
    """Where numba is, which takes longer to load than the rest of amsim together."""
    from . import roots

    return roots


@dataclass(eq=False)
class Watched:
    """What a solver that shows its steps gets: it calls `look`."""

    watcher: Watcher
    cues: Ints  # which those of the problem are for the user

    def select(self, cues: Ints) -> Watched:
        """The same for some of the cues."""
        return Watched(self.watcher, self.cues[cues])

    def look(self, looks: Looks, part: Problem) -> dict[int, Any]:
        """As `Watcher.look`."""
        return self.watcher.look(looks, self.cues, part)


def _unknown(*shape: int) -> Array:
    """NaN; `np.full` takes several times as long where it is called once in a run."""
    found = np.empty(shape)
    found.fill(np.nan)
    return found


def _share(left: Array, right: Array) -> Array:
    """Where lines from `left` to `right` cross 0, from 0 to 1; halfway if both are infinite."""
    with np.errstate(invalid="ignore"):
        share = 0.5 * left / (0.5 * left - 0.5 * right)  # a difference of large numbers is finite
    return np.where(np.isnan(share), 0.5, share)


@lru_cache(maxsize=16)
def _row_type(width: int, *layers: tuple[str, tuple[int, ...]]) -> np.dtype[Any]:
    """Of a crossing, with a name of up to so many letters."""
    fields = [("time", "f8"), ("name", f"U{width}"), ("cue", "i8")]
    return np.dtype((np.record, [*fields, *((name, "f8", shape) for name, shape in layers)]))


def _values(name: str, watch: Watch, times: Array, source: Source) -> Array:
    """What a function says at some times."""
    function = watch.function
    if watch.vectorised:
        found = _numbers(name, function(times, states_of(source, ...)), times.shape)
    else:
        given: list[Any] = []
        moments = iter(times.tolist())
        for looks in in_turn(source, len(times)):
            # No map: it would take a StopIteration of the function for the end of the looks.
            given += [function(time, states) for states, time in zip(looks, moments, strict=False)]
        if set(map(type, given)) <= {float, np.float64}:
            found = np.array(given)
        else:
            found = np.array([_numbers(name, value, ()).reshape(()) for value in given])
    missing = _compiled().first_nan(found)
    if missing >= 0:
        raise ValueError(f"watch: the function {name!r} returned NaN at t = {times[missing]:g}")
    return found


def _numbers(name: str, given: Any, shape: tuple[int, ...]) -> Array:
    """What a function returned, if it is one number or, of a vectorised one, (n,)."""
    found = np.asarray(given)
    if found.dtype.kind == "b":  # False is 0, where nothing can cross
        raise TypeError(
            f"watch: the function {name!r} returned whether something holds: return a number that "
            f"crosses 0 there, such as time - 1 for time > 1"
        )
    fits = found.shape == shape or (not shape and found.size == 1)
    if not fits or found.dtype.kind not in "uif":
        wanted = f"{shape[0]} numbers, (n,)," if shape else "a number"
        raise TypeError(
            f"watch: the function {name!r} must return {wanted}, got {checks.shown(given)}"
        )
    return np.array(found, float)  # whose layout is one of which compiled code knows
