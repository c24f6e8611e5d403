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
from ..compiled.jit import compiled, inner, inner_apart, inner_elementwise, inner_vectorised
from ..compiled.normal import pairs
from ..compiled.streams import mixed
from ..compiled.vectors import WIDTH, larger
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
    jolt: Floats  # (B, U) what noise adds to the state in it
    root: Floats  # (B, U) roots of the temperatures
    warmth: Floats  # (B,) the largest temperature, 0 without noise
    first: int  # of the random numbers of a cue
    numbers: Floats  # (1, n U and more) random ones, link by link
    between: Floats  # (4, n, U) of a cue: at two edges, and at two looks
    start: Ints  # (R + 1,) units of the runs, and where they end
    rate: Floats  # (R, n) of the links
    strength: Floats  # (R,) of the noise
    table: Floats  # (levels, R, MOVES + 1, n, n) moves of steps, and the roots of covariances
    times: Ints  # (S,) durations whose moves are kept, -1 for none,
    moves: Floats  # (S, R, MOVES, n, n) which are these
    known: Keys  # (1,) what the mean of a colour is known by, 0 for the colour itself,
    blur: Floats  # (R,) its variance about that,
    keys: Keys  # (S,) and that with durations before and behind a look whose bridges are kept,
    bridges: Floats  # (S, R, BRIDGE, n, n) which are these,
    blurs: Floats  # (S, R) with the variances there
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


@inner_apart
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


# Each number of links has code of its own: `links` is a tuple of that length.


@inner_apart
def _kick(links, start, moved, heat, numbers, out):
    """out: what noise adds in a step, by the roots of its law and those of temperatures, `heat`."""
    width = np.uint64(out.shape[1])
    for run in range(len(moved)):
        for j in range(np.uint64(start[run]), np.uint64(start[run + 1])):
            for i in range(len(links)):
                drawn = 0.0
                for k in range(len(links)):
                    drawn += moved[run, ROOT, i, k] * numbers[0, np.uint64(k) * width + j]
                out[i, j] = heat[j] * drawn


@inner_apart
def _go(links, start, moved, x, out):
    """Add to links where they go by themselves."""
    for run in range(len(moved)):
        for j in range(np.uint64(start[run]), np.uint64(start[run + 1])):
            for i in range(len(links)):
                for k in range(len(links)):
                    out[i, j] += moved[run, LEFT, i, k] * x[k, j]


@inner_apart
def _between(links, start, bridges, heat, numbers, low, end, out):
    """Links at a look, given them at the last one and at an end, but for what drives them.

    Parameters
    ----------
    links : tuple of int
    start : int64 (R + 1,)
    bridges : float64 (R, BRIDGE, n, n)
    heat, numbers : float64 (U,), float64 (1, n U and more)
        Roots of temperatures, and independent numbers.
    low, end, out : float64 (n, U)
    """
    width = np.uint64(out.shape[1])
    for run in range(len(bridges)):
        for j in range(np.uint64(start[run]), np.uint64(start[run + 1])):
            for i in range(len(links)):
                given, drawn = 0.0, 0.0
                for k in range(len(links)):
                    given += bridges[run, KEEP, i, k] * low[k, j]
                    given += bridges[run, PULL, i, k] * end[k, j]
                    drawn += bridges[run, DRAW, i, k] * numbers[0, np.uint64(k) * width + j]
                out[i, j] = given + heat[j] * drawn


