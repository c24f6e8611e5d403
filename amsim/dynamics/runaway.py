"""Runs whose states leave all numbers within less time than t is rounded to.

The solution of x' = exp(x) ends at a time t*, where x is -log(t* - t): steps vanish while x is some
tens. What grows as a power may pass `BLOW_UP` before, or not: rounding would decide.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..synapses import Array
from .problem import BLOW_UP, STALLED, Problem, Solution

# What is still possible in this share of the time so far: steps that vanish are much shorter.
_SOON = 1e-9
# Euler steps of that length: what runs away needs a few.
_STEPS = 60
# Cosine of the angle by which a velocity may turn. Stiff forces turn it back, as jumps do.
_AHEAD = 0.5


def runaways(problem: Problem, solution: Solution) -> NDArray[np.bool_]:
    """Which cues (B,) stalled since their states grow without bound, faster than t can tell.

    From their last states on, long steps straight ahead let states or velocities grow by `BLOW_UP`.
    Beside a jump, and where couplings are stiff, the first one brings them no further.
    """
    found: NDArray[np.bool_] = solution.codes == STALLED
    if True not in found:  # the states of all memories are large
        return found
    final = {name: solution.final(name, slice(None))[0] for name in problem.network.dynamic}
    for cue in np.flatnonzero(found):
        state = problem.network.pack({name: x[cue][None] for name, x in final.items()})
        found[cue] = _runs_away(problem.select(np.array([cue])), float(solution.ends[cue]), state)
    return found


def _runs_away(problem: Problem, time: float, state: Array) -> bool:
    """Whether one cue does, from a state (1, N)."""
    step = _SOON * (time or float(problem.tau.min()))
    with np.errstate(over="ignore", invalid="ignore"):
        before = first = problem.force(time, state) / problem.tau
        limit, fastest = (BLOW_UP * np.abs(x).max() for x in (1.0 + np.abs(state), first))
        for _ in range(_STEPS):
            state = state + step * before
            after = problem.force(time, state) / problem.tau
            if not (np.abs(state).max() <= limit and np.abs(after).max() <= fastest):
                return True  # so does what is not a number
            if not _grows(before, after):
                return False
            before = after
    return False


def _grows(before: Array, after: Array) -> bool:
    """Whether a velocity has become larger, in about the direction that it had."""
    largest, then = np.abs(before).max(), np.abs(after).max()
    if not then > largest > 0:
        return False
    a, b = before / largest, after / then  # squares of these do not overflow
    return float(np.sum(a * b)) > _AHEAD * float(np.linalg.norm(a) * np.linalg.norm(b))
