"""`Watch`: functions of time and state that a run looks at, and what it does where they cross 0."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import count
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..network import Network
from ..synapses import Array
from .looks import Ints, Looks, Read, looks_at
from .problem import Problem, Solution

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
# What stands for 0 on the side that counts as crossed.
_TINY = 1e-300
# What stands for states that were not read yet.
_UNREAD: Array = np.empty(0)


@dataclass(frozen=True, eq=False)
class Watch:
    """Note when a function of time and state crosses zero, for every cue by itself.

    Parameters
    ----------
    function : callable
        function(time, states) with the states of one cue by layer, each in the layer's shape; it
        returns a number.
    direction : {0, 1, -1}, default 0
        1 for crossings from below, -1 from above, 0 for both.
    terminal : bool, default False
        Whether the cue stops there, with the status "stopped".
    vectorised : bool, default False
        Whether the function takes times (n,) and states (n, *shape), of n looks at some of the
        cues, and returns n numbers: one call for many looks, which makes a run several times
        faster where the network is small.

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

    def crosses(self, first: Array, then: Array) -> NDArray[np.bool_]:
        """Whether 0 was crossed from each first value to the one after it, in `direction`."""
        rises = (first < 0) & (then >= 0) & (self.direction >= 0)
        falls = (first > 0) & (then <= 0) & (self.direction <= 0)
        found: NDArray[np.bool_] = rises | falls
        return found


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


class _States(dict[str, Array]):
    """States of a cue at one time by layer, read when they are asked for.

    The states of memories take a product each, which most functions do not need.

    Parameters
    ----------
    unread : dict of str to `_UNREAD`
        By the names of the layers.
    read : callable
    """

    __slots__ = ("_read",)

    def __init__(self, unread: dict[str, Array], read: Read) -> None:
        super().__init__(unread)
        self._read = read

    def __getitem__(self, name: str) -> Array:
        state = super().__getitem__(name)
        if state is _UNREAD:
            state = self[name] = self._read(name)
        return state

    def __iter__(self) -> Iterator[str]:  # without it dict(states) would copy what is not read yet
        return super().__iter__()

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default

    def items(self) -> Any:
        return [(name, self[name]) for name in self]

    def values(self) -> Any:
        return [self[name] for name in self]

    def pop(self, name: str, *default: Any) -> Any:
        state = self.get(name)
        found = super().pop(name, *default)
        return state if found is _UNREAD else found

    def copy(self) -> dict[str, Array]:
        return dict(self.items())

    def __or__(self, other: Any) -> Any:
        return self.copy() | other

    def __ror__(self, other: Any) -> Any:
        return other | self.copy()

    def __repr__(self) -> str:
        return repr(self.copy())


