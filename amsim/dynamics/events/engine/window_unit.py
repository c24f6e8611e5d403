"""One unit through a window of `window_loop`. Compiled.

The arrivals of a unit are gathered link by link, and put into cells of time. A unit is linear
between its sends, so where the absolute changes of a cell cannot move it to its next level, they
are added up without regard to their order; those of other cells are sorted and gone through one by
one. Time within a window is e = exp(rate (t - begun)), as in `leak`.

A link whose messages may be lost or overtake each other holds the value that was sent last among
those that have arrived: message n counts from the smallest arrival of n and all later ones on. What
can arrive within a window was sent before it began, so all of them are known. Arrivals are hashes,
and computed anew whenever they are looked at.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math

import numpy as np

from ....compiled.jit import inner, inner_elementwise, inner_inlined
from ....compiled.neurons import activation
from ....compiled.vectors import (
    WIDTH,
    all_below,
    draw_infinities,
    draw_scaled,
    exponential,
    shift_and_scale,
    shift_in_order,
)
from ....neurons import SIGN
from .sending import key_of_link, quantile, set_levels
from .state import CROWDED, FLOODED, STOPPED

CELLS = 256
_FILL = 16
CLOSED = -1  # the unit of a window that is not open


@inner
def sort_by_time(times, order, count):
    """Shell's sort of the positions `order` by (time, position)."""
    step = 1
    while step < count // 3:
        step = 3 * step + 1
    while step > 0:
        for i in range(step, count):
            chosen, k = order[i], i
            time = times[chosen]
            while k >= step:
                other = order[k - step]
                if times[other] < time or (times[other] == time and other < chosen):
                    break
                order[k] = other
                k -= step
            order[k] = chosen
        step //= 3


@inner_inlined
def draw_late(layout, windows, k, link):
    """Write to `late` how much later than by its delay each of WIDTH messages arrives by a link.

    Parameters
    ----------
    layout : Layout
    windows : Windows
    k : int
        The first of the messages.
    link : uint64
        Key of the link.
    """
    jitter, drop, late = layout.jitter, layout.rules[0].drop, windows.late
    if len(jitter) == 0:
        for lane in range(WIDTH):
            late[lane] = 0.0
    elif len(jitter) == 1:
        draw_scaled(windows.jitters, k, link, jitter[0], late)
    else:
        draw_scaled(windows.jitters, k, link, 1.0, late)
        for lane in range(WIDTH):
            late[lane] = quantile(jitter, late[lane])
    if drop > 0.0:
        draw_infinities(windows.losses, k, link, drop, late)


@inner_inlined
def _pass_on(windows, link, k, until, count):
    """Take what arrives by a link before `until`: of the messages on their way, from number k on.

    Returns the number of the first that does not, and that of all arrivals.
    """
    room, found = np.uint64(windows.window[0].room), np.uint64(WIDTH)
    while found == np.uint64(WIDTH):
        found = shift_and_scale(
            windows.flights, windows.changes, k, link.delay, link.weight, until,
            windows.arrivals, windows.arriving, min(count, room),
        )  # fmt: skip
        k += found
        count += found
    return k, count


@inner_inlined
def _pass_on_in_order(layout, windows, link, key, k, until, count):
    """As `_pass_on`, where messages may be lost, and count with the first of all later ones.

    Parameters
    ----------
    layout, windows : Layout, Windows
    link, key : LINK, uint64
    k, until, count : uint64, float, uint64
    """
    room, first, delay, weight = np.uint64(windows.window[0].room), k, link.delay, link.weight
    while all_below(windows.flights, k, delay, until):
        k += np.uint64(WIDTH)
    found, earliest = np.uint64(0), np.inf
    while True:
        draw_late(layout, windows, k, key)
        below, earliest = shift_in_order(
            windows.flights, windows.late, windows.changes, k, delay, weight, until, earliest,
            windows.arrivals, windows.arriving, min(count + (k - first), room), windows.ages,
        )  # fmt: skip
        found += below
        if k == first:
            return first + found, count + found
        k -= np.uint64(WIDTH)


