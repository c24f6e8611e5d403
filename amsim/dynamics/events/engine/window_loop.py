"""A faster engine for delays by link, in windows as long as the smallest. Compiled.

A message sent within a window arrives after its end, so all arrivals of a window are known when it
begins, and within it units do not depend on each other: each goes through the window alone, see
`window_unit`. The links of a receiver are neighbours, and so are the messages of a sender: memory
is read in its order.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math

import numpy as np

from ....compiled.jit import compiled, inner
from ....compiled.vectors import WIDTH
from ....neurons import GROUPS
from .clocks import set_first_levels
from .leak import own_crossing
from .sending import key_of_link, keys_of_message
from .state import BUSY, FULL, MANY, QUIET, STOPPED
from .window_group import group_through_window
from .window_unit import CLOSED, draw_late, sort_by_time, through_window

SPARE = 8  # messages for which each unit has room


@inner
def _fill_flight(layout, state, windows, place, m):
    """Message m is on its way at `place` of `flights`."""
    message = state.messages[m]
    i, before = message.unit, message.previous
    earlier = state.messages[before].value if before >= 0 else state.units[i].first
    windows.flights[place], windows.changes[place] = message.time, message.value - earlier
    windows.indices[place] = m


@inner
def _append_flight(layout, state, windows, m):
    """Message m is the last one that its unit has on its way."""
    i, place = state.messages[m].unit, windows.sending[state.messages[m].unit].cursor
    sending = windows.sending[i]
    _fill_flight(layout, state, windows, place, m)
    if len(windows.jitters) > 0:
        jitter, loss = keys_of_message(layout, i, sending.gone + place - sending.first + 1)
        windows.jitters[place] = jitter
        if len(windows.losses) > 0:
            windows.losses[place] = loss
    sending.cursor += 1
    windows.flights[sending.cursor] = np.inf


@inner
def _list_anew(layout, state, windows):
    """List all messages that may be on their way, with room for as many of each unit again.

    On average a unit has room for its share of all: this is not done again before so many messages
    were sent.
    """
    units, window, sent = len(state.units), windows.window[0], state.run[0].messages
    spare = (sent - window.oldest) // units + SPARE
    place = 0
    for i in range(units):
        sending = windows.sending[i]
        sending.first = sending.cursor = place
        place += state.units[i].number - sending.gone + spare
        sending.stop = place
        windows.flights[sending.cursor] = np.inf
    for m in range(window.oldest, sent):
        _append_flight(layout, state, windows, m)
    window.listed = sent


@inner
def _list_flights(layout, state, windows, begun):
    """List the messages that may be on their way, by sender; those that were are there already."""
    messages, window, run = state.messages, windows.window[0], state.run[0]
    while window.oldest < window.listed:
        oldest = messages[window.oldest]
        if oldest.time + 1.001 * window.longest >= begun:
            break
        windows.sending[oldest.unit].gone += 1
        windows.sending[oldest.unit].first += 1
        window.oldest += 1
    while window.listed < run.messages:
        sending = windows.sending[messages[window.listed].unit]
        if sending.cursor + 1 >= sending.stop:
            _list_anew(layout, state, windows)
            run.steps += run.messages - window.oldest
        else:
            _append_flight(layout, state, windows, window.listed)
            window.listed += 1
    _list_senders(layout, windows)


@inner
def _list_senders(layout, windows):
    """List the units that have messages on their way, by projection."""
    slot = 0
    for q in range(len(layout.projections)):
        source = layout.populations[layout.projections[q].source]
        for i in range(source.start, source.stop):
            sending, sender = windows.sending[i], windows.senders[slot]
            if sending.cursor > sending.first:
                sender.unit, sender.gone = i - source.start, sending.gone
                sender.flights = sending.first - sending.gone
                slot += 1
        windows.slots[q + 1] = slot


@inner
def _first_event(layout, state, begun):
    """No unit sends before this time if nothing arrives."""
    first, heartbeat = np.inf, layout.rules[0].heartbeat
    for i in range(len(state.units)):
        p = layout.units[i].population
        if layout.populations[p].kind in GROUPS:
            first = min(first, state.populations[p].due)
        elif np.isnan(state.units[i].fixed):
            crossing = own_crossing(layout, state, p, i)
            first = min(first, begun + math.log(crossing) / layout.units[i].rate)
        if np.isnan(state.units[i].fixed):
            first = min(first, state.units[i].sent_at + heartbeat)
    return first


@inner
def _end_of_window(layout, state, windows, stop, begun):
    """Nothing that is sent in a window arrives in it; one that begins with a silence is longer."""
    window, run = windows.window[0], state.run[0]
    end = begun + window.width
    if windows.slots[len(layout.projections)] == 0:
        silence = max(_first_event(layout, state, begun) - begun, 0.0)
        end = begun + min(silence * (1.0 - 1e-9) + window.width, window.widest)
        run.steps += len(state.units)
    return min(end, stop, run.check)


@inner
def _looks(layout, windows):
    """Units, and links that may bring something, that a window goes through."""
    looks = len(layout.units)
    for q in range(len(layout.projections)):
        target = layout.populations[layout.projections[q].target]
        looks += (windows.slots[q + 1] - windows.slots[q]) * (target.stop - target.start)
    return looks


@inner
def _send_all(layout, state, windows):
    """Send the messages of a window, in the order of (time, unit)."""
    run, out, order, keys = state.run[0], windows.out, windows.order, windows.keys
    leaving = windows.window[0].leaving
    for m in range(leaving):
        order[m], keys[m] = m, out[m].time  # by units: this decides ties
    sort_by_time(keys, order, leaving)
    for place in range(leaving):
        m = order[place]
        i, index = out[m].unit, run.messages
        message, unit = state.messages[index], state.units[i]
        message.time, message.value, message.unit = out[m].time, out[m].value, i
        message.previous = unit.latest
        unit.latest = index
        unit.number += 1
        run.messages += 1
        run.last_message = out[m].time
        if out[m].news and layout.rules[0].tolerance > 0.0:
            run.check = out[m].time + layout.rules[0].transit


@compiled
def run_windows(layout, state, windows, stop, effort):
    """Events up to time `stop`, as `run_events`; a window may stay open if room is needed."""
    run, window, units = state.run[0], windows.window[0], len(state.units)
    before = run.operations + run.steps
    if not run.begun:
        set_first_levels(layout, state)
    while True:
        begun = run.now
        if window.unit == CLOSED:
            if run.messages >= layout.rules[0].limit:
                return MANY
            if run.operations + run.steps - before > effort:
                return BUSY
            if run.check <= begun:
                return QUIET
            if begun >= stop:
                return STOPPED
            _list_flights(layout, state, windows, begun)
            window.end = _end_of_window(layout, state, windows, stop, begun)
            run.steps += _looks(layout, windows)
            window.unit = window.leaving = 0
            window.now = begun
        while window.unit < units:
            population = layout.populations[layout.units[window.unit].population]
            if population.kind in GROUPS:
                p, following = layout.units[window.unit].population, population.stop
                ended = group_through_window(layout, state, windows, p, begun)
            else:
                following = window.unit + 1
                ended = through_window(layout, state, windows, window.unit, begun)
            if ended != STOPPED:
                return ended
            window.unit = following
        if run.messages + window.leaving > len(state.messages):
            return FULL
        run.now = window.end
        for p in range(len(layout.populations)):
            state.populations[p].base = window.end
        _send_all(layout, state, windows)
        window.unit = CLOSED


@compiled
def count_late_and_lost(layout, state, windows):
    """At the end of a run, count messages that were lost, and those that came after a later one.

    Within windows one that a later one overtakes counts when that arrives: arrivals are counted
    anew.
    """
    run, sending = state.run[0], windows.sending
    run.operations = 0
    for i in range(len(sending)):
        sending[i].gone = 0
    windows.window[0].oldest = 0
    _list_anew(layout, state, windows)
    for q in range(len(layout.projections)):
        projection = layout.projections[q]
        source = layout.populations[projection.source]
        target = layout.populations[projection.target]
        place = projection.register
        for receiver in range(target.stop - target.start):
            key = key_of_link(q, receiver)
            for i in range(source.start, source.stop):
                _count_of_link(layout, windows, run, sending[i], layout.links[place].delay, key)
                place += 1


@inner
def _count_of_link(layout, windows, run, sending, delay, key):
    """Count what was lost on a link, what has arrived, and what of that came late.

    Parameters
    ----------
    layout, windows, run, sending, delay, key : Layout, Windows, RUN, SENDING, float, uint64
    """
    earliest, first, now = np.inf, sending.first, run.now
    drops = arrivals = late = 0
    block = first + (sending.cursor - first - 1) // WIDTH * WIDTH
    while block >= first:
        draw_late(layout, windows, block, key)
        for k in range(min(sending.cursor - block, WIDTH) - 1, -1, -1):
            arrival = windows.flights[block + k] + delay + windows.late[k]
            drops += arrival == np.inf
            arrivals += arrival < now
            late += (arrival < now) & (earliest < arrival)
            earliest = min(earliest, arrival)
        block -= WIDTH
    run.drops += drops
    run.operations += arrivals
    run.late += late
