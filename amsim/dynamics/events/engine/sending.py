"""Outputs of units, and how they are sent: levels, messages and packets. Compiled."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import numpy as np

from ....compiled.jit import inner, inner_inlined
from ....compiled.neurons import activation, height, inverse
from ....compiled.streams import mixed, unit_interval
from ....neurons import ENTMAX, GROUPS, SIGN
from .groups import output_of_group
from .leak import state_at
from .queue import push
from .state import ALL


@inner
def output(layout, state, i, t):
    """g of unit i at time t."""
    p = layout.units[i].population
    population = layout.populations[p]
    if population.kind in GROUPS:
        return output_of_group(layout, state, p, i, t)
    x = state_at(layout, state, i, t) - state.populations[p].shift
    return activation(population.kind, population.parameter, x)


@inner
def set_levels(layout, state, i, value, direction):
    """Set the levels of the next message of unit i; returns the value that this one carries.

    Its output is `value`, and moves up (1), down (-1) or somewhere (0).
    """
    population, unit = layout.populations[layout.units[i].population], state.units[i]
    kind, quantum = population.kind, layout.units[i].quantum
    carried, further, back = value, quantum, quantum
    if layout.rules[0].ahead and kind != SIGN:
        carried = value + 0.5 * quantum * direction
        further = quantum if direction != 0.0 else 0.5 * quantum
        back = 0.5 * quantum
        carried = min(max(carried, population.least), population.most)
    rising = direction >= 0.0
    unit.up = value + (further if rising else back)
    unit.down = value - (back if rising else further)
    place_levels(layout, state, i)
    return carried


@inner
def place_levels(layout, state, i):
    """Where the levels of unit i are in its state, or in its height above a threshold."""
    population, unit = layout.populations[layout.units[i].population], state.units[i]
    kind, parameter = population.kind, population.parameter
    if kind == ENTMAX:
        state.low[i] = height(kind, population.alpha, unit.down)
        state.high[i] = height(kind, population.alpha, unit.up)
    elif np.isnan(unit.fixed) and kind not in GROUPS:
        state.low[i] = inverse(kind, parameter, unit.down)
        state.high[i] = inverse(kind, parameter, unit.up)


@inner_inlined
def quantile(jitter, u):
    """Jitter from a number in (0, 1)."""
    if len(jitter) == 1:
        return jitter[0] * u
    place = max(u * len(jitter) - 0.5, 0.0)
    k = min(int(place), len(jitter) - 2)
    return jitter[k] + min(place - k, 1.0) * (jitter[k + 1] - jitter[k])


@inner
def keys_of_message(layout, i, number):
    """Keys of the random numbers of a message of unit i: of its jitter and of its losses."""
    rules, own, number = layout.rules[0], np.uint64(i), np.uint64(number)
    own_jitter = mixed(mixed(rules.seed_jitter, own), number)
    return own_jitter, mixed(mixed(rules.seed_drop, own), number)


@inner_inlined
def key_of_link(q, receiver):
    """Key of a link of projection q, or of all of them together."""
    return (np.uint64(q) << np.uint64(32)) + np.uint64(receiver + 1)


@inner
def travel(layout, message, q, receiver, own_jitter, own_drop, left, drop):
    """When a message that left at some time arrives, and whether it is lost.

    Parameters
    ----------
    layout, message, left : Layout, MESSAGE, float
    q, receiver : int
        The projection, and a unit of its target, counted there, or ALL.
    own_jitter, own_drop : uint64
        The keys of `keys_of_message`.
    drop : float
        The probability of a loss.
    """
    projection = layout.projections[q]
    j = message.unit - layout.populations[projection.source].start
    place = projection.delay + j * projection.delay_sender
    arrival = left + layout.delays[place + max(receiver, 0) * projection.delay_receiver]
    lost = False
    if projection.weights >= 0:
        link = key_of_link(q, receiver)
        if len(layout.jitter) > 0:
            arrival += quantile(layout.jitter, unit_interval(mixed(own_jitter, link)))
        lost = drop > 0.0 and unit_interval(mixed(own_drop, link)) < drop
    return arrival, lost


@inner
def _send_packet(layout, state, index, q, receiver, own_jitter, own_drop):
    """Put one packet on its way, or lose it; random numbers depend on unit, message and link.

    Parameters
    ----------
    layout, state, index : Layout, State, int
    q, receiver, own_jitter, own_drop : int, int, uint64, uint64
    """
    message, drop = state.messages[index], layout.rules[0].drop
    arrival, lost = travel(layout, message, q, receiver, own_jitter, own_drop, message.time, drop)
    if lost:
        state.run[0].drops += 1
    if not lost or layout.rules[0].zero:
        push(state, arrival, q, index, receiver, lost)


@inner
def write_message(layout, state, i, value, direction):
    """Unit i says its output `value` now, moving in `direction`: the position of the message."""
    rules, run, unit, index = layout.rules[0], state.run[0], state.units[i], state.run[0].messages
    message = state.messages[index]
    message.time, message.value = run.now, set_levels(layout, state, i, value, direction)
    message.unit, message.previous = i, unit.latest
    run.messages += 1
    unit.latest = index
    unit.number += 1
    unit.sent_at = run.last_message = run.now
    if direction != 0.0 and rules.tolerance > 0.0:
        run.check = run.now + rules.transit
    return index


@inner
def send(layout, state, i, value, direction):
    """Unit i sends its output `value` now; `direction` is where that is moving."""
    index = write_message(layout, state, i, value, direction)
    own_jitter, own_drop = keys_of_message(layout, i, state.units[i].number)
    q = layout.populations[layout.units[i].population].outgoing
    while q >= 0:
        first, last = ALL, 0
        if layout.rules[0].link and layout.projections[q].weights >= 0:
            target = layout.populations[layout.projections[q].target]
            first, last = 0, target.stop - target.start
        for receiver in range(first, last):
            _send_packet(layout, state, index, q, receiver, own_jitter, own_drop)
        q = layout.projections[q].following