@inner
def _first_missed(state, windows, sender, heard):
    """When the first message was sent that a link has missed, which is gone."""
    missed = windows.indices[sender.flights + sender.gone]
    for _ in range(sender.gone - heard):
        missed = state.messages[missed].previous
    return state.messages[missed].time


@inner
def _replace_held(state, windows, link, slot, place, heard, first, k, count):
    """The first of some arrivals replaces what a link holds after losses.

    Parameters
    ----------
    state : State
    windows : Windows
    link : LINK
    slot : int
        Position of the sender.
    place : int
        Position of the link.
    heard : int
        Number of the last message that it had received.
    first, k : uint64
        The messages that have arrived now.
    count : uint64
        The first of these arrivals.
    """
    held, sender = windows.held[place], windows.senders[slot]
    windows.held_before[slot] = held
    if k == first:
        windows.received[place] = heard
        return
    messages, indices = state.messages, windows.indices
    windows.held[place] = messages[indices[k - np.uint64(1)]].value
    at = min(count, np.uint64(windows.window[0].room))
    windows.arriving[at] = link.weight * (messages[indices[first]].value - held)
    if heard < sender.gone:
        age = windows.arrivals[at] - _first_missed(state, windows, sender, heard)
        windows.ages[0] = max(windows.ages[0], age)


@inner_inlined
def _listen(layout, state, windows, slot, place, key, until, count):
    """Take what arrives before `until` by one link, as arrivals from `count` on.

    Parameters
    ----------
    layout, state, windows : Layout, State, Windows
    slot : int
        Position of the sender.
    place, key : uint64, uint64
        The link.
    until : float
    count : uint64

    Returns
    -------
    count : uint64
        All arrivals.
    age : float
        The largest, where messages arrive in order.
    """
    sender, link = windows.senders[slot], layout.links[place]
    delay, heard, before = link.delay, np.int64(windows.received[place]), count
    first, age = np.uint64(sender.flights + max(heard, sender.gone)), 0.0
    windows.before[slot] = heard
    if len(windows.jitters) > 0:
        k, count = _pass_on_in_order(layout, windows, link, key, first, until, count)
    else:
        k, count = _pass_on(windows, link, first, until, count)
        age = delay if k > first else 0.0
    windows.received[place] = np.int64(k) - sender.flights
    if len(windows.held) > 0:
        _replace_held(state, windows, link, slot, place, heard, first, k, before)
    return count, age


@inner
def gather(layout, state, windows, i, until, count):
    """Take what arrives at unit i before `until` from its links, as arrivals from `count` on.

    Returns the number of all arrivals; only the first ones are kept if they have no room.
    """
    p = layout.units[i].population
    receiver, longest, run = i - layout.populations[p].start, 0.0, state.run[0]
    count = np.uint64(count)
    for q in range(len(layout.projections)):
        projection = layout.projections[q]
        if projection.target == p:
            source = layout.populations[projection.source]
            begin = projection.register + receiver * (source.stop - source.start)
            key = key_of_link(q, receiver)
            # Unsigned, so that the compiler does not look for indices below 0.
            for slot in range(np.uint64(windows.slots[q]), np.uint64(windows.slots[q + 1])):
                place = np.uint64(begin + windows.senders[slot].unit)
                count, age = _listen(layout, state, windows, slot, place, key, until, count)
                longest = max(longest, age)
    for lane in range(WIDTH):
        longest = max(longest, windows.ages[lane])
    run.staleness = max(run.staleness, longest)
    return np.int64(count)


