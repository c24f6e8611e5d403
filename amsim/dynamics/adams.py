"""Exponential Adams steps of variable order and size, compiled.

Every unit obeys  dx/dt = -rate x + gain N(t).  The decay is integrated exactly; only the drive N
is interpolated, by a polynomial through its last values (Certaine 1960; Hochbruck & Ostermann
2011, "Exponential multistep methods of Adams type"). One step predicts x from the last k values
of N, evaluates N there once, and corrects with it. The error is the difference between the
implicit formulas of k and k + 1 values; it also selects the order (Shampine & Gordon 1975).

A unit may have a follower,  dy/dt = lag (x - y),  which is integrated with the same polynomial.

The history is kept as divided differences dd[j] = N[t_n, ..., t_{n-j}]. Units that share their
rates form a segment, for which the weights are computed once. Each cue of a batch has its own row
in every array, its own time, step and order.
"""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..compiled.bundle import bundle
from ..compiled.jit import compiled, inner, inner_elementwise, inner_vectorised, linked
from ..compiled.vectors import larger

MAX_ORDER = 8
HISTORY = MAX_ORDER + 2
GROWTH, SHRINK, SAFETY = 2.5, 0.2, 0.8
# How much the first steps may grow, which are much shorter than they need to be. Later ones must
# not jump far beyond what is stable: a cue near its rest would be thrown back each time.
FIRST_GROWTH, FIRST = 8.0, 10
# The first in the order of `problem.STATUSES`. A cue that is STARTING or QUIET runs as well:
# its drive is evaluated at its state, to begin the history or to see whether it really rests.
SETTLED, STOPPED, TIME_LIMIT, DIVERGED, STALLED, RUNNING, QUIET, STARTING = range(8)
# A number that is written out has a type of its own, for which numba would compile anew.
NONE = np.int64(0)
SHORTEST = 1e-12  # shorter steps, relative to the time, are those across a jump
# Such steps that are tried before a cue is said to slide along the jump, within an INSTANT of the
# time: an input jumps once, and some 60 steps find where.
CROSSING, INSTANT = 120, 1e-9
NOISE = 1e-12  # changes of the drive by this share of it are rounding
BLOW_UP = 1e9  # a state that grew by this factor is not coming back

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@bundle
class Segments(NamedTuple):
    """Runs of units with equal rates; S of them cover N units."""

    start: Ints  # (S + 1,)
    rate: Floats  # (S,) decay of the state
    gain: Floats  # (S,) factor of the drive
    lag: Floats  # (S,) rate of the followers, 0 where there are none
    layer: Ints  # (S,) whose scale the error is relative to
    couples: NDArray[np.bool_]  # (L, L) whether the drive of one layer depends on another


@bundle
class Steps(NamedTuple):
    """Everything that moves, one row per cue. X = N, or 2 N where units have followers."""

    cues: Any  # (B,) records of the type CUE
    x: Floats  # (B, X) state at the last accepted time; followers stand behind the N units
    new: Floats  # (B, X) state proposed for the next time
    used: Floats  # (B, N) drive that `new` was predicted with
    dd: Floats  # (B, HISTORY, N) divided differences of the drive
    past: Floats  # (B, HISTORY) times of the history, latest first
    scale: Floats  # (B, L) largest |x| seen in each layer
    weight: Floats  # (B, S, 3) change of state and follower by the drive; largest change of drive
    gap: Floats  # (B, S, HISTORY) error by the divided difference of each order
    moved: Floats  # (B, S, HISTORY) change of what others see, likewise
    # Accepted steps of all cues in their order, where somebody looks at them; else R = 0.
    track: Any  # (R,) records of the type TRACK
    tracked: Ints  # (1,) rows in use
    track_x: Floats  # (R, X) state at the end of the step
    track_drive: Floats  # (R, N) drive that was evaluated there


@bundle
class Room(NamedTuple):
    """The track, and room to lay out one of its steps as that of the only cue."""

    track: Any
    track_x: Floats
    track_drive: Floats
    x: Floats  # (1, X)
    dd: Floats  # (1, HISTORY, N)
    past: Floats  # (1, HISTORY)


