"""Steps of memories on Identity features with noise, compiled: each cue takes lengths of its own.

Features v obey  tau dv = (N - v) dt + noise,  and the drive N is their memories' alone. What v does
while N goes on a straight line is exact, with its noise, white or coloured, and so is what memories
see of it (see `noise_moves`): the length of a step is limited by the changes of N alone. A step
predicts v with N and its slope as they were in the last one, evaluates N there, and corrects by the
straight line to that. A parabola through older values would weigh the last jolt by the ratio of two
lengths, the second of which depends on that jolt: means would be wrong by its root.

How steep N may get within a step is known before, where memories share a softmax: with all but one
memory at odds o of being attended to, N has the slope beta E o / (1 + o)^2 at most, for memories at
a distance whose square is E, if o < 1; see `_slope` for others. log o moves by noise of known
variance, and as it did in the last step. None of this looks ahead: the law of the noise does not
depend on the lengths that are chosen. Other memories have one length.

Noise of memories moves N as fast as their tau, however flat N is: its variance by that is
2 T s^2 / E at the slope s. Where that is not small beside the noise of features themselves, steps
are at most half of that tau.
"""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..compiled.bundle import bundle
from ..compiled.jit import compiled, inner, inner_elementwise, inner_vectorised
from ..compiled.normal import draw_row
from ..compiled.streams import mixed
from ..compiled.vectors import larger
from ..neurons import ENTMAX, SOFTMAX
from .adams import BLOW_UP
from .memory_force import entmax_force, local_force, softmax_force
from .noise_moves import (
    DRAW,
    KEEP,
    LAW,
    LEFT,
    MOVES,
    PULL,
    RISE,
    WHOLE,
    bridge,
    copy_moves,
    factor,
    moves,
    twice,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]

# Behind the moves of a step.
ROOT = MOVES

# Durations are whole numbers of ticks, 2^_FINE of them in the shortest step; two moments that are
# nearer than _SAME ticks are one.
_FINE, _SAME = 30, 128
# More shortest steps than the longest one has.
_FAR = 2.0**32


@bundle
class Units(NamedTuple):
    """The units of a layer, a chain of n links each, one row per cue.

    Links are coloured noise, if there is any; the state; and, of features, what memories with a
    tau see of them. Of memories the state is what they have beside Xi y + b. A run is some units of
    one tau.
    """

    lead: int  # the link that is the state
    driven: bool  # by memories
    x: Floats  # (B, n, U) at the beginning of the step
    new: Floats  # (B, n, U) at its end
    jolt: Floats  # (B, n, U) what noise adds in it
    root: Floats  # (B, U) roots of the temperatures
    warmth: Floats  # (B,) the largest temperature, 0 without noise
    first: int  # of the random numbers of a cue
    numbers: Floats  # (n, U) random ones
    between: Floats  # (3, n, U) of a cue: at the last look, and at the next edge; and room
    start: Ints  # (R + 1,) units of the runs, and where they end
    rate: Floats  # (R, n) of the links
    strength: Floats  # (R,) of the noise
    table: Floats  # (levels, R, MOVES + 1, n, n) moves of steps, and the roots of covariances
    times: Ints  # (S,) durations whose moves are kept, -1 for none,
    moves: Floats  # (S, R, MOVES, n, n) which are these
    pairs: Ints  # (S, 2) durations before and behind a look whose bridges are kept,
    bridges: Floats  # (S, R, BRIDGE, n, n) which are these
    near: Floats  # (R, MOVES, n, n) moves before a look
    room: Floats  # (ROOM, n, n)
    colour: Floats  # (B, U) coloured noise at the last look, (B, 0) for none


# What is known of a cue beside its state.
CUE = np.dtype([
    ("coldest", np.float64),  # the least temperature of features that are free
    ("limit", np.float64),  # |x| beyond which it has diverged
    ("taken", np.int64),  # steps so far
    ("begin", np.int64),  # where the step begins, in shortest steps
    ("level", np.int64),  # its length: 2^level shortest steps
    ("last", np.int64),  # likewise of the step before, -1 at first
    ("logit", np.float64),  # log of the odds at its beginning
    ("fall", np.float64),  # how fast they come nearer to 1, per shortest step
    ("bent", np.float64),  # sum of the squares of what bends of the drive have moved features by,
    ("jolted", np.float64),  # and of their jolts, where all steps have one length
])  # fmt: skip


