"""One unit through a window of `window_loop`. Compiled.

The arrivals of a unit are gathered link by link, and put into cells of time. A unit is linear
between its sends, so where the absolute changes of a cell cannot move it to its next level, they
are added up without regard to their order; those of other cells are sorted and gone through one by
one. Time within a window is e = exp(rate (t - begun)), as in `leak`.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math

import numpy as np

from ....compiled.jit import inner
from ....neurons import SIGN
from .sending import set_levels

CELLS = 256
_FILL = 16
CLOSED = -1  # the unit of a window that is not open


@inner
def sort_by_time(records, order, count):
    """Shell's sort of the positions `order` by (time, position)."""
    step = 1
    while step < count // 3:
        step = 3 * step + 1
    while step > 0:
        for i in range(step, count):
            chosen, k = order[i], i
            time = records[chosen].time
            while k >= step:
                other = order[k - step]
                if records[other].time < time or (records[other].time == time and other < chosen):
                    break
                order[k] = other
                k -= step
            order[k] = chosen
        step //= 3


@inner
def _gather(layout, state, windows, i, until):
    """Take what arrives at unit i before `until` from its links; returns how much that is."""
    arrivals, flights, p = windows.arrivals, windows.flights, layout.units[i].population
    place, longest, run = i - layout.populations[p].start, 1.0, state.run[0]
    count, room = np.uint64(0), np.uint64(len(arrivals))
    for q in range(len(layout.projections)):
        projection = layout.projections[q]
        if projection.target == p:
            source = layout.populations[projection.source]
            size = source.stop - source.start
            begin = projection.register + place * size
            links = layout.links[begin : begin + size]
            received = windows.received[begin : begin + size]
            for slot in range(windows.slots[q], windows.slots[q + 1]):
                sender = windows.senders[slot]
                j = sender.unit
                windows.before[slot] = received[j]
                # Unsigned, so that the compiler does not look for indices below 0.
                k = np.uint64(sender.flights + received[j])
                factor, weight = links[j].factor, links[j].weight
                e = flights[k].time * factor
                if e < until:
                    longest = max(longest, factor)
                while e < until:
                    if count < room:
                        arrivals[count].time, arrivals[count].change = e, flights[k].change * weight
                    count += np.uint64(1)
                    k += np.uint64(1)
                    e = flights[k].time * factor
                received[j] = np.int64(k) - sender.flights
    run.staleness = max(run.staleness, math.log(longest) / layout.units[i].rate)
    return np.int64(count)


@inner
def _undo_gather(layout, windows, i):
    """Undo `_gather`."""
    p = layout.units[i].population
    for q in range(len(layout.projections)):
        projection = layout.projections[q]
        if projection.target == p:
            source = layout.populations[projection.source]
            place = i - layout.populations[p].start
            begin = projection.register + place * (source.stop - source.start)
            for slot in range(windows.slots[q], windows.slots[q + 1]):
                windows.received[begin + windows.senders[slot].unit] = windows.before[slot]


@inner
def _put_into_cells(windows, count, now, until):
    """Sort arrivals by cell; returns the number of cells. `ends` is where each ends."""
    arrivals, placed, cell, ends = windows.arrivals, windows.placed, windows.order, windows.ends
    cells = min(CELLS, 1 + count // _FILL)
    scale = cells / (until - now)
    for c in range(cells):
        ends[c] = 0
    for a in range(count):
        cell[a] = min(max((arrivals[a].time - now) * scale, 0.0), cells - 1.0)
        ends[cell[a]] += 1
    place = 0
    for c in range(cells):
        place += ends[c]
        ends[c] = place - ends[c]
    for a in range(count):
        arrival = placed[ends[cell[a]]]
        arrival.time, arrival.change = arrivals[a].time, arrivals[a].change
        ends[cell[a]] += 1
    return cells


@inner
def _note_message(layout, state, windows, i, t, rising):
    """Unit i reaches a level at time t: note its message."""
    unit, window = state.units[i], windows.window[0]
    message = windows.out[window.leaving]
    value, direction = (unit.up, 1.0) if rising else (unit.down, -1.0)
    if layout.populations[layout.units[i].population].kind == SIGN:
        value = direction
    message.time, message.unit = t, i
    message.value = set_levels(layout, state, i, value, direction)
    window.leaving += 1


@inner
def _step_through(layout, state, windows, i, begun, first, stop, now, until):
    """Unit i from `now` to `until`, from arrival to arrival.

    Parameters
    ----------
    layout : Layout
    state : State
    windows : Windows
    i : int
    begun : float
        Time at which the window began.
    first, stop : int
        Its arrivals, in `Windows.placed`.
    now, until : float
        exp(rate (t - begun)) where it is, and to where it goes.
    """
    order, placed, window = windows.order, windows.placed, windows.window[0]
    target, gap, rate = state.target[i], state.gap[i], layout.units[i].rate
    for k in range(stop - first):
        order[k] = first + k
    sort_by_time(placed, order, stop - first)
    for k in range(stop - first + 1):
        e = placed[order[k]].time if k < stop - first else until
        while window.leaving < len(windows.out):
            rising = gap > 0.0
            distance = target - (state.high[i] if rising else state.low[i])
            if distance == 0.0 or (distance > 0.0) != rising or abs(gap) > e * abs(distance):
                break
            now = max(gap / distance, now)
            _note_message(layout, state, windows, i, begun + math.log(now) / rate, rising)
        now = e
        if k < stop - first:
            change = placed[order[k]].change
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
        Of its arrivals, in `Windows.arrivals`.
    """
    placed, free = windows.placed, np.isnan(state.units[i].fixed)
    cells = _put_into_cells(windows, count, now, until)
    first, step = 0, (until - now) / cells
    for c in range(cells):
        stop, edge = windows.ends[c], until - (cells - 1 - c) * step
        total = moment = size = 0.0
        for a in range(first, stop):
            change = placed[a].change
            total += change
            moment += change * placed[a].time
            size += abs(change)
        target, gap = state.target[i], state.gap[i]
        x, reach = target - gap / now, 1.0 - now / edge
        high = x + reach * max(target + size - x, 0.0)
        low = x + reach * min(target - size - x, 0.0)
        if free and not (high < state.high[i] and low > state.low[i]):
            _step_through(layout, state, windows, i, begun, first, stop, now, edge)
        else:
            state.target[i] = target + total
            state.gap[i] = gap + moment
        first, now = stop, edge


@inner
def through_window(layout, state, windows, i, begun):
    """Unit i to the end of the window; False if its messages have no room."""
    unit, window = state.units[i], windows.window[0]
    last = math.exp((window.end - begun) * layout.units[i].rate)
    until = last
    while window.now < last:
        count = _gather(layout, state, windows, i, until)
        if count > len(windows.arrivals):
            _undo_gather(layout, windows, i)
            until = 0.5 * (window.now + until)
            continue
        left, down, up = window.leaving, unit.down, unit.up
        target, gap, low, high = state.target[i], state.gap[i], state.low[i], state.high[i]
        _advance(layout, state, windows, i, begun, window.now, until, count)
        if window.leaving == len(windows.out):
            _undo_gather(layout, windows, i)
            window.leaving, unit.down, unit.up = left, down, up
            state.target[i], state.gap[i], state.low[i], state.high[i] = target, gap, low, high
            return False
        state.run[0].operations += count
        window.now, until = until, last
    state.gap[i] /= last
    window.now = 1.0
    return True
