"""A faster engine for constant delays by link, in windows as long as the smallest. Compiled.

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
from .sending import set_first_levels
from .state import BUSY, CROWDED, FULL, MANY, QUIET, STOPPED
from .window_unit import CLOSED, sort_by_time, through_window


@inner
def _list_flights(layout, state, windows, begun):
    """List the messages that are on their way, by projection and sender."""
    messages, window, sent = state.messages, windows.window[0], state.run[0].messages
    while window.oldest < sent:
        oldest = messages[window.oldest]
        if oldest.time + 1.001 * window.longest >= begun:
            break
        windows.sending[oldest.unit].gone += 1
        window.oldest += 1
    place = slot = 0
    for q in range(len(layout.projections)):
        projection = layout.projections[q]
        source = layout.populations[projection.source]
        rate, first = layout.populations[projection.target].rate, slot
        for i in range(source.start, source.stop):
            gone = windows.sending[i].gone
            count = state.units[i].number - gone
            if count > 0:
                windows.sending[i].cursor = place
                windows.senders[slot].unit = i - source.start
                windows.senders[slot].flights = place - gone
                place += count + 1
                slot += 1
        for m in range(window.oldest, sent):
            i, before = messages[m].unit, messages[m].previous
            if source.start <= i < source.stop:
                flight = windows.flights[windows.sending[i].cursor]
                flight.time = math.exp((messages[m].time - begun) * rate)
                earlier = messages[before].value if before >= 0 else state.units[i].first
                flight.change = messages[m].value - earlier
                windows.sending[i].cursor += 1
        for k in range(first, slot):
            cursor = windows.sending[source.start + windows.senders[k].unit].cursor
            windows.flights[cursor].time = np.inf
        windows.slots[q + 1] = slot


@inner
def _send_all(layout, state, windows):
    """Send the messages of a window, in the order of (time, unit)."""
    run, out, order = state.run[0], windows.out, windows.order
    leaving = windows.window[0].leaving
    for m in range(leaving):
        order[m] = m  # by units: this decides ties
    sort_by_time(out, order, leaving)
    for place in range(leaving):
        m = order[place]
        i, index = out[m].unit, run.messages
        message, unit = state.messages[index], state.units[i]
        message.time, message.value, message.unit = out[m].time, out[m].value, i
        message.previous = unit.latest
        unit.latest = index
        unit.number += 1
        run.messages += 1
        unit.sent_at = run.last_message = out[m].time
        if layout.rules[0].settles:
            run.check = out[m].time + layout.rules[0].transit


@compiled
def run_windows(layout, state, windows, stop, effort):
    """Events up to time `stop`, as `run_events`; a window may stay open if room is needed."""
    run, window, units = state.run[0], windows.window[0], len(state.units)
    before, steps = run.operations, 0
    if not run.begun:
        set_first_levels(layout, state)
    while True:
        begun = run.now
        if window.unit == CLOSED:
            if run.messages >= layout.rules[0].limit:
                return MANY
            if run.operations - before + steps > effort:
                return BUSY
            if run.check <= begun:
                return QUIET
            if begun >= stop:
                return STOPPED
            steps += len(layout.links) + units
            window.end = min(begun + window.width, stop, run.check)
            _list_flights(layout, state, windows, begun)
            window.unit = window.leaving = 0
        while window.unit < units:
            if not through_window(layout, state, windows, window.unit, begun):
                return CROWDED
            window.unit += 1
        if run.messages + window.leaving > len(state.messages):
            return FULL
        run.now = window.end
        for p in range(len(layout.populations)):
            state.populations[p].base = window.end
        _send_all(layout, state, windows)
        window.unit = CLOSED