@bundle
class Path(NamedTuple):
    """Everything that moves, one row per cue."""

    features: Units
    memories: Units  # none of them if they have no tau
    first: Floats  # (B, D) drive of features at the beginning of the step
    slope: Floats  # (B, D) change of the drive that it goes on with
    rise: Floats  # (D,) change of the drive of a cue in its last step
    held: NDArray[np.bool_]  # (B, D) features that keep their value, (B, 0) for none
    place: Keys  # (B,) of the cue in the batch of the user
    cues: Any  # (B,) records of the type CUE
    known: NDArray[np.bool_]  # (1,) whether there are drives


@bundle
class Rule(NamedTuple):
    """What holds for all steps."""

    shortest: float  # step
    edge: int  # shortest steps from edge to edge: states there depend on no other look
    spread: Floats  # (levels, 2) variance of log odds by features and by memories
    beta: float
    apart: float  # beta E, see above
    scatter: float  # beta times the largest eigenvalue of the scatter of memories
    steep: float  # length of a step at most, over the time in which N changes the state by itself
    foreseen: float  # standard deviations of noise within a step
    least: float  # odds below this are rounding
    speed: float  # the largest rate of a feature
    inertia: float  # that, times the tau of memories
    quiet: int  # the longest level that noise of memories allows
    stirred: (
        float  # variance that it gives features, over that of their own noise, if that is small
    )
    first: int  # level of the first step
    step_key: np.uint64  # of the random numbers of steps,
    look_key: np.uint64  # and of those between
    moment: np.uint64  # the bits of the time at which the run begins


@bundle
class Looks(NamedTuple):
    """When states are recorded; the last time is where cues end."""

    time: Floats  # (T,)
    moments: Keys  # (T,) the bits of these times for the user
    states: Floats  # (T, all cues, M) links from the state on, of features and then of memories
    ahead: int  # cues before these
    next: Ints  # (B,) look that comes next for a cue


# Loops over units count in unsigned integers, see `adams`.


@inner_elementwise
def _copy(values, out):
    for j in range(np.uint64(len(values))):
        out[j] = values[j]


@inner_elementwise
def _scale(values, factor):
    for j in range(np.uint64(len(values))):
        values[j] *= factor


@inner_elementwise
def _clear(values):
    for j in range(np.uint64(len(values))):
        values[j] = 0.0


@inner_elementwise
def _bend(start, moved, lead, first, slope, second, new):
    """Let new links follow the bend of the drive.

    Parameters
    ----------
    start : int64 (R + 1,)
    moved : float64 (R, MOVES, n, n)
    lead : int
    first, slope, second : float64 (D,)
        The drive and its change that were foreseen; the drive at the end.
    new : float64 (n, U)
    """
    for run in range(len(moved)):
        a, z = np.uint64(start[run]), np.uint64(start[run + 1])
        for i in range(lead, len(new)):
            gain = moved[run, RISE, i, lead]
            for j in range(a, z):
                new[i, j] += gain * (second[j] - first[j] - slope[j])


@inner_elementwise
def _change(first, second, out):
    """out = second - first."""
    for j in range(np.uint64(len(out))):
        out[j] = second[j] - first[j]


@inner_elementwise
def _keep(held, x, new):
    """Clamped features stay."""
    for j in range(np.uint64(len(held))):
        new[j] = x[j] if held[j] else new[j]


@inner_vectorised
def _largest(x):
    """The largest |x|, and a sum that a NaN does not leave finite."""
    largest, total = 0.0, 0.0
    for j in range(np.uint64(len(x))):
        largest = larger(largest, abs(x[j]))
        total += abs(x[j])
    return largest, total


@inner_vectorised
def _squares(first, slope, second, jolt):
    """Of the driven features with noise: sums of squares of what the drive bends, and of jolts."""
    bent, jolted = 0.0, 0.0
    for j in range(np.uint64(len(jolt))):
        counts = jolt[j] != 0.0 and first[j] != 0.0
        rest = second[j] - first[j] - slope[j]
        bent += rest * rest if counts else 0.0
        jolted += jolt[j] * jolt[j] if counts else 0.0
    return bent, jolted