TRACK = np.dtype(
    [
        ("cue", "i8"),
        ("time", "f8"),  # at the end of the step
        ("before", "i8"),  # row of the step before, -1 at the start
        ("terms", "i8"),  # divided differences of the drive that count within it
    ]
)
CUE = np.dtype(
    [
        ("h", "f8"),  # step to try next
        ("time", "f8"),  # when its drive is evaluated
        ("beside", "f8"),  # residual then of layers that are not part of the state, if it is QUIET
        ("lead", "f8"),  # change of the drive over its divided difference, at the order in use
        ("floor", "f8"),  # error per step that would hide how far the state is from rest
        ("limit", "f8"),  # |x| beyond which the cue has diverged
        ("stop", "f8"),  # no step goes beyond
        ("settles_from", "f8"),  # the cue settles no earlier
        ("jump", "f8"),  # where steps got too short to be anything but across a jump
        ("crossing", "i8"),  # such steps that were tried there
        ("order", "i8"),  # values of the drive that the prediction uses
        ("known", "i8"),  # valid entries of `past`
        ("written", "i8"),  # output times done
        ("tracked", "i8"),  # row of its last step in `Steps.track`
        ("status", "i8"),
        ("evaluated", "i8"),
        ("most", "i8"),  # evaluations after which it stalls
        ("accepted", "i8"),
        ("rejected", "i8"),
    ]
)


@bundle
class Scratch(NamedTuple):
    """Working memory for the weights of one step."""

    mixed: Floats
    slow: Floats
    fast: Floats
    nodes: Floats
    ahead: Floats
    weight: Floats
    largest: Floats  # this and the next two: one entry per segment
    below: Floats
    above: Floats
    share: Floats  # (L, HISTORY) change of a layer per change of its drive, by order


def new_scratch(segments: int, layers: int) -> Scratch:
    """Working memory for systems of so many segments and layers."""
    sizes = (*[HISTORY + 2] * 6, *[segments] * 3, (layers, HISTORY))
    return Scratch._make(map(np.zeros, sizes))


# 1 / j as products are several times faster than divisions; the series below ends before this.
_INVERSE = np.array([0.0, *(1.0 / np.arange(1, 128))])


@inner
def moments(z, count, out):
    """out[p] = integral over s in [0, 1] of exp(-z (1 - s)) s^p, for p < count.

    They obey  z out[p] = 1 - p out[p - 1].  Forwards this loses digits for small z, backwards for
    large z; the start of the backward direction is a series of positive terms.
    """
    if z > count:
        inverse = 1.0 / z
        out[0] = -math.expm1(-z) * inverse
        for p in range(1, count):
            out[p] = (1.0 - p * out[p - 1]) * inverse
        return
    term, total = 1.0, 0.0
    for j in range(1, 100):
        share = term * _INVERSE[j + count - 1]
        total += share
        if share <= 1e-17 * total:
            break
        term *= z * _INVERSE[j]
    out[count - 1] = math.exp(-z) * total
    for p in range(count - 1, 0, -1):
        out[p - 1] = (1.0 - z * out[p]) * _INVERSE[p]


@inner
def newton_weights(z, nodes, order, scratch, out):
    """out[j] = integral of exp(-z (1 - s)) prod_{i<j} (s + nodes[i]), for j <= order."""
    mixed = scratch.mixed  # integrals with a further factor s^p
    moments(z, order + 1, mixed)
    out[0] = mixed[0]
    for j in range(order):
        node = nodes[j]
        for p in range(order - j):
            mixed[p] = mixed[p + 1] + node * mixed[p]
        out[j + 1] = mixed[0]


@inner
def state_weights(rate, gain, h, nodes, order, scratch, out):
    """Weights of dd[0..order] in the state after a step h; returns the weight of the old state.

    Leaves the integrals behind them in scratch.slow.

    Parameters
    ----------
    rate, gain : float
        Of the units: decay of the state, factor of the drive.
    h : float
        Size of the step.
    nodes : float64 (HISTORY + 2,)
        Times of the history from the start of the step backwards, in units of h.
    order : int
    scratch : Scratch
    out : float64 (HISTORY + 2,)
        Becomes the weights.
    """
    integral = scratch.slow
    newton_weights(rate * h, nodes, order, scratch, integral)
    power = gain * h
    for j in range(order + 1):
        out[j] = power * integral[j]
        power *= h
    return math.exp(-rate * h)


