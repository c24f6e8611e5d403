"""States between two moments at which they and their slopes are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..synapses import Array
from .inputs import Drive
from .problem import Problem, Solution


def cubic(
    start: Array,
    slope: Array,
    stop: Array,
    slope_then: Array,
    length: float | Array,
    share: float | Array,
) -> Array:
    """The cubic through states and slopes at both ends, after a share of the way (Hermite)."""
    way = stop - start
    bend, bend_then = length * slope - way, way - length * slope_then
    left = 1.0 - share
    return np.asarray(start + share * way + share * left * (left * bend + share * bend_then))


def states_at(problem: Problem, solution: Solution, times: Array) -> dict[str, Array]:
    """States (T, B, *shape) of all layers at some times of the problem, between recorded ones.

    Raises
    ------
    ValueError
        If an input jumps on the way from one recorded time to the next, or is a function, and these
        are further apart than `max_step`.
    """
    found = [_between(problem, solution, float(time)) for time in times]
    return {name: np.array([states[name] for states in found]) for name in problem.network.layers}


def _between(problem: Problem, solution: Solution, time: float) -> dict[str, Array]:
    network, known = problem.network, solution.times
    row = min(int(np.searchsorted(known, time, side="right")) - 1, len(known) - 2)
    rows = {name: solution.record(name, slice(row, row + 2)) for name in network.layers}
    start, stop = (float(moment) for moment in known[row : row + 2])
    if time in (start, stop):
        return {name: pair[0 if time == start else 1] for name, pair in rows.items()}
    for jump in problem.breakpoints[(problem.breakpoints > start) & (problem.breakpoints < stop)]:
        raise ValueError(
            f"an input jumps at t = {problem.t0 + jump:g}, between two recorded times: nothing is "
            f"known in between; record that time with times="
        )
    if problem.unforeseen and stop - start > problem.max_step * (1 + 1e-9):
        raise ValueError(
            f"an input is a function of time, and recorded times are {stop - start:.3g} apart: "
            f"what it does in between is not known; record times at most {problem.max_step:g} apart"
        )
    inputs = {
        name: value.between(start, stop) if isinstance(value, Drive) else value
        for name, value in problem.inputs.items()
    }
    part = replace(problem, inputs=inputs, breakpoints=np.zeros(0))
    first, last = (network.pack({n: rows[n][i] for n in network.dynamic}) for i in (0, 1))
    ends = np.clip(solution.ends, start, stop)[:, None]  # from there on a cue holds its state
    length = ends - start
    moving = length > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(moving, np.minimum((time - start) / length, 1.0), 1.0)
    slope = part.force(0.0, first) / part.tau
    slope_then = part.force(stop - start, last) / part.tau
    vector = cubic(first, slope, last, slope_then, length, share)
    return network.complete(network.unpack(vector), part.inputs_at(time - start))