# Chains of links, of features and memories alike: values are (n, U), matrices (n, n) by run.


@inner_elementwise
def _copy_links(values, out):
    for i in range(len(out)):
        for j in range(np.uint64(out.shape[1])):
            out[i, j] = values[i, j]


@inner_elementwise
def _kick(start, moved, heat, numbers, jolt):
    """What noise adds in a step, by the roots of its law and those of temperatures, `heat`."""
    for run in range(len(moved)):
        a, z = np.uint64(start[run]), np.uint64(start[run + 1])
        for i in range(len(jolt)):
            for k in range(i + 1):
                root = moved[run, ROOT, i, k]
                for j in range(a, z):
                    before = jolt[i, j] if k > 0 else 0.0
                    jolt[i, j] = before + root * heat[j] * numbers[k, j]


@inner_elementwise
def _between(start, bridges, heat, numbers, low, end, out):
    """Links at a look, given them at the last one and at an end, but for what drives them.

    Parameters
    ----------
    start : int64 (R + 1,)
    bridges : float64 (R, BRIDGE, n, n)
    heat, numbers : float64 (U,), float64 (n, U)
        Roots of temperatures, and independent numbers.
    low, end, out : float64 (n, U)
    """
    for run in range(len(bridges)):
        a, z = np.uint64(start[run]), np.uint64(start[run + 1])
        for i in range(len(out)):
            for k in range(len(out)):
                keep, pull = bridges[run, KEEP, i, k], bridges[run, PULL, i, k]
                draw = bridges[run, DRAW, i, k]
                for j in range(a, z):
                    before = out[i, j] if k > 0 else 0.0
                    given = keep * low[k, j] + pull * end[k, j]
                    out[i, j] = before + given + draw * heat[j] * numbers[k, j]


@inner_elementwise
def _go(start, moved, x, noise, out):
    """out: where links go by themselves, and what noise has added."""
    for run in range(len(moved)):
        a, z = np.uint64(start[run]), np.uint64(start[run + 1])
        for i in range(len(out)):
            for k in range(i + 1):
                left = moved[run, LEFT, i, k]
                for j in range(a, z):
                    before = out[i, j] if k > 0 else noise[i, j]
                    out[i, j] = before + left * x[k, j]


@inner_elementwise
def _drive(start, moved, lead, first, slope, past, share, out):
    """Add what a drive does to links: between two states also to those before `lead`.

    Parameters
    ----------
    start : int64 (R + 1,)
    moved : float64 (R, MOVES or BRIDGE, n, n)
    lead : int
    first, slope : float64 (D,)
        The drive at some moment, and its change from there to another.
    past, share : float
        How much of that change comes before the time of `moved`, and in it.
    out : float64 (n, U)
    """
    for run in range(len(moved)):
        a, z = np.uint64(start[run]), np.uint64(start[run + 1])
        for i in range(len(out)):
            whole = moved[run, WHOLE, i, lead]
            rise = past * whole + share * moved[run, RISE, i, lead]
            for j in range(a, z):
                out[i, j] += whole * first[j] + rise * slope[j]


@inner
def _draw_numbers(units, own, b):
    """Random numbers for a cue, from a stream of its own."""
    for i in range(len(units.numbers)):
        draw_row(own, units.first + i * units.numbers.shape[1], units.numbers, i)


@inner
def _step(units, own, b, level, first, slope):
    """units.new of a cue by the noise, and by the drives so far."""
    jolt, moved, new = units.jolt[b], units.table[level], units.new[b]
    if units.warmth[b] > 0.0:
        _draw_numbers(units, own, b)
        _kick(units.start, moved, units.root[b], units.numbers, jolt)
    _go(units.start, moved, units.x[b], jolt, new)
    if units.driven:
        _drive(units.start, moved, units.lead, first, slope, 0.0, 1.0, new)


@inner
def _slot(one, other, kept):
    """Where what belongs to two numbers is kept."""
    return np.int64(mixed(np.uint64(one), np.uint64(other)) % np.uint64(kept))


@inner
def _moves_of(units, shortest, ticks):
    """Where the moves for a duration are kept: looks are often evenly spaced."""
    slot = _slot(ticks, 1, len(units.times))
    if units.times[slot] != ticks:
        units.times[slot] = ticks
        time = shortest * ticks / (1 << _FINE)
        for run in range(len(units.rate)):
            moves(units.rate[run], units.strength[run], time, units.room, units.moves[slot, run])
    return slot


