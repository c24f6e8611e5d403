"""Steps of a softmax memory with white noise, compiled: each cue takes lengths of its own.

Features v obey  tau dv = (N - v) dt + noise,  and the drive N is their memories' alone. What v does
while N goes on a straight line is exact, with its noise, and so is what memories see of it (see
`noise_moves`): the length of a step is limited by the changes of N alone. A step predicts v with N
and its slope as they were in the last one, evaluates N there, and corrects by the straight line to
that. A parabola through older values would weigh the last jolt by the ratio of two lengths, the
second of which depends on that jolt: means would be wrong by its root.

How steep N may get within a step is known before: with all but one memory at odds o of being
attended to, N has the slope beta E o / (1 + o)^2 at most, for memories at a distance whose square
is E, if o < 1; see `_slope` for others. log o moves by noise of known variance, and as it did in
the last step. None of this looks ahead: the law of the noise does not depend on the lengths that
are chosen.

Noise of memories moves N as fast as their tau, however flat N is: its variance by that is
2 T s^2 / E at the slope s. Where that is not small beside the noise of features themselves, steps
are at most half of that tau.
"""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..compiled.bundle import bundle
from ..compiled.jit import compiled, inner, inner_elementwise, inner_vectorised
from ..compiled.normal import draw_row
from ..compiled.streams import mixed
from ..compiled.vectors import larger
from .memory_force import softmax_force
from .noise_moves import (
    DRAW_V,
    DRAW_Y,
    DRAW_Y_OF_V,
    KEEP_V,
    KEEP_V_OF_Y,
    KEEP_Y,
    KEEP_Y_OF_V,
    MOVES,
    PULL_V,
    PULL_V_OF_Y,
    PULL_Y,
    PULL_Y_OF_V,
    V_LEFT,
    V_RISE,
    V_WHOLE,
    VV,
    VY,
    Y_LEFT,
    Y_OF_V,
    Y_RISE,
    Y_WHOLE,
    YY,
    bridge,
    moves,
    spreads,
)  # fmt: skip

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]

# Durations are whole numbers of ticks, 2^_FINE of them in the shortest step; two moments that are
# nearer than _SAME ticks are one.
_FINE, _SAME = 30, 128
# More shortest steps than the longest one has.
_FAR = 2.0**32


@bundle
class Path(NamedTuple):
    """Everything that moves, one row per cue.

    Of M columns the first D are features v, the next D their followers y if memories have a tau,
    and the last K, if any, what memories have beside Xi y + b.
    """

    x: Floats  # (B, M) state at the beginning of the step
    jolt: Floats  # (B, M) what noise adds in it
    first: Floats  # (B, D) drive at its beginning
    slope: Floats  # (B, D) change of the drive that it goes on with
    root: Floats  # (B, D + K) roots of the temperatures
    held: NDArray[np.bool_]  # (B, D) features that keep their value, (B, 0) for none
    noisy: NDArray[np.bool_]  # (B, 2) whether features have noise, and memories
    warmth: Floats  # (B, 2) their largest temperature
    coldest: Floats  # (B,) the least one of features that are free
    place: Keys  # (B,) of the cue in the batch of the user
    limit: Floats  # (B,) |x| beyond which a cue has diverged
    taken: Ints  # (B,) steps so far
    begin: Ints  # (B,) where the step begins, in shortest steps
    level: Ints  # (B,) its length: 2^level shortest steps
    last: Ints  # (B,) likewise of the step before, -1 at first
    logit: Floats  # (B,) log of the odds at its beginning
    fall: Floats  # (B,) how fast they come nearer to 1, per shortest step
    features: Floats  # (1, D or 2 D) random numbers
    memories: Floats  # (1, K) likewise
    noise: Floats  # (2, M) of a cue: up to the last look, and up to the next edge
    known: NDArray[np.bool_]  # (1,) whether there are drives


@bundle
class Rule(NamedTuple):
    """What holds for all steps; a run is some features of one tau, or the last one all memories."""

    start: Ints  # (R + 1,) columns of the runs of features, and where they end
    rate: Floats  # (R + 1,) their decay, and that of memories
    lag: Floats  # (R + 1,) that of their followers, 0 if there are none
    shortest: float  # step
    cell: int  # shortest steps from edge to edge: states there depend on no other look
    table: Floats  # (levels, R + 1, MOVES)
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
    step_key: np.uint64  # of the random numbers
    edge_key: np.uint64
    found: Ints  # (S,) durations whose moves are kept,
    kept: Floats  # (S, R + 1, MOVES) which are these
    near: Floats  # (3, R + 1, MOVES) moves up to a look, up to the next edge, and from the start
    across: Floats  # (R + 1, BRIDGE) for the noise of a look