@inner
def undo_gather(layout, windows, i):
    """Undo `gather`."""
    p = layout.units[i].population
    for q in range(len(layout.projections)):
        projection = layout.projections[q]
        if projection.target == p:
            source = layout.populations[projection.source]
            place = i - layout.populations[p].start
            begin = projection.register + place * (source.stop - source.start)
            for slot in range(windows.slots[q], windows.slots[q + 1]):
                place = begin + windows.senders[slot].unit
                if len(windows.held) > 0 and windows.received[place] != windows.before[slot]:
                    windows.held[place] = windows.held_before[slot]
                windows.received[place] = windows.before[slot]


@inner_inlined
def cell_of(time, now, scale, cells):
    """The cell of an arrival, of `cells` that begin at `now` and are 1 / `scale` long."""
    return np.uint64(np.int64(min(max((time - now) * scale, 0.0), cells - 1.0)))


@inner
def _sum_by_cells(windows, count, cells, now, until):
    """Add up the arrivals of each cell of time between `now` and `until`, and chain them."""
    sums, before, scale = windows.sums, windows.before_in_cell, cells / (until - now)
    for c in range(cells):
        sums[c].total = sums[c].moment = sums[c].size = 0.0
        sums[c].last = -1
    for a in range(np.uint64(count)):
        time, change = windows.arrivals[a], windows.arriving[a]
        cell = sums[cell_of(time, now, scale, cells)]
        cell.total += change
        cell.moment += change * time
        cell.size += abs(change)
        before[a], cell.last = cell.last, a


@inner
def _note_message(layout, state, windows, i, t, value, direction):
    """Unit i sends at time t: note its message, to be sent at the end of the window.

    Parameters
    ----------
    layout : Layout
    state : State
    windows : Windows
    i : int
    t : float
    value : float
        Its output,
    direction : float
        which moves up (1), down (-1) or somewhere (0), for a heartbeat.
    """
    message = windows.out[windows.window[0].leaving]
    message.time, message.unit, message.news = t, i, direction != 0.0
    message.value = set_levels(layout, state, i, value, direction)
    state.units[i].sent_at = t
    windows.window[0].leaving += 1


@inner
def note_crossing(layout, state, windows, i, t, rising):
    """Unit i reaches a level at time t."""
    unit = state.units[i]
    value, direction = (unit.up, 1.0) if rising else (unit.down, -1.0)
    if layout.populations[layout.units[i].population].kind == SIGN:
        value = direction
    _note_message(layout, state, windows, i, t, value, direction)


@inner
def note_heartbeat(layout, state, windows, i, t, value):
    """Unit i has been silent for too long at time t, when its output is `value`."""
    unit = state.units[i]
    direction = 1.0 if value >= unit.up else (-1.0 if value <= unit.down else 0.0)
    _note_message(layout, state, windows, i, t, value, direction)


@inner
def _next_heartbeat(layout, state, i, begun):
    """exp(rate (t - begun)) at the next heartbeat of unit i, if it sends nothing before."""
    silent_until = state.units[i].sent_at + layout.rules[0].heartbeat
    return math.exp((silent_until - begun) * layout.units[i].rate)


@inner
def _step_through(layout, state, windows, i, begun, cell, now, until):
    """Unit i from `now` to `until`, from arrival to arrival of a cell.

    Parameters
    ----------
    layout : Layout
    state : State
    windows : Windows
    i : int
    begun : float
        Time at which the window began.
    cell : int
    now, until : float
        exp(rate (t - begun)) where it is, and to where it goes.
    """
    order, arrivals, window = windows.order, windows.arrivals, windows.window[0]
    target, gap, rate = state.target[i], state.gap[i], layout.units[i].rate
    population = layout.populations[layout.units[i].population]
    count, a = 0, windows.sums[cell].last
    while a >= 0:
        order[count] = a
        count += 1
        a = windows.before_in_cell[a]
    sort_by_time(arrivals, order, count)
    beat = _next_heartbeat(layout, state, i, begun)
    for k in range(count + 1):
        e = arrivals[order[k]] if k < count else until
        while window.leaving < len(windows.out):
            rising = gap > 0.0
            distance = target - (state.high[i] if rising else state.low[i])
            crosses = distance != 0.0 and (distance > 0.0) == rising
            crosses = crosses and abs(gap) <= min(e, beat) * abs(distance)
            if not crosses and beat > e:
                break
            now = max(gap / distance if crosses else beat, now)
            t = begun + math.log(now) / rate
            if crosses:
                note_crossing(layout, state, windows, i, t, rising)
            else:
                x = target - gap / now
                value = activation(population.kind, population.parameter, x)
                note_heartbeat(layout, state, windows, i, t, value)
            beat = _next_heartbeat(layout, state, i, begun)
        now = e
        if k < count:
            change = windows.arriving[order[k]]
            target += change
            gap += change * e
    state.target[i], state.gap[i] = target, gap


