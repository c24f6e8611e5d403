"""A group of units that share a sum or a threshold through a window of `window_loop`. Compiled.

All that arrives at the group is gathered, and put into cells of time. Where no change of a cell can
move any output to its next level, changes are added without regard to their order; in other cells
they are sorted, and the group is looked at as in the general engine.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math

import numpy as np

from ....compiled.jit import inner
from .groups import next_of_group, output_of_group
from .leak import shorten_wait
from .state import CROWDED, FLOODED, STOPPED
from .window_unit import (
    CLOSED,
    cell_of,
    count_exponentials,
    gather,
    note_crossing,
    note_heartbeat,
    sort_by_time,
    undo_gather,
)

GROUP_CELLS = 1024
_FILL = 64
BLOCK = 1 << 15  # arrivals that are sorted at once
MANY_ARRIVALS = 1 << 20  # arrivals at a group after which windows become shorter


@inner
def _gather_all(layout, state, windows, p, last):
    """Take what arrives at a group within the window; False if there is no room."""
    population, window = layout.populations[p], windows.window[0]
    while window.gathered < population.stop - population.start:
        i, before = population.start + window.gathered, window.count
        count = gather(layout, state, windows, i, window.end, before)
        if count > window.room:
            undo_gather(layout, windows, i)
            return False
        times = windows.arrivals[before:count]
        count_exponentials(times, count - before, population.rate, window.end, last)
        windows.stops[i] = window.count = count
        window.gathered += 1
    return True


@inner
def _sort_block(windows, first, stop, start, scale):
    """Sort the arrivals of units `first` to `stop` - 1, which begin at `start`, by cells.

    In the row of `ends`, entry c is where those of cell c begin in `placed`, c + 1 where they end.
    """
    window, times, changes = windows.window[0], windows.arrivals, windows.arriving
    cells, ends = window.cells, windows.ends[window.blocks]
    for c in range(cells + 1):
        ends[c] = 0
    for a in range(np.uint64(start), np.uint64(windows.stops[stop - 1])):
        ends[cell_of(times[a], 1.0, scale, cells) + np.uint64(1)] += 1
        windows.placed[a].unit = 0  # fetches it in its order, for the writes in another one below
    ends[0] = start
    for c in range(cells):
        ends[c + 1], start = start, start + ends[c + 1]
    k = np.uint64(ends[0])
    for i in range(first, stop):
        while k < np.uint64(windows.stops[i]):
            c = cell_of(times[k], 1.0, scale, cells)
            arrival = windows.placed[np.uint64(ends[c + np.uint64(1)])]
            arrival.time, arrival.change, arrival.unit = times[k], changes[k], i
            windows.sizes[c] += abs(changes[k])
            ends[c + np.uint64(1)] += 1
            k += np.uint64(1)
    window.blocks += 1


@inner
def _put_into_cells(layout, windows, p, last):
    """Sort arrivals at a group by cells of time, up to `last`, block by block of its units.

    A block stays in the cache while it is sorted; all of them together would not.
    """
    window, population = windows.window[0], layout.populations[p]
    scale = window.cells / (last - 1.0)
    for c in range(window.cells):
        windows.sizes[c] = 0.0
    first, start, window.blocks = population.start, 0, 0
    for i in range(population.start, population.stop):
        if windows.stops[i] - start >= BLOCK or i + 1 == population.stop:
            _sort_block(windows, first, i + 1, start, scale)
            first, start = i + 1, windows.stops[i]


@inner
def _sort_cell(windows, c):
    """Put the arrivals of a cell into the order of their times; returns their number."""
    count = 0
    for b in range(windows.window[0].blocks):
        for a in range(windows.ends[b, c], windows.ends[b, c + 1]):
            windows.order[count], windows.keys[a] = a, windows.placed[a].time
            count += 1
    sort_by_time(windows.keys, windows.order, count)
    return count


@inner
def _next_beat(layout, state, p):
    """The unit of a group that sends a heartbeat next, and when."""
    population = layout.populations[p]
    first = population.start
    if layout.rules[0].heartbeat == np.inf:
        return first, np.inf
    when = np.inf
    for i in range(population.start, population.stop):
        if np.isnan(state.units[i].fixed) and state.units[i].sent_at < when:
            first, when = i, state.units[i].sent_at
    return first, when + layout.rules[0].heartbeat


@inner
def _adds_up(layout, state, windows, p, now, until):
    """Add the arrivals of a cell in any order, from `now` to `until`; False if that may not be."""
    window, group = windows.window[0], state.populations[p]
    c, budget, speed, since, due = window.cell, group.budget, group.speed, group.since, group.due
    if due > until:
        shorten_wait(layout, state, p, now, windows.sizes[c])
    _, beat = _next_beat(layout, state, p)
    if min(group.due, beat) <= until:
        group.budget, group.speed, group.since, group.due = budget, speed, since, due
        return False
    for b in range(window.blocks):
        for a in range(np.uint64(windows.ends[b, c]), np.uint64(windows.ends[b, c + 1])):
            arrival = windows.placed[a]
            i = np.uint64(arrival.unit)
            state.target[i] += arrival.change
            state.gap[i] += arrival.change * arrival.time
    return True


@inner
def _step_through(layout, state, windows, p, begun, until):
    """A group through the arrivals of a cell, one by one; False if messages have no room.

    Parameters
    ----------
    layout : Layout
    state : State
    windows : Windows
        The window counts the arrivals that are done.
    p : int
        The group.
    begun : float
        Time at which the window began.
    until : float
        The time at which the cell ends.
    """
    window, group, order = windows.window[0], state.populations[p], windows.order
    placed, rate = windows.placed, layout.populations[p].rate
    if not window.halted:
        window.arrivals = _sort_cell(windows, window.cell)
        window.done = 0
    beating, beat = _next_beat(layout, state, p)
    while True:
        arrival = until
        if window.done < window.arrivals:
            a = order[window.done]
            arrival = min(begun + math.log(placed[a].time) / rate, until)
        if min(group.due, beat) < arrival or (
            window.done == window.arrivals and min(group.due, beat) <= until
        ):
            if window.leaving == len(windows.out):
                return False
            t = min(group.due, beat)
            if beat < group.due:
                value = output_of_group(layout, state, p, beating, t)
                note_heartbeat(layout, state, windows, beating, t, value)
                group.due = t
            else:
                sender, direction = next_of_group(layout, state, p, t)
                if sender >= 0:
                    note_crossing(layout, state, windows, sender, t, direction > 0.0)
                    group.due = t
            beating, beat = _next_beat(layout, state, p)
        elif window.done < window.arrivals:
            i, change = placed[a].unit, placed[a].change
            state.target[i] += change
            state.gap[i] += change * placed[a].time
            shorten_wait(layout, state, p, arrival, abs(change))
            window.done += 1
        else:
            return True


@inner
def group_through_window(layout, state, windows, p, begun):
    """A group to the end of the window: STOPPED there, CROWDED by messages, FLOODED by arrivals."""
    population, window = layout.populations[p], windows.window[0]
    rate = population.rate
    last = math.exp((window.end - begun) * rate)
    if window.cell == CLOSED:
        if not _gather_all(layout, state, windows, p, last):
            return FLOODED
        window.cells = min(GROUP_CELLS, 1 + window.count // _FILL)
        _put_into_cells(layout, windows, p, last)
        state.run[0].operations += window.count
        window.cell = 0
    step = (last - 1.0) / window.cells
    while window.cell < window.cells:
        c = window.cell
        now = begun + math.log1p(c * step) / rate
        edge = begun + math.log1p((c + 1) * step) / rate if c + 1 < window.cells else window.end
        if window.halted or not _adds_up(layout, state, windows, p, now, edge):
            window.halted = not _step_through(layout, state, windows, p, begun, edge)
            if window.halted:
                return CROWDED
        window.cell += 1
    for i in range(population.start, population.stop):
        state.gap[i] /= last
    if window.count > MANY_ARRIVALS:  # they would fill the memory, and fit into no cache
        window.width *= 0.5
    window.cell, window.gathered, window.count = CLOSED, 0, 0
    return STOPPED
