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
# Of a root, relative to the way between two looks.
_ROOT = 1e-14


class Group(NamedTuple):
    """Some looks, in any order."""

    cues: Ints  # (n,) positions in the batch of the problem
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

    group = Group(cues, times, read)
    return Looks([group], np.arange(len(cues)), cues, times, within, problem.noise is not None)


def roots(
    function: Callable[[Array, Ints], Array], start: Array, stop: Array, values: Array, then: Array
) -> Array:
    """Where functions cross 0, each between two places; the side is that of `stop`.

    Inverse quadratic interpolation where that is safe, else bisection (Chandrupatla 1997,
    Advances in Engineering Software 28, 145).

    Parameters
    ----------
    function : callable
        (places (m,), which (m,)) -> values (m,) of some of the functions, never 0.
    start, stop : ndarray (n,)
    values, then : ndarray (n,)
        Of the functions there, with different signs.
    """
    beyond, found, wide = np.sign(then), stop.copy(), np.abs(stop - start)
    which = np.arange(len(start))
    a, b, fa, fb = stop, start, then, values
    share = np.full(len(start), 0.5)
    while len(which):
        x = a + share * (b - a)
        f = function(x, which)
        same = np.sign(f) == np.sign(fa)
        c, fc = np.where(same, a, b), np.where(same, fa, fb)
        b, fb = np.where(same, b, a), np.where(same, fb, fa)
        a, fa = x, f
        found[which] = np.where(np.sign(fa) == beyond[which], a, b)
        least = 4 * np.finfo(float).eps * np.abs(a) + _ROOT * wide[which]
        on = np.abs(b - a) > 2 * least
        a, b, c, fa, fb, fc, which, least = (
            z[on] for z in (a, b, c, fa, fb, fc, which, least)
        )  # fmt: skip
        with np.errstate(all="ignore"):
            part, rise = (a - b) / (c - b), (fa - fb) / (fc - fb)
            inner = (rise**2 < part) & ((1 - rise) ** 2 < 1 - part)
            guess = fa / (fb - fa) * fc / (fb - fc)
            guess += (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
        share = np.where(inner, guess, 0.5)
        edge = least / np.abs(b - a)
        share = np.clip(share, edge, 1 - edge)
    return found
