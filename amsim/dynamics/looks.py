"""`Looks`: states of a run that are looked at, and what lies between them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache, wraps
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..synapses import Array
from .interpolation import cubic
from .problem import Problem, Solution

# States (n, *shape) of a layer, by its name.
Read = Callable[[str], Array]
Ints = NDArray[np.int64]
# Looks whose states are made at once, where they are looked at one by one.
_MADE = 256


class Source:
    """States of some looks by layer, each layer read once.

    Parameters
    ----------
    names : collection of str
        Of all layers.
    read : callable
        Reads one of them.
    writeable : bool
        Whether a user may write to them. Nobody may where they could be those of a run.
    """

    __slots__ = ("_found", "_read", "_writeable", "names")

    def __init__(self, names: Collection[str], read: Read, writeable: bool = False) -> None:
        self.names, self._read, self._writeable = names, read, writeable
        self._found: dict[str, Array] = {}

    def read(self, name: str) -> Array:
        """States (n, *shape) of a layer."""
        found = self._found.get(name)
        if found is None:
            found = self._found[name] = self._read(name).view()
            found.flags.writeable = self._writeable
        return found


class States(dict[str, Array]):
    """States by layer, each read when it is asked for: of all looks at once, or of one.

    The states of memories take a product each, which most functions do not need. Python finds what
    was read as in any dict, and asks `__missing__` for the rest.
    """

    __slots__ = ("unread",)
    unread: tuple[Source, Any] | None  # where they are, and the row; None where all were read

    def __missing__(self, name: str) -> Array:
        if self.unread is None or name not in self.unread[0].names:
            raise KeyError(name)
        source, row = self.unread
        self[name] = state = np.asarray(source.read(name)[row])
        return state

    def read_all(self) -> None:
        """Be a dict of all layers, in their order."""
        if self.unread is not None:
            every = {name: self[name] for name in self.unread[0].names}
            every.update(dict.items(self))  # and what the user added
            self.unread = None
            self.clear()
            self.update(every)


def _of_all_layers(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def read_before(states: States, *arguments: Any) -> Any:
        states.read_all()
        return method(states, *arguments)

    return read_before


# Whatever else one may do with a dict.
for _name in (
    "__contains__", "__delitem__", "__eq__", "__iter__", "__len__", "__ne__", "__or__", "__repr__",
    "__reversed__", "__ror__", "copy", "get", "items", "keys", "pop", "popitem", "setdefault",
    "values",
):  # fmt: skip
    setattr(States, _name, _of_all_layers(getattr(dict, _name)))


def states_of(source: Source, rows: Any) -> States:
    """The states of one look, or of all (n, *shape)."""
    states = States()
    states.unread = source, rows
    return states


def in_turn(source: Source, count: int) -> Iterator[list[States]]:
    """The states of all looks, some at a time; what is read of the first is there for all."""
    first = states_of(source, 0)
    yield [first]
    every = [(name, source.read(name)) for name in source.names if dict.__contains__(first, name)]
    # Assigning to a key is slow in a class with a __delitem__ of its own.
    add = dict.setdefault
    for start in range(1, count, _MADE):
        rows = range(start, min(start + _MADE, count))
        looks = [States() for _ in rows]
        for states, row in zip(looks, rows, strict=True):  # sooner than by a call each
            states.unread = source, row
        for name, array in every:
            deque(map(add, looks, repeat(name), array[start : rows.stop]), maxlen=0)
        yield looks


def joined(parts: Sequence[Array]) -> Array:
    """All parts, of which one alone is not copied."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


class Group(NamedTuple):
    """Some looks, in any order."""

    times: Array  # (n,)
    source: Source


class Looks(NamedTuple):
    """Looks at some cues, in groups.

    Attributes
    ----------
    groups : list of Group
    order : ndarray of int (n,)
        Sorts those of all groups by cue, then by time.
    cues, times : ndarray (n,)
        In that order.
    within : callable
        (positions (m,) in the order, times (m,)) -> what reads states at these times, each at the
        look at that position, or between the one before and this.
    straight : bool
        Whether states in between lie on a straight line, for all that is known.
    """

    groups: list[Group]
    order: Ints
    cues: Ints
    times: Array
    within: Callable[[Ints, Array], Source]
    straight: bool = False


def read_vectors(problem: Problem, cues: Ints, times: Array, vectors: Array) -> Read:
    """Read packed states (n, N), each of one cue at its own time; algebraic layers are computed."""
    network = problem.network
    dynamic = network.unpack(vectors)

    @cache
    def complete() -> dict[str, Array]:
        if not problem.driven:
            return network.complete(dynamic, problem.select(cues).inputs_at(0.0))
        each = [
            network.complete(
                {name: x[k : k + 1] for name, x in dynamic.items()},
                problem.select(cues[k : k + 1]).inputs_at(float(time)),
            )
            for k, time in enumerate(times)
        ]
        return {n: np.concatenate([states[n] for states in each]) for n in network.layers}

    return lambda name: np.asarray((dynamic if name in dynamic else complete())[name])


def looks_at(problem: Problem, solution: Solution) -> Looks:
    """All recorded states of a piece, and the last of each cue; cubics through their slopes."""
    rows, ends, count = solution.times, solution.ends, len(solution.times)
    cues, numbers = np.nonzero(np.append(rows < ends[:, None], np.ones((len(ends), 1), bool), 1))
    times = np.where(numbers < count, np.append(rows, 0.0)[numbers], ends[cues])
    names = tuple(problem.network.layers)

    def read(name: str) -> Array:
        last = solution.final(name, slice(None))
        return np.concatenate([solution.record(name, slice(None)), last])[numbers, cues]

    looks = Source(names, read)

    @cache
    def state_at(k: int) -> tuple[Array, Array]:
        """State and slope at a look."""
        part = problem.select(cues[k : k + 1])
        state = part.network.pack({n: looks.read(n)[k : k + 1] for n in part.network.dynamic})
        still = part.noise is not None  # a path that is nowhere smooth has no slope
        slope = state if still else part.force(float(times[k]), state) / part.tau
        return state[0], slope[0]

    def within(places: Ints, moments: Array) -> Source:
        before = np.where(moments < times[places], places - 1, places)
        way = times[places] - times[before]
        share = ((moments - times[before]) / np.where(way > 0, way, 1.0))[:, None]
        start, slope = (np.stack(x) for x in zip(*map(state_at, before), strict=True))
        stop, then = (np.stack(x) for x in zip(*map(state_at, places), strict=True))
        if problem.noise is None:
            vectors = cubic(start, slope, stop, then, way[:, None], share)
        else:
            vectors = start + share * (stop - start)
        return Source(names, read_vectors(problem, cues[places], moments, vectors))

    return Looks(
        [Group(times, looks)], np.arange(len(cues)), cues, times, within,
        problem.noise is not None,
    )  # fmt: skip