@inner
def follower_weights(rate, gain, lag, h, nodes, order, scratch, out):
    """Weights of dd[0..order] in the follower; returns those of the old follower and old state.

    Call `state_weights` before: scratch.slow holds its integrals. The kernel of a follower is the
    difference of two exponentials over the difference of their rates. Where these nearly coincide
    its limit is used, exact to their squared difference / 24.

    Parameters
    ----------
    rate, gain, lag : float
        Of the units: decay of the state, factor of the drive, rate of the followers.
    h, nodes, order, scratch, out
        As for `state_weights`.
    """
    slow, fast = scratch.slow, scratch.fast
    if abs(lag - rate) * h > 1e-4:
        newton_weights(lag * h, nodes, order, scratch, fast)
        power = gain * h * lag / (lag - rate)
        for j in range(order + 1):
            out[j] = power * (slow[j] - fast[j])
            power *= h
        through = lag * (math.exp(-rate * h) - math.exp(-lag * h)) / (lag - rate)
    else:
        mean = 0.5 * (lag + rate)
        newton_weights(mean * h, nodes, order + 1, scratch, slow)
        power = gain * lag * h * h
        for j in range(order + 1):
            out[j] = power * ((1.0 + nodes[j]) * slow[j] - slow[j + 1])
            power *= h
        through = lag * h * math.exp(-mean * h)
    return math.exp(-lag * h), through


@inner
def _scaled_nodes(past, b, origin, h, count, out):
    """(origin - t_{n-i}) / h for the first `count` times of the history, 0 behind them."""
    for i in range(count):
        out[i] = (origin - past[b, i]) / h
    out[count] = 0.0


# The loops below take whole arrays and indices, since a slice costs more than a short loop, and
# count in unsigned integers: signed ones could be negative, and counting from the end of an array
# keeps a loop from using vector units.


@inner_vectorised
def _combine(x, shift, keep, dd, weight, terms, b, start, stop, out, row):
    """out[row, shift + i] = keep x[b, shift + i] + sum_j weight[j] dd[b, j, i].

    Parameters
    ----------
    x : float64 (B, X)
    shift : int
        Where the units stand in x and out; their followers stand behind all units.
    keep : float
        Weight of the old state.
    dd : float64 (B, HISTORY, N)
    weight : float64 (terms or more,)
    terms : int
        Divided differences that count.
    b : int
        The cue.
    start, stop : int
        The units i.
    out, row : float64 (R, X), int
        Becomes the sum, in this row.
    """
    begin, end, ahead = np.uint64(start), np.uint64(stop), np.uint64(shift)
    first = weight[0]
    for i in range(begin, end):
        out[row, ahead + i] = keep * x[b, ahead + i] + first * dd[b, 0, i]
    for j in range(1, terms):
        w = weight[j]
        for i in range(begin, end):
            out[row, ahead + i] += w * dd[b, j, i]


@inner_vectorised
def _add(source, b, factor, start, stop, out, row, shift):
    """out[row, shift + i] += factor source[b, i].

    Parameters
    ----------
    source, b : float64 (B, X), int
        What is added, and the cue.
    factor : float
    start, stop : int
        The units i.
    out, row, shift : float64 (R, X), int, int
        What it is added to: the row, and where the units stand in it.
    """
    ahead = np.uint64(shift)
    for i in range(np.uint64(start), np.uint64(stop)):
        out[row, ahead + i] += factor * source[b, i]


@inner_elementwise
def _copy(source, b, out, row):
    """out[row] = source[b]."""
    for i in range(np.uint64(source.shape[1])):
        out[row, i] = source[b, i]