@inner
def _bridges_of(units, shortest, before, behind):
    """Where the bridges for these ticks, since one moment and to another, are kept."""
    slot = _slot(before, behind, len(units.times))
    if units.pairs[slot, 0] != before or units.pairs[slot, 1] != behind:
        units.pairs[slot, 0], units.pairs[slot, 1] = before, behind
        ahead = units.moves[_moves_of(units, shortest, before)]
        for run in range(len(units.rate)):
            copy_moves(ahead[run], units.near[run])
        after = units.moves[_moves_of(units, shortest, behind)]
        share = before / (before + behind)
        for run in range(len(units.rate)):
            bridge(units.near[run], after[run], share, units.room, units.bridges[slot, run])
    return slot


@inner
def _cross(path, units, shortest, own, b, moment, end, low, out):
    """units.between[out] of a cue, from units.between[low] and what links are at an end.

    Parameters
    ----------
    path : Path
    units : Units
    shortest : float
    own : uint64
        Stream of the random numbers.
    b : int
    moment : (int, int, int)
        Ticks from the beginning of the step to `low`, from there to the moment, and on to the end.
    end : float64 (n, U)
    low, out : int
    """
    past, before, behind = moment
    if units.warmth[b] > 0.0:
        _draw_numbers(units, own, b)
    found = units.bridges[_bridges_of(units, shortest, before, behind)]
    links = units.between[out]
    _between(units.start, found, units.root[b], units.numbers, units.between[low], end, links)
    if units.driven:
        length = 1 << (path.cues[b].level + _FINE)
        share = (before + behind) / length
        _drive(
            units.start, found, units.lead, path.first[b], path.rise, past / length, share, links
        )


@inner
def _record_links(units, b, values, out, place):
    """Record links of a cue at a look; the place behind them."""
    if units.lead > 0:
        _copy(values[0], units.colour[b])
    return _write(units, values, out, place)


@inner
def _write(units, values, out, place):
    """Copy links from the state on; the place behind them."""
    size = values.shape[1]
    for i in range(units.lead, len(values)):
        _copy(values[i], out[place : place + size])
        place += size
    return place


# Steps of a cue.


@inner
def _propose(path, rule, b):
    """Where a cue goes by the drives so far."""
    moment = mixed(rule.step_key, rule.moment)
    own = mixed(mixed(moment, np.uint64(path.cues[b].begin)), path.place[b])
    first, slope, level, lead = path.first[b], path.slope[b], path.cues[b].level, path.features.lead
    _step(path.features, own, b, level, first, slope)
    _step(path.memories, own, b, level, first, slope)
    _keep(path.held[b], path.features.x[b, lead], path.features.new[b, lead])


@inner
def _show(path, b, new, rest):
    """Put new states where the compiled drive reads them."""
    _write(path.features, path.features.new[b], new[b], 0)
    _write(path.memories, path.memories.new[b], rest[b], 0)


@inner
def _measure(path, b, second):
    """How much the drive has bent within a step, beside the jolts.

    The parabola through all drives would move features by a sixth of what the bend does.
    """
    features, level = path.features, path.cues[b].level
    for run in range(len(features.rate)):
        a, z = features.start[run], features.start[run + 1]
        gain = features.table[level, run, RISE, features.lead, features.lead] / 6.0
        jolt = features.jolt[b, features.lead, a:z]
        bent, jolted = _squares(path.first[b, a:z], path.slope[b, a:z], second[b, a:z], jolt)
        path.cues[b].bent += gain * gain * bent
        path.cues[b].jolted += jolted


@inner
def _correct(path, b, second):
    """Let new states follow all drives; whether the cue has not diverged."""
    features, first, slope = path.features, path.first[b], path.slope[b]
    new, lead, moved = features.new[b], features.lead, features.table[path.cues[b].level]
    _bend(features.start, moved, lead, first, slope, second[b], new)
    _keep(path.held[b], features.x[b, lead], new[lead])
    for i in range(lead, len(new)):
        largest, total = _largest(new[i])
        if not (largest < path.cues[b].limit and math.isfinite(total)):
            return False
    return True


