"""Barriers: what has arrived is read, and all units look, when nothing is under way. Compiled."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import numpy as np

from ....compiled.jit import inner
from ....neurons import NORMALISER
from ..engine.queue import push
from ..engine.state import TICK
from .arrays import BARRIER
from .serving import take_slot


@inner
def wait_for_barrier(traffic, c, index, receiver, lost):
    """A message has arrived, and will be read at the next barrier.

    Parameters
    ----------
    traffic : Traffic
    c, index, receiver, lost : int, int, int, bool
        As in `read`.
    """
    tally, k = traffic.tally[0], take_slot(traffic)
    slot = traffic.slots[k]
    slot.message, slot.node, slot.parent, slot.left = index, c, receiver, lost
    if tally.first < 0:
        tally.first = k
    else:
        traffic.slots[tally.last].next = k
    tally.last = k
    tally.under_way -= 1


@inner
def announce_barrier(state, ways, traffic):
    """All has arrived that was sent since the last barrier: the next one has a time."""
    rules, tally, now = ways.rules[0], traffic.tally[0], state.run[0].now
    tally.needed = now - tally.began + rules.overhead
    tally.announced = True
    push(state, max(tally.began + rules.step, now + rules.overhead), BARRIER, 0, 0, False)


@inner
def begin_step(layout, state, traffic):
    """Units look now; a step begins."""
    tally, now = traffic.tally[0], state.run[0].now
    tally.barriers += 1
    tally.longest = max(tally.longest, now - tally.began)
    tally.delivery += tally.needed
    tally.delivery_longest = max(tally.delivery_longest, tally.needed)
    tally.began = now
    for p in range(len(layout.populations)):
        population = layout.populations[p]
        for i in range(population.start, population.stop):
            if np.isnan(state.units[i].fixed) and population.kind != NORMALISER:
                push(state, now, TICK, 0, i, False)
                tally.under_way += 1