@inner
def predict(steps, segments, b, scratch):
    """Propose `new` and `used` of cue b from the history alone."""
    cue = steps.cues[b]
    x, dd, units = steps.x, steps.dd, steps.used.shape[1]
    h, k = cue.h, cue.order
    top = min(k + 1, cue.known)
    nodes, ahead, weight, share = scratch.nodes, scratch.ahead, scratch.weight, scratch.share
    _scaled_nodes(steps.past, b, steps.past[b, 0], h, top, nodes)
    ahead[0] = 1.0
    for j in range(top):
        ahead[j + 1] = ahead[j] * h * (1.0 + nodes[j])
    cue.lead = ahead[k]
    for layer in range(share.shape[0]):
        for j in range(1, top + 1):
            share[layer, j] = 0.0
    for s in range(len(segments.rate)):
        start, stop, layer = segments.start[s], segments.start[s + 1], segments.layer[s]
        rate, gain, lag = segments.rate[s], segments.gain[s], segments.lag[s]
        keep = state_weights(rate, gain, h, nodes, top, scratch, weight)
        steps.weight[b, s, 0] = weight[k] / ahead[k]
        for j in range(1, top + 1):
            # The implicit formula with j + 1 values minus the one with j.
            steps.gap[b, s, j] = abs(weight[j] - h * (1.0 + nodes[j - 1]) * weight[j - 1])
            steps.moved[b, s, j] = weight[j]
            share[layer, j] = max(share[layer, j], weight[j] / ahead[j])
        _combine(x, NONE, keep, dd, weight, k, b, start, stop, steps.new, b)
        _combine(x, NONE, 0.0, dd, ahead, k, b, start, stop, steps.used, b)
        if lag > 0.0:
            keep, through = follower_weights(rate, gain, lag, h, nodes, top, scratch, weight)
            steps.weight[b, s, 1] = weight[k] / ahead[k]
            for j in range(1, top + 1):
                steps.moved[b, s, j] = weight[j]
            _combine(x, units, keep, dd, weight, k, b, start, stop, steps.new, b)
            _add(x, b, through, start, stop, steps.new, b, units)
    _count_iteration(steps, segments, b, top, share)


@inner
def _count_iteration(steps, segments, b, top, share):
    """Add to `gap` the error of taking the drive at the prediction and not at the new state.

    A unit is seen by others at a place that it then leaves, by moved[j] dd[j]; what that changes
    in their drive, taken to be twice as much, changes them by their `share`. Negligible for short
    steps, this is the greater part of the error where steps are long compared to tau.
    """
    for s in range(len(segments.rate)):
        layer = segments.layer[s]
        for j in range(1, top + 1):
            largest = 0.0
            for other in range(share.shape[0]):
                if segments.couples[other, layer]:
                    largest = max(largest, share[other, j])
            steps.gap[b, s, j] += 2.0 * largest * abs(steps.moved[b, s, j])


@inner_vectorised
def _shift(drive, used, b, weight, start, stop, new, shift):
    """new += weight (drive - used); the largest change and the sum of |drive|.

    Parameters
    ----------
    drive, used : float64 (B, N)
        As evaluated, and as predicted.
    b : int
        The cue.
    weight : float
    start, stop : int
        The units i.
    new, shift : float64 (B, X), int
        What changes, and where the units stand in it.
    """
    largest, total, ahead = 0.0, 0.0, np.uint64(shift)
    for i in range(np.uint64(start), np.uint64(stop)):
        change = drive[b, i] - used[b, i]
        new[b, ahead + i] += weight * change
        total += abs(drive[b, i])
        largest = larger(largest, abs(change))
    return largest, total


@inner
def correct(steps, segments, b, drives):
    """Make `new` of cue b consistent with drives[b]; whether that drive is finite."""
    units, finite = steps.used.shape[1], True
    for s in range(len(segments.rate)):
        start, stop = segments.start[s], segments.start[s + 1]
        change, total = _shift(
            drives, steps.used, b, steps.weight[b, s, 0], start, stop, steps.new, NONE
        )
        if segments.lag[s] > 0.0:
            _shift(drives, steps.used, b, steps.weight[b, s, 1], start, stop, steps.new, units)
        steps.weight[b, s, 2] = change
        finite = finite and math.isfinite(total)
    return finite


@inner
def _error(steps, segments, b, order, largest, rtol, atol):
    """Error of one order relative to the tolerance, from max |dd[order]| by segment.

    Followers are averages of their units and need no test of their own.

    Parameters
    ----------
    steps, segments : Steps, Segments
    b : int
        The cue.
    order : int
    largest : float64 (S,)
    rtol, atol : float
    """
    cue = steps.cues[b]
    worst = 0.0
    for s in range(len(segments.rate)):
        tolerance = atol + rtol * steps.scale[b, segments.layer[s]]
        tolerance = min(tolerance, cue.floor)
        worst = max(worst, steps.gap[b, s, order] * largest[s] / tolerance)
    return worst