@inner
def _arrive(path, b, second):
    """Let a cue be at the end of its step; the next slope is the change of the drive in it."""
    _change(path.first[b], second[b], path.slope[b])
    _copy(second[b], path.first[b])
    _copy_links(path.features.new[b], path.features.x[b])
    _copy_links(path.memories.new[b], path.memories.x[b])


# Lengths of steps.


@inner
def _logit(total, least):
    """The log of the odds: what the leading memory is not given, over what it is."""
    return math.log(max(total - 1.0, least))


@inner
def _slope(rule, logit, move):
    """How steep the drive may be where log odds are no further than that from these.

    Where no memory leads, none has a larger share than 1 / (1 + o): beta times their scatter over
    1 + o is a bound, which is far lower than beta E where all of many differ, but not where there
    are some for each of few places.
    """
    if logit + move < 0.0:
        odds = math.exp(logit + move)
        return rule.apart * odds / (1.0 + odds) ** 2
    return min(rule.apart / 4.0, rule.scatter / (1.0 + math.exp(max(logit - move, 0.0))))


@inner
def _growth(rule, slope):
    """The rate at which a drive of that slope may change a state by itself.

    Memories with a tau delay that: growth of v and h at the slope s is of rate g - 1, in the unit
    of the features, with  g (1 + inertia (g - 1)) = s.
    """
    if slope <= 1.0:
        return slope
    inertia = rule.inertia
    root = math.sqrt((1.0 + inertia) ** 2 + 4.0 * inertia * (slope - 1.0))
    return 1.0 + 2.0 * (slope - 1.0) / (1.0 + inertia + root)


@inner
def _choose(path, rule, b):
    """The length of the next step: at most twice that of the last one."""
    most = min(path.cues[b].level + 1, len(rule.spread) - 1)
    warmth, stirring, level = path.features.warmth[b], path.memories.warmth[b], 0
    while level < most:
        longer = level + 1
        variance = warmth * rule.spread[longer, 0] + stirring * rule.spread[longer, 1]
        move = rule.foreseen * math.sqrt(variance) + path.cues[b].fall * 2.0**longer
        slope = _slope(rule, path.cues[b].logit, move)
        length = rule.speed * rule.shortest * 2.0**longer
        if _growth(rule, slope) * length * (1.0 + 2.0 * length) > rule.steep:
            break
        stirs = 2.0 * stirring * rule.beta * slope**2
        if longer > rule.quiet and stirs > rule.stirred * path.cues[b].coldest * rule.apart:
            break
        level = longer
    path.cues[b].level = level


@inner
def _go_on(path, rule, b, total):
    """Choose the next step of a cue, by the odds at its beginning."""
    length, before = 2.0 ** path.cues[b].level, path.cues[b].logit
    path.cues[b].begin += 1 << path.cues[b].level
    path.cues[b].last = path.cues[b].level
    path.cues[b].logit = _logit(total, rule.least)
    path.cues[b].fall = max(abs(before) - abs(path.cues[b].logit), 0.0) / length
    path.cues[b].taken += 1
    _choose(path, rule, b)
    _scale(path.slope[b], 2.0 ** (path.cues[b].level - path.cues[b].last))


# Looks.


@inner
def _record(path, looks, b, at):
    """Record `between[at]` of a cue at its next look."""
    features, memories = path.features, path.memories
    out = looks.states[looks.next[b], looks.ahead + b]
    place = _record_links(features, b, features.between[at], out, 0)
    _record_links(memories, b, memories.between[at], out, place)
    _keep(path.held[b], features.x[b, features.lead], out)
    looks.next[b] += 1


@inner
def _hold(path, looks, b):
    """Record the end of a step at the next look of a cue."""
    out = looks.states[looks.next[b], looks.ahead + b]
    place = _record_links(path.features, b, path.features.new[b], out, 0)
    _record_links(path.memories, b, path.memories.new[b], out, place)
    looks.next[b] += 1


@inner
def _ticks(rule, looks, n, begin):
    """From the beginning of a step to a look."""
    ahead = max(looks.time[n] / rule.shortest - begin, 0.0)
    return np.int64(np.rint(min(ahead, _FAR) * (1 << _FINE)))