@bundle
class Looks(NamedTuple):
    """When states are recorded; the last time is where cues end."""

    time: Floats  # (T,)
    keys: Keys  # (T,) of the random numbers
    states: Floats  # (T, all cues, M)
    ahead: int  # cues before these
    next: Ints  # (B,) look that comes next for a cue


# Loops over columns count in unsigned integers, see `adams`.


@inner
def _draw_numbers(path, key, b):
    """Random numbers for a cue."""
    own = mixed(key, path.place[b])
    if path.noisy[b, 0]:
        draw_row(own, 0, path.features, 0)
    if path.noisy[b, 1]:
        draw_row(own, path.features.shape[1], path.memories, 0)


@inner_elementwise
def _kick(root, numbers, kick, jolt):
    for j in range(np.uint64(len(jolt))):
        jolt[j] = root[j] * (kick * numbers[j])


@inner_elementwise
def _kick_followers(root, numbers, others, tied, own, jolt):
    for j in range(np.uint64(len(jolt))):
        jolt[j] = root[j] * (tied * numbers[j] + own * others[j])


@inner
def _draw(path, rule, b):
    """path.jolt of a cue."""
    units, width = path.first.shape[1], path.features.shape[1]
    root, jolt, numbers = path.root[b], path.jolt[b], path.features[0]
    table, level, last = rule.table, path.level[b], len(rule.rate) - 1
    for run in range(last):
        a, z = rule.start[run], rule.start[run + 1]
        m = table[level, run]
        kick, tied, own = spreads(m[VV], m[VY], m[YY])
        _kick(root[a:z], numbers[a:z], kick, jolt[a:z])
        if width > units:
            others, follow = numbers[units + a : units + z], jolt[units + a : units + z]
            _kick_followers(root[a:z], numbers[a:z], others, tied, own, follow)
    _kick(root[units:], path.memories[0], math.sqrt(table[level, last, VV]), jolt[width:])


@inner_elementwise
def _go(m, x, first, slope, jolt, new):
    """Where features go by the drives so far."""
    left, whole, rise = m[V_LEFT], m[V_WHOLE], m[V_RISE]
    for j in range(np.uint64(len(new))):
        new[j] = left * x[j] + whole * first[j] + rise * slope[j] + jolt[j]


@inner_elementwise
def _follow(m, x, units, first, slope, jolt, new):
    """Where followers go.

    Parameters
    ----------
    m : float64 (MOVES,)
    x, units : float64 (n,)
        Followers, and what they follow.
    first, slope : float64 (n,)
        Of the drive of these.
    jolt, new : float64 (n,)
    """
    left, passed, whole, rise = m[Y_LEFT], m[Y_OF_V], m[Y_WHOLE], m[Y_RISE]
    for j in range(np.uint64(len(new))):
        moved = left * x[j] + passed * units[j] + jolt[j]
        new[j] = moved + whole * first[j] + rise * slope[j]


@inner_elementwise
def _fade(left, x, jolt, new):
    """Where goes what memories have beside."""
    for k in range(np.uint64(len(new))):
        new[k] = left * x[k] + jolt[k]


@inner_elementwise
def _keep(held, x, new):
    """Clamped features stay."""
    for j in range(np.uint64(len(held))):
        new[j] = x[j] if held[j] else new[j]


@inner
def _predict(path, rule, b, new, rest):
    """Where a cue goes by the drives so far: new features and followers, and memories beside."""
    units, width = path.first.shape[1], path.features.shape[1]
    x, first, slope, jolt = path.x[b], path.first[b], path.slope[b], path.jolt[b]
    for run in range(len(rule.rate) - 1):
        a, z, m = rule.start[run], rule.start[run + 1], rule.table[path.level[b], run]
        _go(m, x[a:z], first[a:z], slope[a:z], jolt[a:z], new[b, a:z])
        if width > units:
            i, k = units + a, units + z
            _follow(m, x[i:k], x[a:z], first[a:z], slope[a:z], jolt[i:k], new[b, i:k])
    left = rule.table[path.level[b], len(rule.rate) - 1, V_LEFT]
    _fade(left, x[width:], jolt[width:], rest[b])
    _keep(path.held[b], x, new[b])


@inner_elementwise
def _bend(gain, first, slope, second, new):
    """Let new states follow the bend of the drive."""
    for j in range(np.uint64(len(new))):
        new[j] += gain * (second[j] - first[j] - slope[j])