@inner_vectorised
def _push(dd, b, j, carry, span, start, stop):
    """Store the new divided difference j, carry the next one; its largest size.

    Parameters
    ----------
    dd : float64 (B, HISTORY, N)
    b, j : int
        The cue, and the order of the difference.
    carry : float64 (B, N)
        The difference of that order; becomes that of the next.
    span : float
        From the oldest to the newest time of the next one.
    start, stop : int
        The units i.
    """
    largest, inverse = 0.0, 1.0 / span
    for i in range(np.uint64(start), np.uint64(stop)):
        value = (carry[b, i] - dd[b, j, i]) * inverse
        dd[b, j, i] = carry[b, i]
        carry[b, i] = value
        largest = larger(largest, abs(value))
    return largest


@inner
def _remember(steps, segments, b, time, carry, below, above):
    """Add `time` and the drive in carry[b] to the history.

    `below` and `above` get max |dd| by segment, of one order less and one more than in use.

    Parameters
    ----------
    steps, segments : Steps, Segments
    b : int
        The cue.
    time : float
    carry : float64 (B, N)
        The drive; used up.
    below, above : float64 (S,)
    """
    cue = steps.cues[b]
    k = cue.order
    # No more than the next step can need, whose order is at most one more.
    kept = min(cue.known + 1, k + 3, HISTORY)
    for s in range(len(segments.rate)):
        start, stop = segments.start[s], segments.start[s + 1]
        for j in range(1, kept):
            span = time - steps.past[b, j - 1]
            largest = _push(steps.dd, b, j - 1, carry, span, start, stop)
            if j == k - 1:
                below[s] = largest
            elif j == k + 1:
                above[s] = largest
        for i in range(start, stop):
            steps.dd[b, kept - 1, i] = carry[b, i]
    for j in range(kept - 1, 0, -1):
        steps.past[b, j] = steps.past[b, j - 1]
    steps.past[b, 0] = time
    cue.known = kept


@inner
def _interpolate(steps, segments, b, before, time, terms, scratch, outputs, row):
    """State at `time`, in the step just taken from `before`; steps.x is still the old state.

    Parameters
    ----------
    steps, segments : Steps, Segments
    b : int
        The cue.
    before, time : float
        The start of the step, and the time that is asked for.
    terms : int
        Divided differences that count.
    scratch : Scratch
    outputs, row : float64 (B, T, X), int
        The state is written to outputs[b, row].
    """
    h, x, dd = time - before, steps.x, steps.dd
    units = dd.shape[2]
    nodes, weight = scratch.nodes, scratch.weight
    _scaled_nodes(steps.past, b, before, h, terms, nodes)
    for s in range(len(segments.rate)):
        start, stop = segments.start[s], segments.start[s + 1]
        rate, gain, lag = segments.rate[s], segments.gain[s], segments.lag[s]
        keep = state_weights(rate, gain, h, nodes, terms - 1, scratch, weight)
        _combine(x, NONE, keep, dd, weight, terms, b, start, stop, outputs[b], row)
        if lag > 0.0:
            keep, through = follower_weights(rate, gain, lag, h, nodes, terms - 1, scratch, weight)
            _combine(x, units, keep, dd, weight, terms, b, start, stop, outputs[b], row)
            _add(x, b, through, start, stop, outputs[b], row, units)


@inner
def _stretch(error, order):
    """How much longer a step could be that made this error."""
    return math.exp(-math.log(max(error, 1e-12)) / (order + 1))


@inner
def _choose(steps, segments, b, error, below, above, rtol, atol):
    """Order and size of the next step: the order that allows the longest one.

    Parameters
    ----------
    steps, segments : Steps, Segments
    b : int
        The cue.
    error : float
        Of the order in use, relative to the tolerance.
    below, above : float64 (S,)
        As for `_remember`.
    rtol, atol : float
    """
    cue = steps.cues[b]
    k = cue.order
    best, order = _stretch(error, k), k
    if k > 1:
        lower = _error(steps, segments, b, k - 1, below, rtol, atol)
        factor = _stretch(lower, k - 1)
        if factor > best:
            best, order = factor, k - 1
    if k < MAX_ORDER and cue.known > k + 1:
        higher = _error(steps, segments, b, k + 1, above, rtol, atol)
        factor = _stretch(higher, k + 1)
        if factor > best:
            best, order = factor, k + 1
    cue.order = order
    growth = FIRST_GROWTH if cue.accepted <= FIRST else GROWTH
    cue.h *= min(growth, max(SHRINK, SAFETY * best))


