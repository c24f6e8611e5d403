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

from ...compiled.jit import compiled
from ...neurons import SIGN
from .sending import announce
from .state import DOWN, FIXED, GAP, HIGH, LOW, OPERATIONS, OWNER, RATE, STALENESS, TARGET, UP

CELLS = 256
_FILL = 16
UNIT, LEAVING, OLDEST = range(3)  # of `Windows.numbers`; UNIT is CLOSED while no window is open
CLOSED = -1
WIDTH, LONGEST, END, FROM = range(4)  # of `Windows.spans`
CROWDED = 9  # the units of a window send more than there is room for
SAVED = (TARGET, GAP, LOW, HIGH, DOWN, UP)  # what a unit changes


@compiled
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


@compiled
def _gather(engine, windows, i, until):
    """Take what arrives at unit i before `until` from its links; returns how much that is."""
    arrivals, flights, owner = windows.arrivals, windows.flights, engine.ranks[OWNER, i]
    place, longest = i - engine.populations[owner].start, 1.0
    count, room = np.uint64(0), np.uint64(len(arrivals))
    for q in range(len(engine.projections)):
        projection = engine.projections[q]
        if projection.target == owner:
            source = engine.populations[projection.source]
            size = source.stop - source.start
            begin = projection.register + place * size
            links, heard = windows.links[begin : begin + size], windows.heard[begin : begin + size]
            for slot in range(windows.slots[q], windows.slots[q + 1]):
                sender = windows.senders[slot]
                j = sender.unit
                windows.before[slot] = heard[j]
                # Unsigned, so that the compiler does not look for indices below 0.
                k = np.uint64(sender.flights + heard[j])
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
                heard[j] = np.int64(k) - sender.flights
    staleness = math.log(longest) / engine.units[RATE, i]
    engine.clock[STALENESS] = max(engine.clock[STALENESS], staleness)
    return np.int64(count)


@compiled
def _give_back(engine, windows, i):
    """Undo `_gather`."""
    owner = engine.ranks[OWNER, i]
    for q in range(len(engine.projections)):
        projection = engine.projections[q]
        if projection.target == owner:
            source = engine.populations[projection.source]
            place = i - engine.populations[owner].start
            begin = projection.register + place * (source.stop - source.start)
            for slot in range(windows.slots[q], windows.slots[q + 1]):
                windows.heard[begin + windows.senders[slot].unit] = windows.before[slot]


@compiled
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


@compiled
def _leave(engine, windows, i, t, rising):
    """Unit i reaches a level: note its message."""
    units, message = engine.units, windows.out[windows.numbers[LEAVING]]
    value = units[UP, i] if rising else units[DOWN, i]
    direction = 1.0 if rising else -1.0
    if engine.populations[engine.ranks[OWNER, i]].kind == SIGN:
        value = direction
    message.time, message.unit = t, i
    message.value = announce(engine, i, value, direction)
    windows.numbers[LEAVING] += 1


@compiled
def _go_through(engine, windows, i, begun, first, stop, now, until):
    """Unit i from `now` to `until`, from arrival to arrival."""
    units, order, placed = engine.units, windows.order, windows.placed
    target, gap, rate = units[TARGET, i], units[GAP, i], units[RATE, i]
    for k in range(stop - first):
        order[k] = first + k
    sort_by_time(placed, order, stop - first)
    for k in range(stop - first + 1):
        e = placed[order[k]].time if k < stop - first else until
        while windows.numbers[LEAVING] < len(windows.out):
            rising = gap > 0.0
            distance = target - (units[HIGH, i] if rising else units[LOW, i])
            if distance == 0.0 or (distance > 0.0) != rising or abs(gap) > e * abs(distance):
                break
            now = max(gap / distance, now)
            _leave(engine, windows, i, begun + math.log(now) / rate, rising)
        now = e
        if k < stop - first:
            change = placed[order[k]].change
            target += change
            gap += change * e
    units[TARGET, i], units[GAP, i] = target, gap


@compiled
def _advance(engine, windows, i, begun, now, until, count):
    """Unit i through its arrivals, cell by cell."""
    units, placed, free = engine.units, windows.placed, np.isnan(engine.units[FIXED, i])
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
        target, gap = units[TARGET, i], units[GAP, i]
        x, reach = target - gap / now, 1.0 - now / edge
        high = x + reach * max(target + size - x, 0.0)
        low = x + reach * min(target - size - x, 0.0)
        if free and not (high < units[HIGH, i] and low > units[LOW, i]):
            _go_through(engine, windows, i, begun, first, stop, now, edge)
        else:
            units[TARGET, i] = target + total
            units[GAP, i] = gap + moment
        first, now = stop, edge


@compiled
def through_window(engine, windows, i, begun):
    """Unit i to the end of the window; False if its messages have no room."""
    units, spans, numbers = engine.units, windows.spans, windows.numbers
    last = math.exp((spans[END] - begun) * units[RATE, i])
    until = last
    while spans[FROM] < last:
        count = _gather(engine, windows, i, until)
        if count > len(windows.arrivals):
            _give_back(engine, windows, i)
            until = 0.5 * (spans[FROM] + until)
            continue
        left = numbers[LEAVING]
        for row in range(len(SAVED)):
            windows.saved[row] = units[SAVED[row], i]
        _advance(engine, windows, i, begun, spans[FROM], until, count)
        if numbers[LEAVING] == len(windows.out):
            _give_back(engine, windows, i)
            for row in range(len(SAVED)):
                units[SAVED[row], i] = windows.saved[row]
            numbers[LEAVING] = left
            return False
        engine.counts[OPERATIONS] += count
        spans[FROM], until = until, last
    units[GAP, i] /= last
    spans[FROM] = 1.0
    return True