class Watcher:
    """Looks at a run; `found` are crossings as (time, name, cue, states).

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
        self.unread = dict.fromkeys(problem.network.layers, _UNREAD)
        self.found: list[tuple[float, str, int, dict[str, Array]]] = []
        self._before = {name: np.full(problem.batch, np.nan) for name in watches}
        self._one_by_one = Lock()  # threads of a run

    @property
    def terminal(self) -> bool:
        """Whether cues may be stopped."""
        return any(watch.terminal for watch in self.watches.values())

    def edges(self) -> Array:
        """Where the pieces end."""
        tau = float(self.problem.tau.max())
        longest = _LONGEST * tau
        edges = [_FIRST * tau if self.looks_between else longest]
        while edges[-1] < self.problem.t1:
            edges.append(edges[-1] + min(edges[-1] + _FIRST * tau, longest))
        return np.array(edges)

    def times(self, wanted: Array, length: float) -> Array:
        """Times to record in a piece: those that the user wants, and those to look at."""
        if not self.looks_between:
            return wanted
        smallest = float(self.problem.tau.min())
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
            crossings = [
                each
                for name, watch in self.watches.items()
                for each in self._crossings(name, watch, looks, part, cues)
            ]
            stops: dict[int, Any] = {}
            for time, name, place, states in sorted(crossings, key=lambda each: each[0]):
                if place in stops:
                    continue
                self.found.append((part.t0 + time, name, int(cues[place]), states))
                if self.watches[name].terminal:
                    stops[place] = time, states
            return stops

    def _crossings(
        self, name: str, watch: Watch, looks: Looks, part: Problem, cues: Ints
    ) -> Iterator[tuple[float, str, int, dict[str, Array]]]:
        """Crossings of one function as (time, name, position, states), those of a cue in order."""
        places, times = looks.cues, looks.times

        def call(time: Array, read: Read) -> Array:
            return _values(name, watch, part.t0 + time, self.unread, read)

        values = np.concatenate([call(*group) for group in looks.groups])[looks.order]
        changes = places[1:] != places[:-1]
        first, last = (np.concatenate(x) for x in (([True], changes), (changes, [True])))
        known, before = cues[places[first]], self._before[name]
        jumped = watch.crosses(before[known], values[first])  # an input did; NaN has not
        before[known] = values[last]
        (k,) = (watch.crosses(values[:-1], values[1:]) & ~changes).nonzero()
        if jumped.any():
            (one,) = first.nonzero()
            one = one[jumped]
            for crossing in self._listed(times[one], name, places[one], _rows(looks, one)):
                crossing[3].values()  # read while the looks are there
                yield crossing
        if not len(k):
            return
        start, stop, left, right = times[k], times[k + 1], values[k], values[k + 1]
        if looks.straight:
            moments = start + _share(left, right) * (stop - start)
        else:
            from .roots import roots  # with numba

            def beyond(time: Array, which: Ints) -> Array:
                # 0 counts as crossed: a function of whole numbers is there from its jump on.
                found = call(time, looks.within(k[which], time))
                return np.where(found == 0, crossed[which], found)

            crossed = np.copysign(_TINY, -left)
            then = np.where(right == 0, crossed, right)
            moments = roots(beyond, start, stop, left, then)
        yield from self._listed(moments, name, places[k], looks.within(k, moments))

    def _listed(
        self, times: Array, name: str, places: Ints, read: Read
    ) -> Iterator[tuple[float, str, int, dict[str, Array]]]:
        """Crossings, with states that are read together when one of them is."""
        rows = _rows_of(self.unread, read)
        for time, place, states in zip(times.tolist(), places.tolist(), rows, strict=False):
            yield time, name, place, states

    def call(self, time: float, read: Callable[[str], Array]) -> bool:
        """Whether the callback wants the run to stop; it reads all cues, (*batch, *shape)."""
        if self.callback is None:
            return False
        found = self.callback(self.problem.t0 + time, _States(self.unread, read))
        return found is not None and checks.flag("callback: what it returns", found)

    def forget_after(self, time: float) -> None:
        """Drop crossings that come after the callback has stopped the run."""
        last = self.problem.t0 + time
        self.found = [each for each in self.found if each[0] <= last]

    def noted(self, solution: Solution) -> Solution:
        """The solution with what was found."""
        if not self.watches:
            return solution
        stats = {**solution.stats, "first_crossing": self.first()}
        return replace(solution, crossings=self.crossings(), stats=stats)

    def crossings(self) -> Any:
        """All crossings by cue and time, a recarray with the state of each layer by its name."""
        layers = self.problem.network.layers.items()
        width = max([1, *map(len, self.watches)])
        rows = np.empty(len(self.found), _row_type(width, *((n, x.shape) for n, x in layers)))
        for k, (time, name, cue, states) in enumerate(self.found):
            rows[k] = (time, name, cue, *states.values())
        return rows[np.lexsort((rows["time"], rows["cue"]))].view(np.recarray)

    def first(self) -> dict[str, Array]:
        """The first crossing of each cue (B,), NaN where there is none."""
        first = {name: np.full(self.problem.batch, np.nan) for name in self.watches}
        for time, name, cue, _ in self.found:
            first[name][cue] = np.fmin(first[name][cue], time)
        return first


@dataclass(frozen=True, eq=False)
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


def _share(left: Array, right: Array) -> Array:
    """Where lines from `left` to `right` cross 0, from 0 to 1; halfway if both are infinite."""
    with np.errstate(invalid="ignore"):
        share = 0.5 * left / (0.5 * left - 0.5 * right)  # a difference of large numbers is finite
    return np.where(np.isnan(share), 0.5, share)


def _rows(looks: Looks, places: Ints) -> Read:
    """Read what was looked at at some positions of the order."""
    sizes = [len(group.times) for group in looks.groups]
    begins = np.cumsum([0, *sizes[:-1]])
    rows = looks.order[places]
    numbers = np.searchsorted(begins, rows, side="right") - 1

    def read(name: str) -> Array:
        parts = [(looks.groups[i].read, int(row - begins[i])) for i, row in
                 zip(numbers, rows, strict=True)]  # fmt: skip
        return np.stack([of(name)[row] for of, row in parts])

    return read


@lru_cache(maxsize=16)
def _row_type(width: int, *layers: tuple[str, tuple[int, ...]]) -> np.dtype[Any]:
    """Of a crossing, with a name of up to so many letters."""
    fields = [("time", "f8"), ("name", f"U{width}"), ("cue", "i8")]
    return np.dtype((np.record, [*fields, *((name, "f8", shape) for name, shape in layers)]))


def _rows_of(unread: dict[str, Array], read: Read) -> Iterator[_States]:
    """The states of one look after the other, without end."""
    every = _States(unread, read)
    for k in count():
        yield _States(unread, partial(_row, every, k))


def _row(states: _States, k: int, name: str) -> Array:
    return np.asarray(states[name][k])


def _values(name: str, watch: Watch, times: Array, unread: dict[str, Array], read: Read) -> Array:
    """What a function says at some times."""
    if watch.vectorised:
        found = _numbers(name, watch.function(times, _States(unread, read)), times.shape)
    else:
        given = list(map(watch.function, times.tolist(), _rows_of(unread, read)))
        if set(map(type, given)) == {float}:
            found = np.array(given)
        else:
            found = np.array([_numbers(name, value, ()).reshape(()) for value in given])
    missing = np.isnan(found)
    if missing.any():
        raise ValueError(f"watch: the function {name!r} returned NaN at t = {times[missing][0]:g}")
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
    return found.astype(float)