@inner
def _advance(layout, state, windows, i, begun, now, until, count):
    """Unit i through its arrivals, cell by cell.

    Parameters
    ----------
    layout : Layout
    state : State
    windows : Windows
    i : int
    begun : float
        Time at which the window began.
    now, until : float
        exp(rate (t - begun)) where it is, and to where it goes.
    count : int
        Of its arrivals.
    """
    sums, free = windows.sums, np.isnan(state.units[i].fixed)
    cells = min(CELLS, 1 + count // _FILL)
    _sum_by_cells(windows, count, cells, now, until)
    step = (until - now) / cells
    beat = _next_heartbeat(layout, state, i, begun)
    for c in range(cells):
        edge, size = until - (cells - 1 - c) * step, sums[c].size
        target, gap = state.target[i], state.gap[i]
        x, reach = target - gap / now, 1.0 - now / edge
        high = x + reach * max(target + size - x, 0.0)
        low = x + reach * min(target - size - x, 0.0)
        quiet = high < state.high[i] and low > state.low[i]
        if free and not (quiet and beat > edge):
            _step_through(layout, state, windows, i, begun, c, now, edge)
            beat = _next_heartbeat(layout, state, i, begun)
        else:
            state.target[i] = target + sums[c].total
            state.gap[i] = gap + sums[c].moment
        now = edge


@inner_elementwise
def count_exponentials(arrivals, count, rate, until, last):
    """Times of arrivals become exp(rate (t - begun)), which is `last` at `until`."""
    for a in range(np.uint64(count)):
        arrivals[a] = last * exponential((arrivals[a] - until) * rate)


@inner
def through_window(layout, state, windows, i, begun):
    """Unit i to the end of the window: STOPPED there, CROWDED by messages, FLOODED by arrivals."""
    unit, window, rate = state.units[i], windows.window[0], layout.units[i].rate
    until = window.end
    while window.now < window.end:
        count = gather(layout, state, windows, i, until, 0)
        if count > window.room:
            undo_gather(layout, windows, i)
            middle = 0.5 * (window.now + until)
            if not window.now < middle < until:  # they arrive at one time, after as many losses
                return FLOODED
            until = middle
            continue
        now, last = math.exp((window.now - begun) * rate), math.exp((until - begun) * rate)
        count_exponentials(windows.arrivals, count, rate, until, last)
        left, down, up, sent_at = window.leaving, unit.down, unit.up, unit.sent_at
        target, gap, low, high = state.target[i], state.gap[i], state.low[i], state.high[i]
        _advance(layout, state, windows, i, begun, now, last, count)
        if window.leaving == len(windows.out):
            undo_gather(layout, windows, i)
            window.leaving, unit.down, unit.up, unit.sent_at = left, down, up, sent_at
            state.target[i], state.gap[i], state.low[i], state.high[i] = target, gap, low, high
            return CROWDED
        state.run[0].operations += count
        window.now, until = until, window.end
    state.gap[i] /= math.exp((window.end - begun) * rate)
    window.now = begun
    return STOPPED