@inner_apart
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
def _draw_numbers(units, own, size):
    """Random numbers from a stream, whole vectors of pairs; 0 behind those of so many links."""
    filled, width = size * units.x.shape[2], units.x.shape[2]
    half = (filled + 1) // 2
    pairs(own, units.first, units.numbers, 0, (half + WIDTH - 1) // WIDTH * WIDTH)
    _clear(units.numbers[0, filled : units.x.shape[1] * width])


@inner
def _move(links, units, moved, b):
    """units.new of a cue by the numbers that were drawn, and by itself."""
    new = units.new[b]
    _kick(links, units.start, moved, units.root[b], units.numbers, new)
    _copy(new[units.lead], units.jolt[b])
    _go(links, units.start, moved, units.x[b], new)


@inner
def _step(units, own, b, level, first, slope):
    """units.new of a cue by the noise, and by the drives so far."""
    moved, new = units.table[level], units.new[b]
    if units.warmth[b] > 0.0:
        _draw_numbers(units, own, len(new))
    if len(new) == 1:
        _move((0,), units, moved, b)
    elif len(new) == 2:
        _move((0, 0), units, moved, b)
    else:
        _move((0, 0, 0), units, moved, b)
    if units.driven:
        _drive(units.start, moved, units.lead, first, slope, 0.0, 1.0, new)


@inner
def _moves_of(units, shortest, ticks):
    """Where the moves for a duration are kept: looks are often evenly spaced."""
    slot = np.int64(mixed(np.uint64(ticks), np.uint64(1)) % np.uint64(len(units.times)))
    if units.times[slot] != ticks:
        units.times[slot] = ticks
        time = shortest * ticks / (1 << _FINE)
        for run in range(len(units.rate)):
            moves(units.rate[run], units.strength[run], time, units.room, units.moves[slot, run])
    return slot


@inner
def _bridges_of(units, shortest, before, behind):
    """Where the bridges for these ticks, since one moment and to another, are kept."""
    key = mixed(mixed(units.known[0], np.uint64(before)), np.uint64(behind))
    slot = np.int64(key % np.uint64(len(units.keys)))
    if units.keys[slot] != key:
        units.keys[slot] = key
        ahead = units.moves[_moves_of(units, shortest, before)]
        for run in range(len(units.rate)):
            copy_moves(ahead[run], units.near[run])
        after = units.moves[_moves_of(units, shortest, behind)]
        share = before / (before + behind)
        for run in range(len(units.rate)):
            units.blurs[slot, run] = bridge(
                units.near[run], after[run], share, units.lead, units.blur[run], units.room,
                units.bridges[slot, run],
            )  # fmt: skip
    return slot


@inner
def _know(units):
    """The colour is known at the last moment found."""
    units.known[0] = 0
    _clear(units.blur)


@inner
def _cross(path, units, rule, b, own, moment, size, low, end, out):
    """Links between two moments, from what they are there.

    Parameters
    ----------
    path : Path
    units : Units
    rule : Rule
    b : int
    own : uint64
        Stream of the random numbers.
    moment : (int, int, int)
        Ticks from the beginning of the step to `low`, from there to the moment, and on to the end.
    size : int
        Links that are drawn: all, or all but the colour.
    low, end, out : float64 (n, U)
    """
    past, before, behind = moment
    slot = _bridges_of(units, rule.shortest, before, behind)
    found = units.bridges[slot]
    if units.warmth[b] > 0.0:
        _draw_numbers(units, own, size)
    heat, numbers = units.root[b], units.numbers
    if len(out) == 1:
        _between((0,), units.start, found, heat, numbers, low, end, out)
    elif len(out) == 2:
        _between((0, 0), units.start, found, heat, numbers, low, end, out)
    else:
        _between((0, 0, 0), units.start, found, heat, numbers, low, end, out)
    if units.driven:
        length = 1 << (path.cues[b].level + _FINE)
        share = (before + behind) / length
        _drive(units.start, found, units.lead, path.first[b], path.rise, past / length, share, out)
    if size < len(out):
        units.known[0] = units.keys[slot]
        _copy(units.blurs[slot], units.blur)
    else:
        _know(units)


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
        jolt = features.jolt[b, a:z]
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
def _hold(path, looks, b):
    """Record where a cue is at its next look."""
    features, memories = path.features, path.memories
    out = looks.states[looks.next[b], looks.ahead + b]
    column = _write(features, features.new[b], out, 0)
    _write(memories, memories.new[b], out, column)
    looks.next[b] += 1


@inner
def _ticks(rule, looks, n, begin):
    """From the beginning of a step to a look."""
    ahead = max(looks.time[n] / rule.shortest - begin, 0.0)
    return np.int64(np.rint(min(ahead, _FAR) * (1 << _FINE)))


@inner
def _look_at(path, units, rule, looks, b, column):
    """Draw and record what lies in the last step of a cue, from a column on; the look behind it.

    Within the step the drive goes from the first to the second on a straight line. States at edges
    are drawn before those between them: so that these change nothing there, a look between edges is
    given the states at both. It does without the colour, but for its mean; the last look of all
    has it, since a run that goes on begins there.
    """
    begin, length = path.cues[b].begin, 1 << (path.cues[b].level + _FINE)
    n, place, links, spare = looks.next[b], path.place[b], units.x.shape[1], 0
    known, until = 0, 0  # ticks to the last moment found, and to the next edge or end
    low, end = units.x[b], units.x[b]  # links there
    edge = (begin // rule.edge + 1) * rule.edge
    while n < len(looks.time):
        look, last = _ticks(rule, looks, n, begin), n == len(looks.time) - 1
        if look > length + _SAME:
            break
        found = units.new[b]
        if look < length - _SAME:
            while until == 0 or until < look - _SAME:
                low, known, until = end, until, min((edge - begin) << _FINE, length)
                end = units.new[b]
                _know(units)
                if until < length:
                    own = mixed(mixed(mixed(rule.look_key, rule.moment), np.uint64(edge)), place)
                    moment = known, until - known, length - until
                    found = units.between[(edge // rule.edge) % 2]
                    _cross(path, units, rule, b, own, moment, links, low, end, found)
                    end = found
                edge += rule.edge
            found = end
            if look < until - _SAME:
                own = mixed(mixed(rule.look_key, looks.moments[n]), place)
                moment = known, look - known, until - look
                found, spare = units.between[2 + spare], 1 - spare
                size = links if last else links - units.lead
                _cross(path, units, rule, b, own, moment, size, low, end, found)
                known, low = look, found
        _write(units, found, looks.states[n, looks.ahead + b], column)
        if last and units.lead > 0:
            _copy(found[0], units.colour[b])
        n += 1
    return n


@inner
def _look(path, rule, looks, b, second):
    """Draw and record what lies in the last step of a cue."""
    first = looks.next[b]
    length = 1 << (path.cues[b].level + _FINE)
    if _ticks(rule, looks, first, path.cues[b].begin) > length + _SAME:
        return
    _change(path.first[b], second[b], path.rise)
    features, memories, lead = path.features, path.memories, path.features.lead
    behind = _look_at(path, features, rule, looks, b, 0)
    column = (features.x.shape[1] - lead) * features.x.shape[2]
    _look_at(path, memories, rule, looks, b, column)
    if path.held.shape[1] > 0:
        for n in range(first, behind):
            _keep(path.held[b], features.x[b, lead], looks.states[n, looks.ahead + b])
    looks.next[b] = behind


# The loop.


@inner
def _fill(units, shortest):
    """Moves of steps of all lengths, each from those of its half; they may be known already."""
    if units.table[0, 0, LEFT, 0, 0] > 0.0:
        return
    for run in range(len(units.rate)):
        moved = units.table[:, run]
        moves(units.rate[run], units.strength[run], shortest, units.room, moved[0])
        for level in range(len(moved)):
            if level > 0:
                copy_moves(moved[level - 1], moved[level])
                twice(units.room, moved[level])
            factor(moved[level, LAW], 0, moved[level, ROOT])


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
