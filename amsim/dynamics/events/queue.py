"""A binary heap of packets, ordered by (time, order): ties are deterministic. Compiled."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

from ...compiled.jit import compiled
from .state import ORDER, PACKETS


@compiled
def _before(time, order, packet):
    return time < packet.time or (time == packet.time and order < packet.order)


@compiled
def push(engine, time, what, index, unit, lost):
    """Add a packet."""
    queue, count = engine.queue, engine.counts
    k, order = count[PACKETS], count[ORDER]
    count[PACKETS] += 1
    count[ORDER] += 1
    while k > 0:
        parent = (k - 1) >> 1
        if not _before(time, order, queue[parent]):
            break
        queue[k] = queue[parent]
        k = parent
    queue[k].time, queue[k].order, queue[k].what = time, order, what
    queue[k].index, queue[k].unit, queue[k].lost = index, unit, lost


@compiled
def pop(engine):
    """Remove the first packet; read it before."""
    queue, count = engine.queue, engine.counts
    count[PACKETS] -= 1
    size, k = count[PACKETS], 0
    time, order = queue[size].time, queue[size].order
    while 2 * k + 1 < size:
        child = 2 * k + 1
        if child + 1 < size and _before(
            queue[child + 1].time, queue[child + 1].order, queue[child]
        ):
            child += 1
        if _before(time, order, queue[child]):
            break
        queue[k] = queue[child]
        k = child
    queue[k] = queue[size]
