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

from ...compiled.jit import compiled
from .state import (
    BUSY,
    CHECK,
    FULL,
    LATEST,
    MANY,
    MESSAGES,
    NOW,
    NUMBER,
    OPERATIONS,
    QUIET,
    SENT,
    SENT_LAST,
    STOPPED,
)
from .window_unit import (
    CLOSED,
    CROWDED,
    END,
    LEAVING,
    LONGEST,
    OLDEST,
    UNIT,
    WIDTH,
    sort_by_time,
    through_window,
)


@compiled
def _line_up(engine, windows, begun):
    """List the messages that are on their way, by projection and sender."""
    messages, numbers, sent = engine.messages, windows.numbers, engine.counts[MESSAGES]
    while numbers[OLDEST] < sent:
        oldest = messages[numbers[OLDEST]]
        if oldest.time + 1.001 * windows.spans[LONGEST] >= begun:
            break
        windows.gone[oldest.unit] += 1
        numbers[OLDEST] += 1
    place = slot = 0
    for q in range(len(engine.projections)):
        projection = engine.projections[q]
        source = engine.populations[projection.source]
        rate, first = engine.populations[projection.target].rate, slot
        for i in range(source.start, source.stop):
            count = engine.ranks[NUMBER, i] - windows.gone[i]
            if count > 0:
                windows.cursor[i] = place
                windows.senders[slot].unit = i - source.start
                windows.senders[slot].flights = place - windows.gone[i]
                place += count + 1
                slot += 1
        for m in range(numbers[OLDEST], sent):
            i, before = messages[m].unit, messages[m].previous
            if source.start <= i < source.stop:
                flight = windows.flights[windows.cursor[i]]
                flight.time = math.exp((messages[m].time - begun) * rate)
                said = messages[before].value if before >= 0 else windows.first[i]
                flight.change = messages[m].value - said
                windows.cursor[i] += 1
        for k in range(first, slot):
            windows.flights[windows.cursor[source.start + windows.senders[k].unit]].time = np.inf
        windows.slots[q + 1] = slot


@compiled
def _dispatch(engine, windows):
    """Send the messages of a window, in the order of (time, unit)."""
    ranks, counts, clock, out = engine.ranks, engine.counts, engine.clock, windows.out
    order, leaving = windows.order, windows.numbers[LEAVING]
    for m in range(leaving):
        order[m] = m  # by units: this decides ties
    sort_by_time(out, order, leaving)
    for place in range(leaving):
        m = order[place]
        i, index = out[m].unit, counts[MESSAGES]
        message = engine.messages[index]
        message.time, message.value, message.unit = out[m].time, out[m].value, i
        message.previous = ranks[LATEST, i]
        ranks[LATEST, i] = index
        ranks[NUMBER, i] += 1
        counts[MESSAGES] += 1
        engine.units[SENT, i] = clock[SENT_LAST] = out[m].time
        if engine.rules[0].settles:
            clock[CHECK] = out[m].time + engine.rules[0].transit


@compiled
def run_windows(engine, windows, stop, effort):
    """Events up to time `stop`, as `loop.run`; the window may stay open if room is needed."""
    clock, counts, spans, numbers = engine.clock, engine.counts, windows.spans, windows.numbers
    begun_with, steps = counts[OPERATIONS], 0
    while True:
        begun = clock[NOW]
        if numbers[UNIT] == CLOSED:
            if counts[MESSAGES] >= engine.rules[0].limit:
                return MANY
            if counts[OPERATIONS] - begun_with + steps > effort:
                return BUSY
            if clock[CHECK] <= begun:
                return QUIET
            if begun >= stop:
                return STOPPED
            steps += len(windows.links) + engine.units.shape[1]
            spans[END] = min(begun + spans[WIDTH], stop, clock[CHECK])
            _line_up(engine, windows, begun)
            numbers[UNIT] = numbers[LEAVING] = 0
        while numbers[UNIT] < engine.units.shape[1]:
            if not through_window(engine, windows, numbers[UNIT], begun):
                return CROWDED
            numbers[UNIT] += 1
        if counts[MESSAGES] + numbers[LEAVING] > len(engine.messages):
            return FULL
        clock[NOW] = spans[END]
        for p in range(len(engine.populations)):
            engine.populations[p].base = spans[END]
        _dispatch(engine, windows)
        numbers[UNIT] = CLOSED