@inner
def _reject(steps, b, error, t1):
    """Try again with a shorter step; where it cannot get shorter the cue has ended."""
    cue, time = steps.cues[b], steps.past[b, 0]
    factor = SHRINK
    if math.isfinite(error):
        factor = max(SHRINK, SAFETY * _stretch(error, cue.order))
    cue.h *= factor
    cue.rejected += 1
    if cue.h < SHORTEST * time:
        if time - cue.jump > INSTANT * time:
            cue.jump, cue.crossing = time, 0
        cue.crossing += 1
    if _vanishes(steps, b, t1):
        cue.status = STALLED if math.isfinite(error) else DIVERGED


@inner
def _vanishes(steps, b, t1):
    """Whether the next step of cue b is lost in the rounding of times, and not the last to t1.

    Across a jump of an input steps may be as short as some roundings. A state that keeps crossing
    one is not getting on.
    """
    cue, time = steps.cues[b], steps.past[b, 0]
    share = 0.25 if 0 < cue.crossing <= CROSSING else 1e-3
    return cue.h < t1 - time and (time + share * cue.h == time or cue.h < 1e-200)


@inner
def _track(steps, b, time, terms, state, drives):
    """Write down the end of an accepted step, with the drive there."""
    if len(steps.track) == 0:
        return
    row = steps.tracked[0]
    steps.tracked[0] = row + 1
    record = steps.track[row]
    record.cue, record.time, record.terms = b, time, terms
    record.before = steps.cues[b].tracked if terms > 1 else -1
    steps.cues[b].tracked = row
    _copy(state, b, steps.track_x, row)
    _copy(drives, b, steps.track_drive, row)


@inner
def _recall(room, row):
    """Lay out the step that ended in this row of the track as the only cue."""
    track, dd, past = room.track, room.dd, room.past
    terms = track[row].terms
    begin = track[row].before
    for i in range(room.x.shape[1]):
        room.x[0, i] = room.track_x[begin, i]
    q = row
    for j in range(terms):
        past[0, j] = track[q].time
        for i in range(dd.shape[2]):
            dd[0, j, i] = room.track_drive[q, i]
        q = track[q].before
    for order in range(1, terms):
        for j in range(terms - 1, order - 1, -1):
            inverse = 1.0 / (past[0, j] - past[0, j - order])
            for i in range(dd.shape[2]):
                dd[0, j, i] = (dd[0, j, i] - dd[0, j - 1, i]) * inverse


@compiled
def states_within(room, segments, rows, times, scratch, found):
    """States at some times within tracked steps, as `advance` would have recorded them.

    Parameters
    ----------
    room : Room
    segments : Segments
    rows : int64 (n,)
        Of the track, where the steps end.
    times : float64 (n,)
    scratch : Scratch
    found : float64 (1, n, X)
        Becomes the states.
    """
    laid = NONE - 1
    for k in range(len(rows)):
        row, time = rows[k], times[k]
        before = room.track[row].before
        if before < 0 or time >= room.track[row].time:
            for i in range(found.shape[2]):
                found[0, k, i] = room.track_x[row, i]
            continue
        if row != laid:
            _recall(room, row)
            laid = row
        start, terms = room.track[before].time, room.track[row].terms
        if time > start:
            _interpolate(room, segments, 0, start, time, terms, scratch, found, k)
        else:
            for i in range(found.shape[2]):
                found[0, k, i] = room.track_x[before, i]


@inner_vectorised
def _largest(x, b, start, stop):
    """Largest |x[b, i]|."""
    largest = 0.0
    for i in range(np.uint64(start), np.uint64(stop)):
        largest = larger(largest, abs(x[b, i]))
    return largest


@inner
def _take(steps, segments, b):
    """Make `new` the state; the largest |x| of it."""
    largest = 0.0
    for s in range(len(segments.rate)):
        layer = segments.layer[s]
        size = _largest(steps.new, b, segments.start[s], segments.start[s + 1])
        steps.scale[b, layer] = max(steps.scale[b, layer], size)
        largest = max(largest, steps.scale[b, layer])
    _copy(steps.new, b, steps.x, b)
    return largest


