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
    count_exponentials,
    gather,
    note_crossing,
    note_heartbeat,
    sort_by_time,
    undo_gather,
)

GROUP_CELLS = 1024
_FILL = 64
_MANY = 1 << 20  # arrivals at a group after which windows become shorter


@inner
def _gather_all(layout, state, windows, p):
    """Take what arrives at a group within the window; False if there is no room."""
    population, window = layout.populations[p], windows.window[0]
    while window.gathered < population.stop - population.start:
        i, before = population.start + window.gathered, window.count
        count = gather(layout, state, windows, i, window.end, before)
        if count > len(windows.arrivals):
            undo_gather(layout, windows, i)
            return False
        for a in range(before, count):
            windows.owners[a] = i
        window.count = count
        window.gathered += 1
    return True


@inner
def _put_into_cells(windows, count, cells, now, until):
    """Sort arrivals by cells of time between `now` and `until`; `ends` is where each ends."""
    arrivals, placed, cell, ends = windows.arrivals, windows.placed, windows.order, windows.ends
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
        place = ends[cell[a]]
        placed[place].time, placed[place].change = arrivals[a].time, arrivals[a].change
        windows.placed_owners[place] = windows.owners[a]
        ends[cell[a]] += 1


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
def _adds_up(layout, state, windows, p, first, stop, now, until):
    """Add the arrivals of a cell in any order; False if that may not be.

    Parameters
    ----------
    layout : Layout
    state : State
    windows : Windows
    p : int
        The group.
    first, stop : int
        The arrivals.
    now, until : float
        Times between which they come.
    """
    group, placed, owners = state.populations[p], windows.placed, windows.placed_owners
    size = 0.0
    for a in range(first, stop):
        size += abs(placed[a].change)
    budget, speed, since, due = group.budget, group.speed, group.since, group.due
    if due > until:
        shorten_wait(layout, state, p, now, size)
    _, beat = _next_beat(layout, state, p)
    if min(group.due, beat) <= until:
        group.budget, group.speed, group.since, group.due = budget, speed, since, due
        return False
    for a in range(first, stop):
        state.target[owners[a]] += placed[a].change
        state.gap[owners[a]] += placed[a].change * placed[a].time
    return True


@inner
def _step_through(layout, state, windows, p, begun, first, stop, until):
    """A group through the arrivals of a cell, one by one; False if messages have no room.

    Parameters
    ----------
    layout : Layout
    state : State
    windows : Windows
    p : int
        The group.
    begun : float
        Time at which the window began.
    first, stop : int
        The arrivals, in `Windows.placed`; the window counts those that are done.
    until : float
        The time at which the cell ends.
    """
    window, group, order = windows.window[0], state.populations[p], windows.order
    placed, rate = windows.placed, layout.populations[p].rate
    if window.done == 0:
        for k in range(stop - first):
            order[k] = first + k
        sort_by_time(placed, order, stop - first)
    beating, beat = _next_beat(layout, state, p)
    while True:
        arrival = until
        if window.done < stop - first:
            a = order[window.done]
            arrival = min(begun + math.log(placed[a].time) / rate, until)
        if min(group.due, beat) < arrival or (
            window.done == stop - first and min(group.due, beat) <= until
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
        elif window.done < stop - first:
            i, change = windows.placed_owners[a], placed[a].change
            state.target[i] += change
            state.gap[i] += change * placed[a].time
            shorten_wait(layout, state, p, arrival, abs(change))
            window.done += 1
        else:
            window.done = 0
            return True


@inner
def group_through_window(layout, state, windows, p, begun):
    """A group to the end of the window: STOPPED there, CROWDED by messages, FLOODED by arrivals."""
    population, window = layout.populations[p], windows.window[0]
    rate, count = population.rate, window.count
    last = math.exp((window.end - begun) * rate)
    if window.cell == CLOSED:
        if not _gather_all(layout, state, windows, p):
            return FLOODED
        count = window.count
        count_exponentials(windows.arrivals, count, rate, window.end, last)
        window.cells = min(GROUP_CELLS, 1 + count // _FILL)
        _put_into_cells(windows, count, window.cells, 1.0, last)
        state.run[0].operations += count
        window.cell = window.done = 0
    step = (last - 1.0) / window.cells
    while window.cell < window.cells:
        c = window.cell
        first, stop = windows.ends[c - 1] if c > 0 else 0, windows.ends[c]
        now = begun + math.log1p(c * step) / rate
        edge = begun + math.log1p((c + 1) * step) / rate if c + 1 < window.cells else window.end
        if window.halted or not _adds_up(layout, state, windows, p, first, stop, now, edge):
            window.halted = not _step_through(layout, state, windows, p, begun, first, stop, edge)
            if window.halted:
                return CROWDED
        window.cell += 1
    for i in range(population.start, population.stop):
        state.gap[i] /= last
    if count > _MANY:  # they would fill the memory, and fit into no cache
        window.width *= 0.5
    window.cell, window.gathered, window.count = CLOSED, 0, 0
    return STOPPED