@inner_vectorised
def _largest(x):
    """The largest |x|, and a sum that a NaN does not leave finite."""
    largest, total = 0.0, 0.0
    for j in range(np.uint64(len(x))):
        largest = larger(largest, abs(x[j]))
        total += abs(x[j])
    return largest, total


@inner
def _correct(path, rule, b, second, new):
    """Let the new state follow all drives; whether it has not diverged.

    Parameters
    ----------
    path, rule : Path, Rule
    b : int
    second, new : float64 (B, D), float64 (B, D or 2 D)
        Drives and states at the end of the step.
    """
    units, width = path.first.shape[1], path.features.shape[1]
    first, slope = path.first[b], path.slope[b]
    for run in range(len(rule.rate) - 1):
        a, z, m = rule.start[run], rule.start[run + 1], rule.table[path.level[b], run]
        _bend(m[V_RISE], first[a:z], slope[a:z], second[b, a:z], new[b, a:z])
        if width > units:
            to = new[b, units + a : units + z]
            _bend(m[Y_RISE], first[a:z], slope[a:z], second[b, a:z], to)
    _keep(path.held[b], path.x[b], new[b])
    largest, total = _largest(new[b])
    return largest < path.limit[b] and math.isfinite(total)


@inner_elementwise
def _turn(first, slope, second):
    """Begin the next step: its slope is the change of the drive in the last one."""
    for j in range(np.uint64(len(first))):
        slope[j] = second[j] - first[j]
        first[j] = second[j]


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


@inner
def _arrive(path, b, second, new, rest):
    """Let a cue be at the end of its step."""
    _turn(path.first[b], path.slope[b], second[b])
    _copy(new[b], path.x[b])
    _copy(rest[b], path.x[b, new.shape[1] :])


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
    most = min(path.level[b] + 1, len(rule.table) - 1)
    level = 0
    while level < most:
        longer = level + 1
        variance = path.warmth[b, 0] * rule.spread[longer, 0]
        variance += path.warmth[b, 1] * rule.spread[longer, 1]
        move = rule.foreseen * math.sqrt(variance) + path.fall[b] * 2.0**longer
        slope = _slope(rule, path.logit[b], move)
        length = rule.speed * rule.shortest * 2.0**longer
        if _growth(rule, slope) * length * (1.0 + 2.0 * length) > rule.steep:
            break
        stirs = 2.0 * path.warmth[b, 1] * rule.beta * slope**2
        if longer > rule.quiet and stirs > rule.stirred * path.coldest[b] * rule.apart:
            break
        level = longer
    path.level[b] = level


@inner
def _go_on(path, rule, b, total):
    """Choose the next step of a cue, by the odds at its beginning."""
    length, before = 2.0 ** path.level[b], path.logit[b]
    path.begin[b] += 1 << path.level[b]
    path.last[b] = path.level[b]
    path.logit[b] = _logit(total, rule.least)
    path.fall[b] = max(abs(before) - abs(path.logit[b]), 0.0) / length
    path.taken[b] += 1
    _choose(path, rule, b)
    _scale(path.slope[b], 2.0 ** (path.level[b] - path.last[b]))


# Looks.


@inner
def _moves_of(rule, ticks, row):
    """rule.near[row]: the moves of a duration, which are kept: looks are often evenly spaced."""
    slot = np.int64(mixed(np.uint64(ticks), np.uint64(1)) % np.uint64(len(rule.found)))
    if rule.found[slot] != ticks:
        rule.found[slot] = ticks
        for run in range(len(rule.rate)):
            time = rule.shortest * ticks / (1 << _FINE)
            moves(rule.rate[run], rule.lag[run], time, rule.kept[slot, run])
    for run in range(len(rule.rate)):
        for i in range(MOVES):
            rule.near[row, run, i] = rule.kept[slot, run, i]


@inner_elementwise
def _between(c, low, end, root, numbers, out):
    """Noise of units without followers at a look, given it at the last one and at an end."""
    keep, pull, draw = c[KEEP_V], c[PULL_V], c[DRAW_V]
    for j in range(np.uint64(len(out))):
        out[j] = keep * low[j] + pull * end[j] + root[j] * (draw * numbers[j])