@inner
def advance(steps, segments, b, drives, finite, rtol, atol, t1, times, outputs, scratch):
    """Accept or reject the corrected step of cue b; whether it was accepted.

    States at output times within the step are written to outputs[b]. drives[b] is used up.

    Parameters
    ----------
    steps, segments : Steps, Segments
    b : int
        The cue.
    drives : float64 (B, N)
    finite : bool
        Whether the drive of this cue is.
    rtol, atol : float
        Tolerances of a step.
    t1 : float
        The end of the run.
    times, outputs : float64 (T,), float64 (B, T, X)
        Output times, and the states there.
    scratch : Scratch
    """
    cue = steps.cues[b]
    cue.evaluated += 1
    largest, below, above = scratch.largest, scratch.below, scratch.above
    for s in range(len(segments.rate)):
        largest[s] = steps.weight[b, s, 2] / cue.lead
    error = np.inf
    if finite:
        error = _error(steps, segments, b, cue.order, largest, rtol, atol)
    if not error <= 1.0:
        _reject(steps, b, error, t1)
        return False
    cue.accepted += 1
    before = steps.past[b, 0]
    across = cue.h < SHORTEST * before
    after = min(before + cue.h, t1)
    if cue.h == cue.stop - before:
        after = cue.stop
    terms = cue.order + 1
    _track(steps, b, after, terms, steps.new, drives)
    _remember(steps, segments, b, after, drives, below, above)
    while cue.written < len(times) and times[cue.written] <= after:
        row = cue.written
        if times[row] < after:
            _interpolate(steps, segments, b, before, times[row], terms, scratch, outputs, row)
        else:
            _copy(steps.new, b, outputs[b], row)
        cue.written += 1
    if _take(steps, segments, b) > cue.limit:
        cue.status = DIVERGED
    elif after >= t1:
        cue.status = TIME_LIMIT
    _choose(steps, segments, b, error, below, above, rtol, atol)
    if across:  # what was before says nothing of what comes, nor does the way to a stop
        cue.known, cue.order = 1, 1
        cue.h = max(cue.h, (1.0 if after == cue.stop else 0.01) * SHORTEST * after)
    cue.h = min(cue.h, t1 - after)
    return True


@linked
def predict_running(steps, segments, scratch, cues):
    """Choose where to evaluate the drive of every running cue: at steps.new, at its `time`.

    Lists these cues in `cues` and returns their number.
    """
    size = 0
    for b in range(len(steps.cues)):
        status = steps.cues[b].status
        if status < RUNNING:
            continue
        if status == RUNNING:
            room = steps.cues[b].stop - steps.past[b, 0]
            landing = steps.cues[b].h > 0.999 * room  # else a very short step would be left
            if landing:
                steps.cues[b].h = room
            predict(steps, segments, b, scratch)
            time = steps.past[b, 0] + steps.cues[b].h
            steps.cues[b].time = steps.cues[b].stop if landing else time
        else:
            _copy(steps.x, b, steps.new, b)
            steps.cues[b].time = steps.past[b, 0]
        cues[size] = b
        size += 1
    return size


@inner_vectorised
def _distance(drives, leak, state, b, start, stop):
    """Largest |drive - leak x| and the sum of them, which a NaN does not leave finite."""
    largest, total = 0.0, 0.0
    for i in range(np.uint64(start), np.uint64(stop)):
        size = abs(drives[b, i] - leak * state[b, i])
        total += size
        largest = larger(largest, size)
    return largest, total


@inner
def residual(segments, drives, state, b):
    """Largest |tau dx/dt| = |drive - leak x| of cue b, NaN where the drive is not a number."""
    worst = 0.0
    for s in range(len(segments.rate)):
        leak = segments.rate[s] / segments.gain[s]
        start, stop = segments.start[s], segments.start[s + 1]
        largest, total = _distance(drives, leak, state, b, start, stop)
        if not math.isfinite(total):
            return np.nan
        worst = max(worst, largest)
    return worst


