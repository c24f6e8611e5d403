"""`Watch`: functions of time and state that a run looks at, and what it does where they cross 0."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..network import Network
from ..synapses import Array
from .interpolation import cubic
from .problem import Problem, Solution

Function = Callable[[float, dict[str, Array]], float]
Callback = Callable[[float, dict[str, Array]], object]

# Looks at the state, in units of the smallest tau.
_LOOK = 0.2
# Lengths of the pieces that a watched run is made in, in units of the largest tau: doubled up to
# the last, so that little is computed in vain after a run has stopped.
_PIECE, _LONGEST = 4.0, 8.0
# Of a root, relative to the time.
_ROOT = 1e-14


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

    Notes
    -----
    States are looked at five times in the smallest tau, and at recorded times; `ExponentialHeun` is
    looked at after every step. A function that crosses 0 twice between two looks is not seen to,
    and one that begins at 0 has not crossed it.
    Where it crosses is found on the cubic through both states and their slopes, to about 1e-5 of
    the smallest tau where states decay; with noise on a straight line.

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
    """

    function: Function
    direction: int = 0
    terminal: bool = False

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(
                f"Watch: function must be a function of time and states, got "
                f"{checks.shown(self.function)}"
            )
        direction = checks.count("Watch: direction", self.direction, at_least=-1, at_most=1)
        object.__setattr__(self, "direction", direction)
        object.__setattr__(self, "terminal", checks.flag("Watch: terminal", self.terminal))

    def crosses(self, values: Array) -> NDArray[np.bool_]:
        """Whether each value but the first has crossed 0 from the one before, in `direction`."""
        first, then = values[:-1], values[1:]
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
    """

    def __init__(self, names: Iterable[str], read: Callable[[str], Array]) -> None:
        super().__init__(dict.fromkeys(names, np.empty(0)))
        self._read = read

    def __getitem__(self, name: str) -> Array:
        return self._read(name) if name in self else super().__getitem__(name)

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

    def copy(self) -> dict[str, Array]:
        return dict(self.items())

    def __or__(self, other: Any) -> Any:
        return self.copy() | other

    def __ror__(self, other: Any) -> Any:
        return other | self.copy()

    def __repr__(self) -> str:
        return repr(self.copy())


@dataclass(frozen=True, eq=False)
class _Path:
    """What one cue did in a piece."""

    times: Array  # (T,) of the piece
    names: Iterable[str]
    states: Callable[[str], Array]  # (T, *shape) of a layer

    def row(self, k: int) -> dict[str, Array]:
        """The states at one of the times."""
        return _States(self.names, lambda name: self.states(name)[k])


class Watcher:
    """Looks at the pieces of a run; `found` are crossings as (time, name, cue, states).

    Parameters
    ----------
    problem : Problem
    watches : dict of str to Watch
    callback : callable or None
    batch : tuple of int
        Axes of the cues.
    step : float, optional
        Time between two looks: that of a solver whose steps have one length.
    """

    def __init__(
        self,
        problem: Problem,
        watches: Mapping[str, Watch],
        callback: Callback | None,
        batch: tuple[int, ...],
        step: float | None = None,
    ) -> None:
        self.problem, self.watches, self.callback, self.batch = problem, watches, callback, batch
        self.interval = _LOOK * float(problem.tau.min()) if step is None else step
        self.found: list[tuple[float, str, int, dict[str, Array]]] = []
        self._before: dict[tuple[int, str], float] = {}  # what a cue's piece ended with

    def edges(self) -> Array:
        """Where the pieces end."""
        length = _PIECE * float(self.problem.tau.max())
        longest, edges = _LONGEST * length, [length]
        while edges[-1] < self.problem.t1:
            length = min(2.0 * length, longest)
            edges.append(edges[-1] + length)
        return np.array(edges)

    def times(self, wanted: Array, length: float) -> Array:
        """Times to record in a piece: those that the user wants, and those to look at."""
        if not self.watches:
            return wanted
        count = max(1, int(np.ceil(length / self.interval * (1 - _ROOT))))
        looks = np.linspace(0.0, length, count + 1)
        return np.union1d(wanted, looks)

    def look(self, part: Problem, cues: NDArray[np.int64], solution: Solution) -> dict[int, Any]:
        """Note the crossings of a piece; {cue: (time in it, states)} of those that stop."""
        stops: dict[int, Any] = {}
        if not self.watches:
            return stops
        rows = cache(lambda name: solution.record(name, slice(None)))
        last = cache(lambda name: solution.final(name, slice(None))[0])
        for b, cue in enumerate(cues):
            stop = self._look_at(
                _Alone(part, b, self.watches), _path(part, solution, rows, last, b), cue
            )
            if stop is not None:
                stops[int(cue)] = stop
        return stops

    def _look_at(self, alone: _Alone, path: _Path, cue: int) -> Any:
        """Note the crossings of one cue, and return where it stops, if it does."""
        crossings = []
        for name, watch in self.watches.items():
            values = alone.values(name, path)
            before = self._before.get((cue, name), values[0])
            if watch.crosses(np.array([before, values[0]])).any():  # an input jumped
                crossings.append((0.0, name, path.row(0), watch.terminal))
            self._before[cue, name] = values[-1]
            for k in np.flatnonzero(watch.crosses(values)):
                time, states = alone.root(name, path, int(k), values[k : k + 2])
                crossings.append((time, name, states, watch.terminal))
        for time, name, states, terminal in sorted(crossings, key=lambda each: each[0]):
            self.found.append((alone.t0 + time, name, cue, states))
            if terminal:
                return time, states
        return None

    def call(self, time: float, states: dict[str, Array]) -> bool:
        """Whether the callback wants the run to stop; states are those of all cues (B, *shape)."""
        if self.callback is None:
            return False
        shapes = {name: x.shape[1:] for name, x in states.items()}
        shown = {name: x.reshape(*self.batch, *shapes[name]).copy() for name, x in states.items()}
        return bool(self.callback(self.problem.t0 + time, shown))

    def forget_after(self, time: float) -> None:
        """Drop crossings that come after the callback has stopped the run."""
        last = self.problem.t0 + time
        self.found = [each for each in self.found if each[0] <= last]

    def crossings(self) -> Any:
        """All crossings by cue and time, a recarray with the state of each layer by its name."""
        layers = self.problem.network.layers
        width = max([1, *map(len, self.watches)])
        kind = [("time", "f8"), ("name", f"U{width}"), ("cue", "i8")]
        kind += [(name, "f8", layer.shape) for name, layer in layers.items()]  # type: ignore[misc]
        rows = np.recarray(len(self.found), dtype=kind)
        for k, (time, name, cue, states) in enumerate(self.found):
            rows[k] = (time, name, cue, *(states[layer] for layer in layers))
        return rows[np.lexsort((rows["time"], rows["cue"]))].view(np.recarray)

    def first(self) -> dict[str, Array]:
        """The first crossing of each cue (B,), NaN where there is none."""
        first = {name: np.full(self.problem.batch, np.nan) for name in self.watches}
        for time, name, cue, _ in self.found:
            first[name][cue] = np.fmin(first[name][cue], time)
        return first


def _path(
    part: Problem,
    solution: Solution,
    rows: Callable[[str], Array],
    last: Callable[[str], Array],
    b: int,
) -> _Path:
    """What cue b did, by the record of all and their last states."""
    held = solution.times < solution.ends[b]

    @cache
    def states(name: str) -> Array:
        return np.concatenate([rows(name)[held, b], last(name)[b][None]])

    return _Path(np.append(solution.times[held], solution.ends[b]), part.network.layers, states)


class _Alone:
    """One cue of a piece between its rows."""

    def __init__(self, part: Problem, b: int, watches: Mapping[str, Watch]) -> None:
        self.t0, self.watches = part.t0, watches
        self._of_all, self._b = part, b

    @cached_property
    def part(self) -> Problem:
        """The problem of this cue."""
        return self._of_all.select(np.array([self._b]))

    def value(self, name: str, time: float, states: dict[str, Array]) -> float:
        """What a function says."""
        given = self.watches[name].function(self.t0 + time, states)
        if type(given) is float and given == given:
            return given
        found = np.asarray(given)
        if found.size != 1 or found.dtype.kind not in "buif":
            raise TypeError(
                f"watch: the function {name!r} must return a number, got {checks.shown(given)}"
            )
        if np.isnan(found).any():
            raise ValueError(f"watch: the function {name!r} returned NaN at t = {time:g}")
        return float(found.reshape(()))

    def values(self, name: str, path: _Path) -> Array:
        """Its values at all rows."""
        return np.array(
            [self.value(name, float(time), path.row(k)) for k, time in enumerate(path.times)]
        )

    def root(self, name: str, path: _Path, k: int, values: Array) -> tuple[float, dict[str, Array]]:
        """Time and states where a function is 0, between the rows k and k + 1."""
        from scipy.optimize import brentq

        start, stop = (float(time) for time in path.times[k : k + 2])
        between = self._between(path, k)
        if self.part.noise is not None:  # a path that is nowhere smooth
            share = values[0] / (values[0] - values[1])
        else:

            def beyond(share: float) -> float:
                # 0 counts as crossed: a function of whole numbers is there from its jump on.
                found = self.value(name, start + share * (stop - start), between(share))
                return found or -np.sign(values[0])

            share = brentq(beyond, 0.0, 1.0, xtol=_ROOT, rtol=4 * np.finfo(float).eps)
        return start + share * (stop - start), between(share)

    def _between(self, path: _Path, k: int) -> Callable[[float], dict[str, Array]]:
        """States between two rows: a cubic by their slopes, a line if there is noise."""
        part, network = self.part, self.part.network
        pair = {n: path.states(n)[k : k + 2] for n in network.dynamic}
        ends = [network.pack({n: x[i][None] for n, x in pair.items()}) for i in (0, 1)]
        start, stop = (float(time) for time in path.times[k : k + 2])
        if part.noise is None:
            slopes = [
                part.force(time, x) / part.tau for time, x in zip((start, stop), ends, strict=True)
            ]

        def states(share: float) -> dict[str, Array]:
            if share == 1.0:
                vector = ends[1]
            elif part.noise is not None:
                vector = ends[0] + share * (ends[1] - ends[0])
            else:
                vector = cubic(ends[0], slopes[0], ends[1], slopes[1], stop - start, share)
            dynamic, inputs = network.unpack(vector), part.inputs_at(start + share * (stop - start))
            full = cache(lambda: network.complete(dynamic, inputs))

            def read(name: str) -> Array:
                return np.asarray((dynamic if name in dynamic else full())[name][0])

            return _States(network.layers, read)

        return states