@inner_elementwise
def _between_both(c, units, run, low, end, root, numbers, out):
    """Likewise that of units and followers.

    Parameters
    ----------
    c : float64 (BRIDGE,)
    units : int
        Columns from a unit to its follower.
    run : (int, int)
        Which units.
    low, end : float64 (M,)
        Noise at the last look, and at the end.
    root, numbers : float64 (D + K,), float64 (2 D,)
    out : float64 (M,)
    """
    keep, keep_y, pull, pull_y = c[KEEP_V], c[KEEP_V_OF_Y], c[PULL_V], c[PULL_V_OF_Y]
    keep_v, keep_own, pull_v, pull_own = c[KEEP_Y_OF_V], c[KEEP_Y], c[PULL_Y_OF_V], c[PULL_Y]
    draw, draw_v, draw_y = c[DRAW_V], c[DRAW_Y_OF_V], c[DRAW_Y]
    ahead = np.uint64(units)
    for j in range(np.uint64(run[0]), np.uint64(run[1])):
        i = ahead + j
        one, other = root[j] * numbers[j], root[j] * numbers[i]
        known = keep * low[j] + keep_y * low[i] + pull * end[j] + pull_y * end[i]
        follows = keep_v * low[j] + keep_own * low[i] + pull_v * end[j] + pull_own * end[i]
        out[j] = known + draw * one
        out[i] = follows + draw_v * one + draw_y * other


@inner
def _cross(path, rule, b, end, out):
    """out: the noise at a look, from path.noise[0], that at the last one, and that at an end."""
    units, width, last = path.first.shape[1], path.features.shape[1], len(rule.rate) - 1
    low, root, numbers = path.noise[0], path.root[b], path.features[0]
    for run in range(last):
        a, z, c = rule.start[run], rule.start[run + 1], rule.across[run]
        if width > units:
            _between_both(c, units, (a, z), low, end, root, numbers, out)
        else:
            _between(c, low[a:z], end[a:z], root[a:z], numbers[a:z], out[a:z])
    own, c = path.memories[0], rule.across[last]
    _between(c, low[width:], end[width:], root[units:], own, out[width:])


@inner_elementwise
def _state(m, places, x, first, second, out):
    """out += left x + one first + other second, of features or followers; factors by places of m.

    Within the step the drive goes from the first to the second on a straight line.
    """
    left, one, other = m[places[0]], m[places[1]], m[places[2]]
    for j in range(np.uint64(len(out))):
        out[j] = out[j] + left * x[j] + one * first[j] + other * second[j]


@inner
def _record(path, rule, looks, b, second, ago):
    """Record the next look of a cue, a share `ago` of its step later, with path.noise[0].

    rule.near[2] has the moves up to there.
    """
    units, width, last = path.first.shape[1], path.features.shape[1], len(rule.rate) - 1
    x, first, drive = path.x[b], path.first[b], second[b]
    out = looks.states[looks.next[b], looks.ahead + b]
    _copy(path.noise[0], out)
    for run in range(last):
        a, z, m = rule.start[run], rule.start[run + 1], rule.near[2, run]
        _share(m, V_WHOLE, V_RISE, ago)
        _state(m, (V_LEFT, V_WHOLE, V_RISE), x[a:z], first[a:z], drive[a:z], out[a:z])
        if width > units:
            i, k = units + a, units + z
            _share(m, Y_WHOLE, Y_RISE, ago)
            _state(m, (Y_LEFT, Y_WHOLE, Y_RISE), x[i:k], first[a:z], drive[a:z], out[i:k])
            _add(x[a:z], m[Y_OF_V], out[i:k])
    _add(x[width:], rule.near[2, last, V_LEFT], out[width:])
    _keep(path.held[b], x, out)


@inner
def _share(m, whole, rise, ago):
    """Let these places of m have the shares of both drives, where the second is met later."""
    m[rise] *= ago
    m[whole] -= m[rise]


@inner_elementwise
def _add(values, factor, out):
    for j in range(np.uint64(len(values))):
        out[j] += factor * values[j]


@inner
def _hold(path, looks, b, new, rest):
    """Record the end of a step at the next look of a cue."""
    out = looks.states[looks.next[b], looks.ahead + b]
    _copy(new[b], out)
    _copy(rest[b], out[new.shape[1] :])


@inner
def _across(rule, before, behind):
    """rule.across: between two moments, from ticks since the first and to the second."""
    _moves_of(rule, before, 0)
    _moves_of(rule, behind, 1)
    for run in range(len(rule.rate)):
        bridge(rule.near[0, run], rule.near[1, run], rule.across[run])


@inner
def _ticks(rule, looks, n, begin):
    """From the beginning of a step to a look."""
    ahead = max(looks.time[n] / rule.shortest - begin, 0.0)
    return np.int64(np.rint(min(ahead, _FAR) * (1 << _FINE)))


