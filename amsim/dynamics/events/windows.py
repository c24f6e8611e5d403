"""A faster engine for constant delays by link, in windows no longer than the smallest. Compiled.

A message sent within a window arrives after its end, so all arrivals of a window are known when it
begins. They are added up without regard to their order, since a unit is linear between its sends.
Where the sum of the absolute changes cannot have moved a unit to its next level, that is all; the
arrivals of the other units are sorted and gone through one by one. Links of a sender are sorted by
delay, so that those of a window are neighbours.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from . import neurons
from .neurons import SIGN, compiled
from .sending import announce
from .state import (
    BUSY,
    CHECK,
    DOWN,
    FIXED,
    FULL,
    GAP,
    HIGH,
    LATEST,
    LOW,
    MANY,
    MESSAGES,
    NOW,
    NUMBER,
    OPERATIONS,
    OWNER,
    QUIET,
    RATE,
    SENT,
    SENT_LAST,
    STALENESS,
    STOPPED,
    TARGET,
    UP,
    Engine,
    Floats,
    Ints,
    Records,
)
from .wiring import Wiring

_LARGEST = 600.0  # exponent of rate times delay
_ROOM, _LEAST_ROOM = 16, 1024  # messages in a window: per unit, and at least
_ARRIVALS = 1 << 18

# A message on its way along one projection.
FLIGHT = np.dtype(
    [
        ("time", np.float64),
        ("change", np.float64),
        ("row", np.int64),  # first link of the sender
        ("next", np.int64),  # first link that has not arrived
        ("last", np.int64),
        ("first", np.int64),  # unit of the receiving population
        ("rate", np.float64),
    ]
)
ARRIVAL = np.dtype([("time", np.float64), ("change", np.float64), ("before", np.int64)])
OUT = np.dtype([("time", np.float64), ("value", np.float64), ("change", np.float64),
                ("unit", np.int64), ("direction", np.float64)])  # fmt: skip
FLIGHTS = 0
TOTAL, MOMENT, SIZE, SUM_ROWS = range(4)
OVERRUN = 9  # more messages in one window than it has room for: begin anew with shorter ones


class Windows(NamedTuple):
    """Links sorted by delay, and working memory."""

    receiver: Ints  # by link
    weight: Floats
    delay: Floats
    factor: Floats  # exp(rate delay)
    flights: Records
    arrivals: Records
    out: Records
    sums: Floats  # (3, N)
    head: Ints  # last arrival of each unit that is gone through, or -1; -2 for others; then order
    said: Floats  # value that the next message is compared with
    numbers: Ints  # FLIGHTS
    width: Floats  # of a window: the present one, the longest


@compiled
def _sort(records, order, count):
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
def _add_up(windows, begun, end):
    """Sum what arrives before `end`; returns the number of deliveries and the largest delay."""
    sums, count, longest = windows.sums, 0, 0.0
    for f in range(windows.numbers[FLIGHTS]):
        flight = windows.flights[f]
        k, left, change, first = flight.next, end - flight.time, flight.change, flight.first
        if k < flight.last and windows.delay[k] < left:
            late = math.exp((flight.time - begun) * flight.rate)
            while k < flight.last and windows.delay[k] < left:
                i, w = first + windows.receiver[k], windows.weight[k] * change
                sums[TOTAL, i] += w
                sums[MOMENT, i] += w * (late * windows.factor[k])
                sums[SIZE, i] += abs(w)
                k += 1
            count += k - flight.next
            longest = max(longest, windows.delay[k - 1])
    return count, longest


@compiled
def _collect(windows, end):
    """List the arrivals of the units that are gone through, and advance all flights."""
    count, kept = 0, 0
    for f in range(windows.numbers[FLIGHTS]):
        flight = windows.flights[f]
        k, left = flight.next, end - flight.time
        while k < flight.last and windows.delay[k] < left:
            i = flight.first + windows.receiver[k]
            if windows.head[i] > -2:
                arrival = windows.arrivals[count]
                arrival.time = flight.time + windows.delay[k]
                arrival.change = windows.weight[k] * flight.change
                arrival.before = windows.head[i]
                windows.head[i] = count
                count += 1
            k += 1
        flight.next = k
        if k < flight.last:
            if kept < f:
                windows.flights[kept] = windows.flights[f]
            kept += 1
    windows.numbers[FLIGHTS] = kept


@compiled
def _go_through(engine, windows, i, begun, end, order, sent):
    """Unit i from arrival to arrival: its messages, as entries of `out` from `sent` on."""
    units, population = engine.units, engine.populations[engine.ranks[OWNER, i]]
    count, k = 0, windows.head[i]
    while k >= 0:
        order[count] = k
        count, k = count + 1, windows.arrivals[k].before
    _sort(windows.arrivals, order, count)
    target, rate = units[TARGET, i], units[RATE, i]
    x, t, free = target - units[GAP, i], begun, np.isnan(units[FIXED, i])
    for place in range(count + 1):
        until = windows.arrivals[order[place]].time if place < count else end
        while free:
            rising = target > x
            level = units[HIGH, i] if rising else units[LOW, i]
            span = target - level
            if span == 0.0 or (span > 0.0) != rising or target == x:
                break
            crossing = t + math.log(max((target - x) / span, 1.0)) / rate
            if crossing > until or sent >= len(windows.out):
                break
            x, t = level, crossing
            message = windows.out[sent]
            message.direction = 1.0 if rising else -1.0
            value = units[UP, i] if rising else units[DOWN, i]
            if population.kind == SIGN:
                value = message.direction
            message.time, message.unit = t, i
            message.value = announce(engine, i, value, message.direction)
            message.change = message.value - windows.said[i]
            windows.said[i] = message.value
            sent += 1
        x = target + (x - target) * math.exp((t - until) * rate)
        t = until
        if place < count:
            target += windows.arrivals[order[place]].change
    units[TARGET, i], units[GAP, i] = target, target - x
    return sent


@compiled
def _dispatch(engine, windows, order, sent):
    """Put the messages of a window on their way, in the order of (time, unit)."""
    units, ranks, counts, clock = engine.units, engine.ranks, engine.counts, engine.clock
    out = windows.out
    for m in range(sent):
        order[m] = m  # by units: this decides ties
    _sort(out, order, sent)
    for place in range(sent):
        m = order[place]
        i, index = out[m].unit, counts[MESSAGES]
        population, message = engine.populations[ranks[OWNER, i]], engine.messages[index]
        message.time, message.value, message.unit = out[m].time, out[m].value, i
        message.previous = ranks[LATEST, i]
        ranks[LATEST, i] = index
        ranks[NUMBER, i] += 1
        counts[MESSAGES] += 1
        units[SENT, i] = clock[SENT_LAST] = out[m].time
        if engine.rules[0].settles:
            clock[CHECK] = out[m].time + engine.rules[0].transit
        for k in range(population.outgoing, population.beyond):
            projection = engine.projections[engine.outgoing[k]]
            target = engine.populations[projection.target]
            size = target.stop - target.start
            flight = windows.flights[windows.numbers[FLIGHTS]]
            flight.time, flight.change, flight.rate = out[m].time, out[m].change, target.rate
            flight.row = projection.register + (i - population.start) * size
            flight.next, flight.last, flight.first = flight.row, flight.row + size, target.start
            windows.numbers[FLIGHTS] += 1


@compiled
def run_windows(engine, windows, stop, effort):
    """Events up to time `stop`, as `loop.run`."""
    units, clock, counts, rules = engine.units, engine.clock, engine.counts, engine.rules[0]
    sums, order = windows.sums, windows.head[units.shape[1] :]
    begun_with, steps = counts[OPERATIONS], 0
    while True:
        begun = clock[NOW]
        if counts[MESSAGES] >= rules.limit:
            return MANY
        steps += units.shape[1]
        if counts[OPERATIONS] - begun_with + steps > effort:
            return BUSY
        if clock[CHECK] <= begun:
            return QUIET
        if begun >= stop:
            return STOPPED
        room = len(windows.out)
        if counts[MESSAGES] + room > len(engine.messages) or windows.numbers[FLIGHTS] + room * len(
            engine.outgoing
        ) > len(windows.flights):
            return FULL
        end = min(begun + windows.width[0], stop, clock[CHECK])
        for i in range(units.shape[1]):
            sums[TOTAL, i] = sums[MOMENT, i] = sums[SIZE, i] = 0.0
        count, longest = _add_up(windows, begun, end)
        if count > len(windows.arrivals):
            if windows.width[0] < 1e-3 * windows.width[1]:
                return FULL
            windows.width[0] *= 0.5
            continue
        clock[STALENESS] = max(clock[STALENESS], longest)
        counts[OPERATIONS] += count
        examined = 0
        for i in range(units.shape[1]):
            target, gap, size = units[TARGET, i], units[GAP, i], sums[SIZE, i]
            decay = math.exp((begun - end) * units[RATE, i])
            x, reach = target - gap, 1.0 - decay
            high = x + reach * max(gap + size, 0.0)
            low = x + reach * min(gap - size, 0.0)
            windows.head[i] = -2
            if high < units[HIGH, i] and low > units[LOW, i]:
                units[TARGET, i] = target + sums[TOTAL, i]
                units[GAP, i] = (gap + sums[MOMENT, i]) * decay
            else:
                windows.head[i] = -1
                examined += 1
        _collect(windows, end)
        sent = 0
        if examined > 0:
            for i in range(units.shape[1]):
                if windows.head[i] > -2:
                    sent = _go_through(engine, windows, i, begun, end, order, sent)
        if sent == len(windows.out):
            return OVERRUN
        for p in range(len(engine.populations)):
            engine.populations[p].base = end
        clock[NOW] = end
        _dispatch(engine, windows, order, sent)
        if examined > 0.08 * units.shape[1]:
            windows.width[0] = max(0.8 * windows.width[0], 1e-3 * windows.width[1])
        elif examined < 0.03 * units.shape[1]:
            windows.width[0] = min(1.25 * windows.width[0], windows.width[1])


def applies(wiring: Wiring) -> bool:
    """Whether a network can be run in windows: see the conditions in the module's docstring."""
    rules, populations = wiring.rules[0], wiring.populations
    simple = rules["link"] and not (rules["clocked"] or rules["drop"] or len(wiring.jitter))
    crossing = populations["kind"] < neurons.SOFTMAX
    shared = np.isfinite(populations["rate"])
    if not (simple and np.isinf(rules["heartbeat"]) and crossing.all() and shared.all()):
        return False
    reach = populations["fastest"].max() * wiring.delays.max(initial=0.0)
    return bool(len(wiring.delays) and wiring.delays.min() > 0 and reach < _LARGEST)


