"""`Looks`: states of a run that are looked at, and what lies between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..synapses import Array
from .interpolation import cubic
from .problem import Problem, Solution

# States (n, *shape) of a layer, by its name.
Read = Callable[[str], Array]
Ints = NDArray[np.int64]


class Group(NamedTuple):
    """Some looks, in any order."""

    times: Array  # (n,)
    read: Read


@dataclass(frozen=True, eq=False)
class Looks:
    """Looks at some cues, in groups.

    Attributes
    ----------
    groups : list of Group
    order : ndarray of int (n,)
        Sorts those of all groups by cue, then by time.
    cues, times : ndarray (n,)
        In that order.
    within : callable
        (positions (m,) in the order, times (m,)) -> what reads states at these times, each between
        the look at that position and the next.
    straight : bool
        Whether states in between lie on a straight line, for all that is known.
    """

    groups: list[Group]
    order: Ints
    cues: Ints
    times: Array
    within: Callable[[Ints, Array], Read]
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

    @cache
    def read(name: str) -> Array:
        last = solution.final(name, slice(None))
        return np.concatenate([solution.record(name, slice(None)), last])[numbers, cues]

    @cache
    def ends_of(k: int) -> tuple[Array, ...]:
        """States and slopes at a look and at the next one."""
        part = problem.select(cues[k : k + 1])
        found = []
        for i in (k, k + 1):
            state = part.network.pack({n: read(n)[i : i + 1] for n in part.network.dynamic})
            still = part.noise is not None  # a path that is nowhere smooth has no slope
            found += [state, state if still else part.force(float(times[i]), state) / part.tau]
        return tuple(x[0] for x in found)

    def within(places: Ints, moments: Array) -> Read:
        way = times[places + 1] - times[places]
        share = ((moments - times[places]) / way)[:, None]
        start, slope, stop, then = (np.stack(x) for x in zip(*map(ends_of, places), strict=True))
        if problem.noise is None:
            vectors = cubic(start, slope, stop, then, way[:, None], share)
        else:
            vectors = start + share * (stop - start)
        vectors = np.where(share == 1.0, stop, vectors)
        return read_vectors(problem, cues[places], moments, vectors)

    return Looks(
        [Group(times, read)], np.arange(len(cues)), cues, times, within, problem.noise is not None
    )