@inner
def _look(path, rule, looks, b, second, new, rest):
    """Record what lies in the last step of a cue, and draw the noise there.

    States at edges, multiples of a cell, are drawn before those between them: so that these change
    nothing there, a look between edges is given the noise at both.

    Parameters
    ----------
    path, rule, looks : Path, Rule, Looks
    b : int
    second : float64 (B, D)
        Drives at the ends of steps.
    new, rest : float64 (B, D or 2 D), float64 (B, K)
        States there.
    """
    begin, length = path.begin[b], 1 << (path.level[b] + _FINE)
    noise, jolt = path.noise, path.jolt[b]
    known, until = 0, 0  # ticks to the last noise found, and to the next edge or end
    edge = (begin // rule.cell + 1) * rule.cell
    while looks.next[b] < len(looks.time):
        n = looks.next[b]
        look = _ticks(rule, looks, n, begin)
        if look > length + _SAME:
            break
        if look >= length - _SAME:
            _hold(path, looks, b, new, rest)
            looks.next[b] += 1
            continue
        while until == 0 or until < look - _SAME:
            _copy(noise[1], noise[0]) if until > 0 else _clear(noise[0])
            known = until
            until = min((edge - begin) << _FINE, length)
            if until == length:
                _copy(jolt, noise[1])
            else:
                _across(rule, until - known, length - until)
                _draw_numbers(path, mixed(rule.edge_key, np.uint64(edge)), b)
                _cross(path, rule, b, jolt, noise[1])
            edge += rule.cell
        if look >= until - _SAME:
            _copy(noise[1], noise[0])
            look = until
        else:
            _across(rule, look - known, until - look)
            _draw_numbers(path, looks.keys[n], b)
            _cross(path, rule, b, noise[1], noise[0])
        known = look
        _moves_of(rule, look, 2)
        _record(path, rule, looks, b, second, look / length)
        looks.next[b] += 1


# The loop.


@inner
def _fill(rule):
    """Moves of all lengths, and how far log odds get in them."""
    last = len(rule.rate) - 1
    for level in range(len(rule.table)):
        most = 0.0
        for run in range(last + 1):
            m = rule.table[level, run]
            moves(rule.rate[run], rule.lag[run], rule.shortest * 2.0**level, m)
            if run < last:
                most = max(most, m[YY] if rule.lag[run] > 0.0 else m[VV])
        rule.spread[level, 0] = rule.beta * rule.apart * most
        rule.spread[level, 1] = 2.0 * rule.beta**2 * rule.table[level, last, VV]


@inner
def _begin(path, rule, looks, memories, steps, work, cues):
    """Evaluate the first drives.

    Parameters
    ----------
    path, rule, looks : Path, Rule, Looks
    memories, steps, work : Memories, Steps, Work
        Of the compiled drive.
    cues : int64 (B,)
    """
    _fill(rule)
    size = len(cues)
    for b in range(size):
        _copy(path.x[b, : steps.new.shape[1]], steps.new[b])
        _copy(path.x[b, steps.new.shape[1] :], memories.offset[b])
    softmax_force(memories, steps, cues, size, work)
    for b in range(size):
        _arrive(path, b, work.drive, steps.new, memories.offset)
        _clear(path.slope[b])
        while looks.next[b] < len(looks.time):
            if _ticks(rule, looks, looks.next[b], 0) > _SAME:
                break
            _hold(path, looks, b, steps.new, memories.offset)
            looks.next[b] += 1
        path.logit[b] = _logit(work.total[b], rule.least)
        _choose(path, rule, b)
    path.known[0] = True


@compiled
def walk(path, rule, looks, memories, steps, work, cues, size, sweeps):
    """Steps of all cues; how many go on, which come first in `cues`.

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
    if not path.known[0] and sweeps > 0:
        _begin(path, rule, looks, memories, steps, work, cues)
    for _ in range(sweeps):
        for place in range(size):
            b = cues[place]
            _draw_numbers(path, mixed(rule.step_key, np.uint64(path.begin[b])), b)
            _draw(path, rule, b)
            _predict(path, rule, b, steps.new, memories.offset)
        softmax_force(memories, steps, cues, size, work)
        left = 0
        for place in range(size):
            b = cues[place]
            if not _correct(path, rule, b, work.drive, steps.new):
                continue
            _look(path, rule, looks, b, work.drive, steps.new, memories.offset)
            _arrive(path, b, work.drive, steps.new, memories.offset)
            _go_on(path, rule, b, work.total[place])
            if looks.next[b] < len(looks.time):
                cues[left] = b
                left += 1
        size = left
        if size == 0:
            break
    return size