def sorted_links(wiring: Wiring) -> tuple[Ints, Floats, Floats, Floats]:
    """Receiver, weight, delay and exp(rate delay) of all links, those of a sender by delay."""
    parts = []
    for projection in wiring.projections:
        source, target = (wiring.populations[projection[end]] for end in ("source", "target"))
        shape = (source["stop"] - source["start"], target["stop"] - target["start"])
        place = projection["delay"] + np.add.outer(
            projection["delay_sender"] * np.arange(shape[0]),
            projection["delay_receiver"] * np.arange(shape[1]),
        )
        delay, begin = wiring.delays[place], projection["weights"]
        weight = wiring.weights[begin : begin + delay.size].reshape(shape) / target["leak"]
        order = np.argsort(delay, axis=1, kind="stable")
        sorted_delay = np.take_along_axis(delay, order, axis=1)
        factor = np.exp(target["rate"] * sorted_delay)
        columns = (order, np.take_along_axis(weight, order, axis=1), sorted_delay, factor)
        parts.append([column.ravel() for column in columns])
    receiver, weight, delay, factor = (np.concatenate(c) for c in zip(*parts, strict=True))
    return receiver, weight, delay, factor


def begin_windows(
    wiring: Wiring,
    engine: Engine,
    links: tuple[Ints, Floats, Floats, Floats],
    said: Floats,
    share: float,
) -> Windows:
    """Working memory for one cue; `said` are the outputs at t = 0.

    `share` is the width of the longest window, relative to the smallest delay.
    """
    units, longest = engine.units.shape[1], share * float(wiring.delays.min())
    room = max(_ROOM * units, _LEAST_ROOM)
    return Windows(
        *links,
        flights=np.zeros(2 * room * len(wiring.outgoing), FLIGHT),
        arrivals=np.zeros(_ARRIVALS, ARRIVAL),
        out=np.zeros(room, OUT),
        sums=np.zeros((SUM_ROWS, units)),
        head=np.zeros(units + max(_ARRIVALS, room), np.int64),
        said=said,
        numbers=np.zeros(1, np.int64),
        width=np.array([1e-2 * longest, longest]),
    )


def grown(windows: Windows) -> Windows:
    """Room for twice as much."""
    return windows._replace(
        flights=np.concatenate([windows.flights, np.zeros_like(windows.flights)]),
        arrivals=np.concatenate([windows.arrivals, np.zeros_like(windows.arrivals)]),
        head=np.concatenate([windows.head, np.zeros_like(windows.head)]),
    )


def settle_registers(engine: Engine, windows: Windows) -> None:
    """Write what the registers hold: what was said last, less what is still on its way."""
    for projection in engine.projections:
        source, target = (engine.populations[projection[end]] for end in ("source", "target"))
        size = target["stop"] - target["start"]
        said = np.repeat(windows.said[source["start"] : source["stop"]], size)
        engine.register[projection["register"] : projection["register"] + said.size] = said
    for flight in windows.flights[: windows.numbers[FLIGHTS]]:
        links = windows.receiver[flight["next"] : flight["last"]]
        engine.register[flight["row"] + links] -= flight["change"]