@inner
def _look(path, rule, looks, b, second):
    """Draw and record what lies in the last step of a cue.

    Within the step the drive goes from the first to the second on a straight line. States at edges
    are drawn before those between them: so that these change nothing there, a look between edges is
    given the states at both.
    """
    begin, length = path.cues[b].begin, 1 << (path.cues[b].level + _FINE)
    shortest, place = rule.shortest, path.place[b]
    known, until = 0, 0  # ticks to the last moment found, and to the next edge or end,
    low, end, room = 0, 1, 2  # and where these stand
    edge = (begin // rule.edge + 1) * rule.edge
    while looks.next[b] < len(looks.time):
        n = looks.next[b]
        look = _ticks(rule, looks, n, begin)
        if look > length + _SAME:
            break
        if look >= length - _SAME:
            _hold(path, looks, b)
            continue
        if until == 0:
            _change(path.first[b], second[b], path.rise)
            for units in (path.features, path.memories):
                _copy_links(units.x[b], units.between[end])
        while until == 0 or until < look - _SAME:
            low, end = end, low
            known, until = until, min((edge - begin) << _FINE, length)
            own = mixed(mixed(mixed(rule.look_key, rule.moment), np.uint64(edge)), place)
            moment = known, until - known, length - until
            for units in (path.features, path.memories):
                if until == length:
                    _copy_links(units.new[b], units.between[end])
                else:
                    _cross(path, units, shortest, own, b, moment, units.new[b], low, end)
            edge += rule.edge
        if look >= until - _SAME:
            _record(path, looks, b, end)
            continue
        own = mixed(mixed(rule.look_key, looks.moments[n]), place)
        moment = known, look - known, until - look
        for units in (path.features, path.memories):
            _cross(path, units, shortest, own, b, moment, units.between[end], low, room)
        known, low, room = look, room, low
        _record(path, looks, b, low)


# The loop.


@inner
def _fill(units, shortest):
    """Moves of steps of all lengths, each from those of its half."""
    for run in range(len(units.rate)):
        moved = units.table[:, run]
        moves(units.rate[run], units.strength[run], shortest, units.room, moved[0])
        for level in range(len(moved)):
            if level > 0:
                copy_moves(moved[level - 1], moved[level])
                twice(units.room, moved[level])
            factor(moved[level, LAW], moved[level, ROOT])


@inner
def _stirred(units, level):
    """Variance that noise of temperature 1 adds in a step to what memories see of these units."""
    most, last = 0.0, units.rate.shape[1] - 1
    for run in range(len(units.rate)):
        m, rate = units.table[level, run], units.rate[run, 0]
        variance = m[LAW, last, last]
        if units.lead > 0:  # and that of the colour at the beginning, of its stationary law
            variance += m[LEFT, last, 0] ** 2 * units.strength[run] / (2.0 * rate)
        most = max(most, variance)
    return most


@inner
def _prepare(path, rule):
    """Moves of all lengths, and how far log odds get in them."""
    _fill(path.features, rule.shortest)
    _fill(path.memories, rule.shortest)
    for level in range(len(rule.spread)):
        rule.spread[level, 0] = rule.beta * rule.apart * _stirred(path.features, level)
        rule.spread[level, 1] = 2.0 * rule.beta**2 * _stirred(path.memories, level)


@inner
def _hottest(units, b):
    """The largest temperature of a cue."""
    hottest = 0.0
    for j in range(units.root.shape[1]):
        hottest = max(hottest, units.root[b, j] ** 2)
    return hottest


@inner
def _size_up(path, rule, b):
    """What limits a cue, by its temperatures and its first state."""
    path.cues[b].level = rule.first - 1
    path.cues[b].last = -1
    features, memories, held = path.features, path.memories, path.held
    features.warmth[b], memories.warmth[b] = _hottest(features, b), _hottest(memories, b)
    path.cues[b].coldest = np.inf
    for j in range(features.root.shape[1]):
        if held.shape[1] == 0 or not held[b, j]:
            path.cues[b].coldest = min(path.cues[b].coldest, features.root[b, j] ** 2)
    largest = 0.0
    for units in (features, memories):
        for i in range(units.lead, units.x.shape[1]):
            largest = max(largest, _largest(units.x[b, i])[0])
    warmth = max(features.warmth[b], memories.warmth[b])
    path.cues[b].limit = BLOW_UP * (1.0 + largest + math.sqrt(warmth))


@inner
def _ask(path, rule, memories, steps, cues, size):
    """Propose the end of a step of each cue; at first, where it begins."""
    known = path.known[0]
    if not known:
        _prepare(path, rule)
    for place in range(size):
        b = cues[place]
        if known:
            _propose(path, rule, b)
        else:
            _size_up(path, rule, b)
            _copy_links(path.features.x[b], path.features.new[b])
            _copy_links(path.memories.x[b], path.memories.new[b])
        _show(path, b, steps.new, memories.offset)


@inner
def _start(path, rule, looks, b, second, total):
    """Take in the first drive of a cue."""
    _arrive(path, b, second)
    _clear(path.slope[b])
    while looks.next[b] < len(looks.time):
        if _ticks(rule, looks, looks.next[b], 0) > _SAME:
            break
        _hold(path, looks, b)
    path.cues[b].logit = _logit(total, rule.least)
    _choose(path, rule, b)


@inner
def _settle(path, rule, looks, work, cues, size):
    """End a step by its drives; how many cues go on, which come first in `cues`."""
    second, left = work.drive, 0
    for place in range(size):
        b = cues[place]
        if not path.known[0]:
            _start(path, rule, looks, b, second, work.total[place])
        else:
            if not _correct(path, b, second):
                continue
            if len(rule.spread) == 1 and path.cues[b].last >= 0:
                _measure(path, b, second)
            _look(path, rule, looks, b, second)
            _arrive(path, b, second)
            _go_on(path, rule, b, work.total[place])
        if looks.next[b] < len(looks.time):
            cues[left] = b
            left += 1
    path.known[0] = True
    return left


# One loop for every kind of memory units, so that none compiles the code of the others.


@compiled
def softmax_walk(path, rule, looks, memories, steps, work, cues, size, sweeps):
    """Steps of all cues, for memory units that share a softmax; how many cues go on.

    Parameters
    ----------
    path, rule, looks : Path, Rule, Looks
    memories, steps, work : Memories, Steps, Work
        Of the compiled drive, which reads `steps.new` and `memories.offset`.
    cues, size : int64 (B,), int
        The first `size` of these run.
    sweeps : int
        The most steps of each.
    """
    for _ in range(sweeps if size > 0 else 0):
        _ask(path, rule, memories, steps, cues, size)
        softmax_force(memories, steps, cues, size, work)
        size = _settle(path, rule, looks, work, cues, size)
        if size == 0:
            break
    return size


@compiled
def entmax_walk(path, rule, looks, memories, steps, work, cues, size, sweeps):
    """Steps of all cues, for memory units that share a threshold; how many cues go on.

    Parameters
    ----------
    path, rule, looks : Path, Rule, Looks
    memories, steps, work : Memories, Steps, Work
        Of the compiled drive, which reads `steps.new` and `memories.offset`.
    cues, size : int64 (B,), int
        The first `size` of these run.
    sweeps : int
        The most steps of each.
    """
    for _ in range(sweeps if size > 0 else 0):
        _ask(path, rule, memories, steps, cues, size)
        entmax_force(memories, steps, cues, size, work)
        size = _settle(path, rule, looks, work, cues, size)
        if size == 0:
            break
    return size


@compiled
def local_walk(path, rule, looks, memories, steps, work, cues, size, sweeps):
    """Steps of all cues, for memory units with an output of their own each; how many go on.

    Parameters
    ----------
    path, rule, looks : Path, Rule, Looks
    memories, steps, work : Memories, Steps, Work
        Of the compiled drive, which reads `steps.new` and `memories.offset`.
    cues, size : int64 (B,), int
        The first `size` of these run.
    sweeps : int
        The most steps of each.
    """
    for _ in range(sweeps if size > 0 else 0):
        _ask(path, rule, memories, steps, cues, size)
        local_force(memories, steps, cues, size, work)
        size = _settle(path, rule, looks, work, cues, size)
        if size == 0:
            break
    return size


def walk_of(kind: int) -> Any:
    """The compiled loop for memory units of a kind."""
    return {SOFTMAX: softmax_walk, ENTMAX: entmax_walk}.get(kind, local_walk)