@inner
def _start(steps, segments, b, drives, times, outputs):
    """Begin the history, the scale of each layer and the outputs."""
    cue = steps.cues[b]
    largest = 0.0
    for s in range(len(segments.rate)):
        layer = segments.layer[s]
        for i in range(segments.start[s], segments.start[s + 1]):
            steps.dd[b, 0, i] = drives[b, i]
            size = max(abs(steps.x[b, i]), abs(drives[b, i]))
            steps.scale[b, layer] = max(steps.scale[b, layer], size)
            largest = max(largest, size)
    cue.limit = BLOW_UP * (1.0 + largest)
    cue.evaluated = cue.known = cue.order = 1
    cue.floor = np.inf
    cue.status = RUNNING
    _track(steps, b, 0.0, 1, steps.x, drives)
    if times[0] == 0.0:
        _copy(steps.x, b, outputs[b], NONE)
        cue.written = 1


@inner
def _look(steps, segments, b, drives, tolerance, t1):
    """Settle a quiet cue, or let it go on, by the drive at its state."""
    cue = steps.cues[b]
    cue.evaluated += 1
    # One by one: the larger of a number and NaN may be the number.
    if residual(segments, drives, steps.x, b) <= tolerance and cue.beside <= tolerance:
        cue.status = SETTLED
    elif steps.past[b, 0] >= t1:
        cue.status = TIME_LIMIT
    else:
        cue.status = RUNNING


@inner
def _finish(steps, segments, b, drives, rtol, atol, tolerance, t1, times, outputs, scratch):
    """Correct and accept or reject the proposed step.

    The drive belongs to the prediction, not to the state that is accepted: a cue that seems to
    have settled is only quiet, until the drive is evaluated there.

    Parameters
    ----------
    steps, segments : Steps, Segments
    b : int
        The cue.
    drives : float64 (B, N)
    rtol, atol : float
        Tolerances of a step.
    tolerance : float
        Of what has settled; 0 if nothing settles.
    t1 : float
        The end of the run.
    times, outputs : float64 (T,), float64 (B, T, X)
        Output times, and the states there.
    scratch : Scratch
    """
    cue = steps.cues[b]
    finite = correct(steps, segments, b, drives)
    distance = change = noise = 0.0
    if tolerance > 0.0:
        for s in range(len(segments.rate)):
            change = max(change, steps.weight[b, s, 2])
            noise = max(noise, NOISE * steps.scale[b, segments.layer[s]])
        distance = max(residual(segments, drives, steps.new, b), change)
    accepted = advance(steps, segments, b, drives, finite, rtol, atol, t1, times, outputs, scratch)
    if accepted and tolerance > 0.0:
        # Much less than the distance: steps at the border of what is stable, which a tenth would
        # let pass, could keep the cue at that distance for good.
        cue.floor = 0.02 * max(distance, tolerance)
        # Where what is left is a drive that turns about at each step, they are at that border. At a
        # jump it turns about however short they are.
        if change > max(0.5 * distance, noise):
            cue.h = min(cue.h, 0.5 * (steps.past[b, 0] - steps.past[b, 1]))
        late = steps.past[b, 0] >= cue.settles_from
        near = distance <= tolerance or cue.status == TIME_LIMIT
        if near and late and cue.status != DIVERGED:
            cue.status = QUIET
    if cue.status == RUNNING and (cue.evaluated >= cue.most or _vanishes(steps, b, t1)):
        cue.status = STALLED


@linked
def finish_running(
    steps, segments, cues, size, drives, rtol, atol, tolerance, t1, times, outputs, scratch
):
    """Use drives[b], evaluated at steps.new[b], for the listed cues.

    Parameters
    ----------
    steps, segments : Steps, Segments
    cues, size : int64 (C,), int
        The first `size` of these are used.
    drives : float64 (B, N)
    rtol, atol : float
        Tolerances of a step.
    tolerance : float
        Of what has settled; 0 if nothing settles.
    t1 : float
        The end of the run.
    times, outputs : float64 (T,), float64 (B, T, X)
        Output times, and the states there.
    scratch : Scratch
    """
    for c in range(size):
        b = cues[c]
        if steps.cues[b].status == STARTING:
            _start(steps, segments, b, drives, times, outputs)
        elif steps.cues[b].status == QUIET:
            _look(steps, segments, b, drives, tolerance, t1)
        else:
            _finish(steps, segments, b, drives, rtol, atol, tolerance, t1, times, outputs, scratch)
